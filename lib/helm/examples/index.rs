//! `index [MEGABYTES] [charts|one|tiny|json]`: makes an index of that size, converts it as source-controller does, looks a
//! chart up, and prints times and the peak of memory.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what it measures is files, memory and time, and what it prints is what it is for"
)]

use helm::index::{Table, choose, convert};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut args = std::env::args().skip(1);
    let size = args.next().map_or(50, |size| size.parse().unwrap()) << 20;
    let shape = args.next().unwrap_or_else(|| "charts".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.yaml");
    let entries = generate(&path, size, &shape);
    let before = peak();

    let begin = Instant::now();
    let text = fs::read(&path).unwrap();
    let mut scratch = tempfile::tempfile().unwrap();
    let stored = folder.path().join("stored");
    let mut out = BufWriter::new(File::create(&stored).unwrap());
    let table = convert(&text, &mut scratch, &mut out).unwrap();
    out.flush().unwrap();
    let converted = begin.elapsed();
    drop(text);
    println!(
        "{} MiB, {entries} entries, {} charts: converted in {:.2} s, peak {} MiB (before {} MiB)",
        size >> 20,
        table.len(),
        converted.as_secs_f64(),
        peak() >> 20,
        before >> 20
    );

    let begin = Instant::now();
    let scanned = Table::scan(BufReader::with_capacity(256 << 10, File::open(&stored).unwrap())).unwrap();
    println!(
        "table made anew of what is stored: {:.0} ms",
        begin.elapsed().as_secs_f64() * 1e3
    );
    assert_eq!(scanned, table);
    let mut written = Vec::new();
    table.write(&mut written).unwrap();

    let begin = Instant::now();
    let table = Table::read(written.as_slice()).unwrap();
    let place = table.find("chart-0").unwrap();
    let mut file = File::open(&stored).unwrap();
    file.seek(SeekFrom::Start(place.start)).unwrap();
    let length = place.end - place.start;
    let chosen = choose("chart-0", ">=0", BufReader::new(file.take(length))).unwrap();
    println!(
        "one chart of {} KiB looked up in {:.2} ms: {} (table {} KiB)",
        length >> 10,
        begin.elapsed().as_secs_f64() * 1e3,
        chosen.version,
        written.len() >> 10
    );
    println!("peak {} MiB", peak() >> 20);
}

fn generate(path: &std::path::Path, size: u64, shape: &str) -> usize {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let (charts, json) = match shape {
        "one" | "tiny" => (1, false),
        "json" => (300, true),
        _ => (300, false),
    };
    let (mut written, mut entries) = (0, 0);
    let share = size / charts;
    let mut put = |text: String| {
        written += text.len() as u64;
        out.write_all(text.as_bytes()).unwrap();
        written
    };
    put(if json {
        "{\"apiVersion\":\"v1\",\"entries\":{".into()
    } else {
        "apiVersion: v1\nentries:\n".into()
    });
    for chart in 0..charts {
        put(match (json, chart) {
            (true, 0) => format!("\"chart-{chart}\":["),
            (true, _) => format!(",\"chart-{chart}\":["),
            (false, _) => format!("  chart-{chart}:\n"),
        });
        for number in 0.. {
            let version = format!("{}.{}.{}", number / 400, number / 20 % 20, number % 20);
            let now = put(match (json, shape) {
                (true, _) => entry_json(chart, &version, number > 0),
                (_, "tiny") => format!("  - {{name: chart-{chart}, version: {version}}}\n"),
                _ => entry(chart, &version),
            });
            entries += 1;
            if now >= share * (chart + 1) || entries >= 499_000 {
                break;
            }
        }
        if json {
            put("]".into());
        }
    }
    if json {
        put("}}".into());
    }
    out.flush().unwrap();
    entries
}

fn entry(chart: u64, version: &str) -> String {
    format!(
        "  - annotations:\n      category: Database\n      images: |\n        - name: db-{version}\n          image: docker.io/library/db:{version}-debian-12-r0\n        - name: exporter\n          image: docker.io/library/exporter:0.15.0\n      licenses: Apache-2.0\n    apiVersion: v2\n    appVersion: \"{version}\"\n    created: \"2026-01-01T00:00:00.123456789Z\"\n    dependencies:\n    - name: common\n      repository: oci://registry-1.docker.io/charts\n      tags:\n      - common\n      version: 2.x.x\n    description: A database that is fast, <b>small</b> & easy to run in \"production\".\n    digest: 3999f0d770ab086321a9fd704b0b6bfc5889add21646333cdce81fb7d97dd02e\n    home: https://example.com/charts/chart-{chart}\n    icon: https://example.com/icons/chart-{chart}.png\n    keywords:\n    - database\n    - sql\n    maintainers:\n    - name: Some Company, Inc.\n      url: https://github.com/example/charts\n    name: chart-{chart}\n    sources:\n    - https://github.com/example/charts/tree/main/chart-{chart}\n    urls:\n    - https://example.com/charts/chart-{chart}-{version}.tgz\n    version: {version}\n"
    )
}

fn entry_json(chart: u64, version: &str, more: bool) -> String {
    let comma = if more { "," } else { "" };
    format!(
        "{comma}{{\"apiVersion\":\"v2\",\"appVersion\":\"{version}\",\"created\":\"2026-01-01T00:00:00Z\",\"description\":\"A database that is fast, small & easy to run in production, of which there is much to say.\",\"digest\":\"3999f0d770ab086321a9fd704b0b6bfc5889add21646333cdce81fb7d97dd02e\",\"home\":\"https://example.com/charts/chart-{chart}\",\"keywords\":[\"database\",\"sql\"],\"maintainers\":[{{\"name\":\"Some Company\",\"url\":\"https://github.com/example/charts\"}}],\"name\":\"chart-{chart}\",\"urls\":[\"https://example.com/charts/chart-{chart}-{version}.tgz\"],\"version\":\"{version}\"}}"
    )
}

/// The most memory that this process has held, in bytes (Linux).
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() << 10
}
