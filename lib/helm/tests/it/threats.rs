//! What was done to Helm and its users by charts, values and records, tried here (docs/threats-helm.md).

use crate::limits::{chart, render};
use flate2::{Compression, write::GzEncoder};
use helm::{ArchiveLimits, Chart, Error, release};
use serde_json::json;
use std::io::Write as _;
use std::time::{Duration, Instant};

const ABOUT: &[u8] = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";

/// What takes longer than this was not bounded: a debug build, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(300);

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// One entry of an archive: a header of our own making, and what follows it.
fn entry(name: &str, kind: tar::EntryType, link: &str, size: u64, data: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o777);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, data: &[u8]) -> Vec<u8> {
    entry(name, tar::EntryType::Regular, "", data.len() as u64, data)
}

fn load(entries: &[Vec<u8>]) -> Result<Chart, String> {
    load_within(entries, ArchiveLimits::default())
}

fn load_within(entries: &[Vec<u8>], limits: ArchiveLimits) -> Result<Chart, String> {
    let mut tar = entries.concat();
    tar.extend([0; 1024]);
    Chart::from_archive(&gzip(&tar), &limits).map_err(|e| e.to_string())
}

/// CVE-2025-53547, CVE-2022-24348: a link in a chart stands for a file of the machine.
#[test]
fn links_lead_nowhere() {
    use tar::EntryType::{Block, Char, Fifo, Link, Symlink};
    for kind in [Symlink, Link, Char, Block, Fifo] {
        for target in ["/etc/passwd", "../../../../etc/passwd", "Chart.yaml", "/dev/zero"] {
            let about = file("c/Chart.yaml", ABOUT);
            let names = [
                "c/link",
                "c/templates/link.yaml",
                "c/Chart.lock",
                "c/values.yaml",
                "c/charts/link",
            ];
            let links = names.map(|name| entry(name, kind, target, 0, b""));
            let Ok(chart) = load(&[vec![about], links.to_vec()].concat()) else {
                continue;
            };
            let holds = |f: &helm::File| !f.data.is_empty();
            assert!(!chart.templates.iter().any(holds), "{kind:?} {target}");
            let files: Vec<_> = chart.files.iter().filter(|f| holds(f)).collect();
            assert!(
                files.is_empty() && chart.values.is_empty(),
                "{kind:?} {target} {files:?}"
            );
            assert!(chart.lock.is_none_or(|lock| lock.is_null()));
        }
    }
    // A file below what an earlier entry made a link is a file of the chart.
    let chart = load(&[
        file("c/Chart.yaml", ABOUT),
        entry("c/files", Symlink, "/tmp", 0, b""),
        file("c/files/x", b"own"),
    ]);
    let chart = chart.unwrap();
    assert!(
        chart
            .files
            .iter()
            .any(|f| f.name == "files/x" && &*f.data == b"own")
    );
}

/// CVE-2025-32386, CVE-2025-62518 and their like: archives whose sizes are not what they say.
#[test]
fn archives_that_lie_are_refused() {
    let begin = Instant::now();
    let about = file("c/Chart.yaml", ABOUT);
    // A declared size that nobody can have.
    for size in [6 << 20, 1 << 30, 1 << 40, u64::from(u32::MAX)] {
        let huge = entry("c/a", tar::EntryType::Regular, "", size, b"");
        let error = load(&[about.clone(), huge]).unwrap_err();
        assert!(error.contains("larger than the maximum"), "{size}: {error}");
    }
    // The same by an extended header, in both directions: neither smuggles a file in.
    for size in ["1099511627776", "0", "512", "-1", "x"] {
        let record = format!("size={size}\n");
        let record = format!("{} {record}", record.len() + 3);
        let pax = entry(
            "c/pax",
            tar::EntryType::XHeader,
            "",
            record.len() as u64,
            record.as_bytes(),
        );
        let inner = file("c/templates/smuggled.yaml", b"x");
        let outer = file("c/data", &inner);
        if let Ok(chart) = load(&[about.clone(), pax, outer]) {
            assert!(
                chart.templates.is_empty() || size == "0",
                "{size}: {:?}",
                chart.templates
            );
        }
    }
    // Many files. (Many bytes are in limits.rs.)
    let few = ArchiveLimits {
        files: 100,
        bytes: 1 << 20,
        ..ArchiveLimits::default()
    };
    let many: Vec<_> = (0..100).map(|i| file(&format!("c/{i}"), b"")).collect();
    let error = load_within(&[vec![about.clone()], many].concat(), few).unwrap_err();
    assert!(error.contains("too many files"), "{error}");
    // Headers without files, between two: they are read to a ceiling, not for ever.
    let folders = entry("c/folder/", tar::EntryType::Directory, "", 0, b"").repeat(140_000);
    let more = ArchiveLimits {
        files: 1_000_000,
        ..few
    };
    let late = load_within(&[about.clone(), folders, file("c/late", b"x")], more);
    assert!(late.is_err_and(|e| e.contains("larger than the maximum size")));
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
}

/// CVE-2024-25620, CVE-2026-35206: a chart's name is a path.
#[test]
fn names_are_no_paths() {
    for name in [".", "..", "../c", "a/b", "/etc", "..\\/x"] {
        let about = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
        let error = load(&[file("c/Chart.yaml", about.as_bytes())]).unwrap_err();
        assert!(error.contains("chart.metadata.name"), "{name}: {error}");
        let about = format!(
            "{}dependencies: [{{name: a, version: 1.0.0, repository: \"\", alias: \"{name}\"}}]\n",
            String::from_utf8_lossy(ABOUT)
        );
        assert!(
            load(&[file("c/Chart.yaml", about.replace('\\', "\\\\").as_bytes())]).is_err(),
            "alias {name}"
        );
    }
}

/// CVE-2025-32387, CVE-2025-55199: a schema that takes for ever, or fetches what has no end.
#[test]
fn schemas_are_bounded() {
    let many = |of: &str| format!("[{}]", vec![of; 100_000].join(","));
    let list = |of: &str| json!({"l": serde_json::from_str::<serde_json::Value>(&many(of)).unwrap()});
    let distinct: Vec<u32> = (0..100_000).collect();
    let long = "a".repeat(1 << 20);
    for (schema, values, part) in [
        (
            r#"{"$ref": "file:///dev/zero"}"#.to_owned(),
            json!({}),
            "schemas are not fetched",
        ),
        (
            r#"{"$ref": "http://169.254.169.254/latest"}"#.to_owned(),
            json!({}),
            "schemas are not fetched",
        ),
        (r##"{"$ref": "#"}"##.to_owned(), json!({}), "too long"),
        (
            r#"{"properties": {"l": {"uniqueItems": true}}}"#.to_owned(),
            json!({"l": distinct}),
            "too long",
        ),
        (
            format!(
                r#"{{"properties": {{"l": {{"items": {{"enum": {}}}}}}}}}"#,
                many("1").replacen('[', "[2,", 1).replace("1]", "3]")
            ),
            list("3"),
            "compares too much",
        ),
        (
            format!(
                r#"{{"properties": {{"l": {{"items": {{"enum": ["{}"]}}}}}}}}"#,
                "x".repeat(100_000)
            ),
            list("2"),
            "more complaints",
        ),
        (
            r#"{"properties": {"l": {"pattern": "(((a?){50}){50}){50}$"}}}"#.to_owned(),
            json!({"l": long}),
            "not valid regex",
        ),
        (
            r#"{"properties": {"l": {"pattern": "^(a*)*(a*)*(a|aa|aaa)*b$"}}}"#.to_owned(),
            json!({"l": long}),
            "does not match",
        ),
        (
            r#"{"properties": {"l": {"items": {"multipleOf": 1e-300}}}}"#.to_owned(),
            json!({"l": vec![1e300; 2000]}),
            "",
        ),
        (
            format!("{}1{}", r#"{"allOf":["#.repeat(5000), "]}".repeat(5000)),
            json!({}),
            "recursion limit exceeded",
        ),
    ] {
        let begin = Instant::now();
        let result = render(&[("values.schema.json", &schema)], values);
        let told = result.as_ref().map_or_else(Error::to_string, |_| String::new());
        let shown: String = told.chars().take(300).collect();
        let schema: String = schema.chars().take(100).collect();
        assert!(told.contains(part), "{schema}: {shown}");
        assert!(begin.elapsed() < LONG, "{schema} took {:?}", begin.elapsed());
        println!("{schema}: {:?} {shown}", begin.elapsed());
    }
}

/// A record is a Secret that whoever may write Secrets has written.
#[test]
fn records_are_bounded() {
    use base64::Engine as _;
    let stored = |json: &[u8]| base64::engine::general_purpose::STANDARD.encode(gzip(json));
    let sample = crate::release::sample().to_json();
    assert!(release::decode(&stored(sample.as_bytes())).is_ok());
    for (name, inner) in [
        ("numbers", "1,".repeat(20 << 20)),
        ("lists", "[],".repeat(10 << 20)),
        ("objects", "{\"a\":{}},".repeat(3 << 20)),
    ] {
        let begin = Instant::now();
        let json = sample.replacen("{", &format!("{{\"x\":[{inner}1],"), 1);
        let text = stored(json.as_bytes());
        assert!(
            text.len() <= release::MAX_SECRET,
            "{name} fits into a Secret: {}",
            text.len()
        );
        let error = release::decode(&text).unwrap_err().to_string();
        assert!(
            error.contains("larger than") || error.contains("more than"),
            "{name}: {error}"
        );
        assert!(begin.elapsed() < LONG, "{name} took {:?}", begin.elapsed());
    }
    for nonsense in ["", "=", "H4sI", "eyJ9", "bnVsbA==", "W10=", "MQ=="] {
        assert!(release::decode(nonsense).is_err(), "{nonsense}");
    }
    assert!(release::decode(&stored("[".repeat(1 << 20).as_bytes())).is_err());
}

/// Values that are small as text and large in memory.
#[test]
fn values_are_bounded() {
    let begin = Instant::now();
    let some = format!("l: [{}]\n", "{},".repeat(700_000));
    let about = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
    let files = |count: usize| {
        let mut files = vec![("values.yaml".to_owned(), some.clone())];
        for at in 1..count {
            files.push((
                format!("charts/c{at}/Chart.yaml"),
                about.replace("name: c", &format!("name: c{at}")),
            ));
            files.push((format!("charts/c{at}/values.yaml"), some.clone()));
        }
        files
    };
    let load = |count: usize| {
        let files = files(count);
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        chart(&files).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(load(2), Ok(()));
    let error = load(3).unwrap_err();
    assert!(error.contains("are more than 2000000"), "{error}");
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
}
