//! Indexes: what is stored is what Flux stores, what is found is what Flux finds, and nothing is held that need not be.
//! `HELM_ORACLE` is asked for the entries as Helm prints them.

use crate::fuzz::mutate;
use golden::Random;
use helm::index::{ChooseError, Table, choose, convert};
use std::io::Cursor;
use std::process::Command;
use std::time::{Duration, Instant};

fn stored(text: &[u8]) -> Result<(Vec<u8>, Table), String> {
    let mut out = Vec::new();
    let table = convert(text, &mut Cursor::new(Vec::new()), &mut out).map_err(|error| error.to_string())?;
    let scanned = Table::scan(out.as_slice()).unwrap();
    assert_eq!(scanned, table, "{}", String::from_utf8_lossy(&out));
    let mut written = Vec::new();
    table.write(&mut written).unwrap();
    assert_eq!(Table::read(written.as_slice()).unwrap(), table);
    Ok((out, table))
}

/// The version of a chart in an index that a constraint means; nothing if there is no such chart.
fn chosen(text: &[u8], chart: &str, wanted: &str) -> Option<Result<String, String>> {
    let (stored, table) = stored(text).unwrap();
    let place = table.find(chart)?;
    let versions = &stored[place.start as usize..place.end as usize];
    let found = choose(chart, wanted, versions);
    Some(
        found
            .map(|found| found.version)
            .map_err(|error| error.to_string()),
    )
}

/// Every shape of entry and head.
const ALL: &str = r#"
apiVersion: v1
generated: 2026-01-01T00:00:00.120+02:00
serverInfo: {contextPath: /x, b: 1}
publicKeys: [k]
annotations: {z: "1", a: b}
entries:
  web:
  - {name: web, version: 1.0.0, urls: [web-1.tgz], digest: d, created: "2026-01-01T00:00:00Z"}
  - {name: web, version: 2.0.0-rc.1, urls: [], apiVersion: v2}
  - apiVersion: v2
    appVersion: "1.16"
    name: web
    version: 1.10.0
    description: "a <b> & \"c\" d"
    keywords: [a, b]
    home: https://h
    icon: https://i
    sources: [https://s]
    kubeVersion: ">=1.2"
    deprecated: true
    removed: true
    type: application
    tags: t
    condition: c
    engine: gotpl
    tillerVersion: ">2"
    url: u
    checksum: s
    maintainers: [{name: nn, email: e, url: u}, {name: mm}]
    annotations: {k2: v, k1: "true"}
    dependencies:
    - {name: dep, version: ">1", repository: https://r, condition: x, tags: [a], enabled: true, alias: al, import-values: [a, {child: c, parent: p}]}
    - {name: dep, version: ">1", repository: https://r}
    - {name: dep, version: ">1", repository: https://r}
  - {name: web, version: bad}
  - {version: 3.0.0}
  - null
  empty: []
  none: null
  gone:
  - {name: gone}
"#;

#[test]
fn the_stored_form_is_what_go_prints() {
    let (text, table) = stored(ALL.as_bytes()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let head = "{\n  \"serverInfo\": {\n    \"b\": 1,\n    \"contextPath\": \"/x\"\n  },\n  \"apiVersion\": \"v1\",\n  \"generated\": \"2026-01-01T00:00:00.12+02:00\",\n  \"entries\": {\n    \"empty\": [],\n    \"gone\": [],\n    \"none\": null,\n    \"web\": [\n      {\n        \"name\": \"web\",\n        \"version\": \"2.0.0-rc.1\",\n        \"apiVersion\": \"v2\",\n        \"urls\": [],\n        \"created\": \"0001-01-01T00:00:00Z\"\n      },\n      {\n        \"name\": \"web\",\n        \"home\": \"https://h\",\n";
    assert!(text.starts_with(head), "{text}");
    let end = "    ]\n  },\n  \"publicKeys\": [\n    \"k\"\n  ],\n  \"annotations\": {\n    \"a\": \"b\",\n    \"z\": \"1\"\n  }\n}";
    assert!(text.ends_with(end), "{text}");
    assert!(
        text.contains(r#""description": "a \u003cb\u003e \u0026 \"c\" d""#),
        "{text}"
    );
    assert_eq!(table.len(), 4);
    // What was stored once is stored so again: as JSON, and as YAML, which JSON is.
    assert_eq!(stored(text.as_bytes()).unwrap().0, text.as_bytes());
    let yaml = format!("# not JSON\n{text}");
    assert_eq!(stored(yaml.as_bytes()).unwrap().0, text.as_bytes());
}

/// `HELM_INDEXES` says where more indexes are, such as those of public repositories.
#[test]
fn the_entries_are_what_helm_prints() {
    let Ok(helm) = std::env::var("HELM_ORACLE") else {
        return;
    };
    let mut random = Random::begin();
    for _ in 0..20 {
        assert!(printed_alike(&helm, generated(&mut random).as_bytes()));
    }
    let more = std::env::var("HELM_INDEXES").map(std::fs::read_dir);
    for entry in more.into_iter().flatten().flatten() {
        let path = entry.unwrap().path();
        let compared = printed_alike(&helm, &std::fs::read(&path).unwrap());
        println!("{} compared: {compared}", path.display());
    }
}

/// Gives whether there was something to compare.
fn printed_alike(helm: &str, text: &[u8]) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let (charts, index) = (dir.path().join("charts"), dir.path().join("index.yaml"));
    std::fs::create_dir(&charts).unwrap();
    std::fs::write(&index, text).unwrap();
    let mut command = Command::new(helm);
    command
        .args(["repo", "index", "--json", "--merge"])
        .arg(&index)
        .arg(&charts);
    let shown = || String::from_utf8_lossy(&text[..text.len().min(5000)]).into_owned();
    let ran = golden::run(&mut command);
    assert!(ran.is_ok(), "{ran:?}\n{}", shown());
    let printed = std::fs::read_to_string(charts.join("index.yaml")).unwrap();
    let ours = String::from_utf8(stored(text).unwrap().0).unwrap();
    let json: serde_json::Value = serde_json::from_str(&ours).unwrap();
    let repeated = |list: &serde_json::Value| {
        let mut seen = std::collections::HashSet::new();
        let mut versions = list
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| entry["version"].to_string());
        versions.any(|version| !seen.insert(version))
    };
    if json["entries"].as_object().unwrap().values().any(repeated) {
        // Of those Helm's merging keeps one.
        return false;
    }
    let entries = |text: &str| {
        let from = text.find("\n  \"entries\"").unwrap();
        let rest = &text[from..];
        rest[..rest.find("\n  }").unwrap_or(rest.len())].to_owned()
    };
    let (ours, printed) = (entries(&ours), entries(&printed));
    let differs = ours
        .lines()
        .zip(printed.lines())
        .find(|(ours, printed)| ours != printed);
    assert!(ours == printed, "{differs:?}\n{}", shown());
    true
}

/// An index with a few charts; no two entries are alike, for Helm merges those.
fn generated(random: &mut Random) -> String {
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    let words = [
        "a",
        "b <c>",
        "\"1.0\"",
        "~",
        "'x: y'",
        "\"é\\u0007\"",
        "v1.0",
        "2026-01-01",
    ];
    for chart in 0..1 + random.below(3) {
        text += &format!("  chart-{chart}:\n");
        for number in 0..1 + random.below(5) {
            let pre = ["", "-rc.1", "-0", "-alpha.beta"][random.below(4)];
            text += &format!(
                "  - name: chart-{chart}\n    version: {}.{number}.0{pre}\n",
                random.below(3)
            );
            for field in [
                "description",
                "appVersion",
                "home",
                "icon",
                "digest",
                "kubeVersion",
            ] {
                if random.below(3) == 0 {
                    text += &format!("    {field}: {}\n", words[random.below(words.len())]);
                }
            }
            for field in ["keywords", "sources", "urls"] {
                if random.below(2) == 0 {
                    text += &format!("    {field}: [{}, x]\n", words[random.below(words.len())]);
                }
            }
            if random.below(2) == 0 {
                let zone = ["Z", "+00:00", "-03:30"][random.below(3)];
                let part = ["", ".5", ".120", ".123456789"][random.below(4)];
                text += &format!("    created: 2026-01-01T00:00:00{part}{zone}\n");
            }
            if random.below(3) == 0 {
                text += "    annotations: {b: c, a: \"1\", n: null}\n    deprecated: yes\n";
            }
        }
    }
    text
}

#[test]
fn the_version_that_is_meant_is_found() {
    let text = b"apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0}\n  - {name: a, version: 2.0.0-rc.1}\n  - {name: a, version: 1.10.0+old, created: '2026-01-01T00:00:00Z'}\n  - {name: a, version: 1.10.0+new, created: '2026-02-01T00:00:00Z'}\n  - {name: a, version: 1.10.0+odd, created: '2026-01-01T00:00:00+05:00'}\n  - {name: a, version: 1.9.0}\n  - {name: a, version: v1.8}\n";
    let found = |wanted: &str| chosen(text, "a", wanted).unwrap();
    for (wanted, expected) in [
        ("", Ok("1.10.0+new")),
        ("*", Ok("1.10.0+new")),
        ("<1.10", Ok("1.9.0")),
        (">1-0", Ok("2.0.0-rc.1")),
        ("2.0.0-rc.1", Ok("2.0.0-rc.1")),
        ("1.10.0+odd", Ok("1.10.0+odd")),
        // Written just so, and otherwise no version to Flux.
        ("v1.8", Ok("v1.8")),
        ("1.8.x", Err("no 'a' chart with version matching '1.8.x' found")),
        ("3.x", Err("no 'a' chart with version matching '3.x' found")),
        ("x y", Err("improper constraint: \"x y\"")),
    ] {
        assert_eq!(
            found(wanted).as_deref().map_err(String::as_str),
            expected,
            "{wanted}"
        );
    }
    let none = Err(ChooseError::None("no chart version found".to_owned()));
    for empty in ["[]", "null"] {
        assert_eq!(choose("a", "", empty.as_bytes()), none);
    }
    for damaged in ["", "[{}]", "{}", "[{\"name\": \"a\", \"version\""] {
        let found = choose("a", "", damaged.as_bytes());
        assert!(matches!(found, Err(ChooseError::Damaged(_))), "{found:?}");
    }
    assert!(chosen(text, "b", "").is_none());
}

#[test]
fn what_is_no_index_is_refused() {
    let deep = format!("apiVersion: v1\nentries: {}{}", "[".repeat(300), "]".repeat(300));
    for (text, expected) in [
        ("", "empty index.yaml file"),
        ("# nothing", "no API version specified"),
        ("{}", "no API version specified"),
        ("entries: {}", "no API version specified"),
        (
            "a: b: c",
            "error converting YAML to JSON: yaml: mapping values are not allowed in this context",
        ),
        (
            "<!DOCTYPE html>\n<html></html>\n",
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type repo.IndexFile",
        ),
        (
            "- a",
            "cannot unmarshal array into Go value of type repo.IndexFile",
        ),
        ("apiVersion: v1\nentires: {}", "unknown field \"entires\""),
        (
            "apiVersion: v1\nentries: {a: [{nmae: a}]}",
            "unknown field \"nmae\"",
        ),
        (
            "apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0, dependencies: [{nmae: x}]}]}",
            "unknown field \"nmae\"",
        ),
        (
            "apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0, appVersion: 1.16}]}",
            "cannot unmarshal number into Go struct field Metadata.appVersion of type string",
        ),
        ("apiVersion: v1\nentries: {a: [x]}", "cannot unmarshal string"),
        ("apiVersion: v1\nentries: {a: x}", "cannot unmarshal string"),
        ("apiVersion: v1\nentries: x", "cannot unmarshal string"),
        (
            "apiVersion: v1\nentries: {a: [{name: [], version: 1.0.0}]}",
            "cannot unmarshal array",
        ),
        (
            "apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0, created: yesterday}]}",
            "parsing time",
        ),
        (
            "apiVersion: v1\napiVersion: v1",
            "key \"apiVersion\" already set in map",
        ),
        (
            "apiVersion: v1\nentries: {a: [{name: a, name: b}]}",
            "key \"name\" already set in map",
        ),
        (
            "apiVersion: v1\nentries: {a: [], a: []}",
            "key \"a\" already set in map",
        ),
        ("apiVersion: v1\nentries: {a: [{name: a", "yaml"),
        ("apiVersion: v1\nentries: {a: [*nope]}", "unknown anchor"),
        ("\u{0}", "yaml"),
        (deep.as_str(), "exceeded max depth"),
        (
            "{\"apiVersion\": \"v1\", \"entries\": {\"a\": [{\"name\": []}]}}",
            "json: cannot unmarshal array",
        ),
    ] {
        let error = stored(text.as_bytes()).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn anchors_and_merges_mean_what_they_mean() {
    let text = b"apiVersion: v1\nentries:\n  a: &list\n  - &one {name: a, version: 1.0.0}\n  - {<<: *one, version: 1.1.0}\n  b: *list\n  c:\n  - {<<: *one, name: c}\n";
    for (chart, wanted, expected) in [
        ("a", "", "1.1.0"),
        ("b", "", "1.1.0"),
        ("b", "1.0.0", "1.0.0"),
        ("c", "", "1.0.0"),
    ] {
        assert_eq!(
            chosen(text, chart, wanted),
            Some(Ok(expected.to_owned())),
            "{chart}"
        );
    }
    // A bomb: each level has ten of the one below.
    let mut bomb = "apiVersion: v1\nannotations:\n  a0: &a0 x\n".to_owned();
    for level in 1..9 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb += &format!("  a{level}: &a{level} [{}]\n", below.trim_end_matches(", "));
    }
    assert!(
        stored(bomb.as_bytes())
            .unwrap_err()
            .contains("excessive aliasing")
    );
}

#[test]
fn json_is_read_as_json() {
    let text = br#"{"apiVersion": "v1", "Entries": {"a": [{"name": "a", "version": "1.0.0", "unknown": 1, "urls": null}], "n": null}, "more": [1]}"#;
    let (stored, table) = stored(text).unwrap();
    assert_eq!(table.len(), 2);
    assert!(String::from_utf8(stored).unwrap().contains("\"urls\": null"));
}

/// Indexes that somebody spoiled: no panic, no hang, no more than so much of what goes in comes out, and what is stored is
/// stored so again. `FUZZ_SECONDS` says for how long (1).
#[test]
fn spoiled_indexes_are_survived() {
    let seconds = golden::seconds().unwrap_or(1);
    let mut random = Random::begin();
    let (json, _) = stored(ALL.as_bytes()).unwrap();
    let seeds = [ALL.as_bytes().to_vec(), json, generated(&mut random).into_bytes()];
    let words = [
        "entries:",
        "- ",
        "  ",
        "\n",
        ": ",
        "&a ",
        "*a",
        "<<: ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "!!binary ",
        "!x, ",
        "null",
        "~",
        "name: web",
        "version: 1.0.0",
        "\\u0000",
        "\u{0}",
        "\u{feff}",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "# ",
        "\t",
        "1e999",
        ".nan",
        "\\/",
        "é",
        "\u{2028}",
        ",",
        "? ",
        "apiVersion: v1\n",
        "\r\n",
    ];
    let dictionary: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut runs = [0, 0];
    while Instant::now() < until {
        let seed = random.below(seeds.len());
        let text = mutate(&mut random, &seeds[seed], &dictionary);
        let begin = Instant::now();
        let shown = || String::from_utf8_lossy(&text).into_owned();
        let found = std::panic::catch_unwind(|| stored(&text)).unwrap_or_else(|_| panic!("{}", shown()));
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:?}: {}",
            begin.elapsed(),
            shown()
        );
        runs[usize::from(found.is_ok())] += 1;
        let Ok((first, table)) = found else { continue };
        // An escape is six bytes for one, a level of depth two for each line, and aliases are a tenth of a large text.
        assert!(first.len() <= 64 * text.len() + 1024, "{}", shown());
        let (second, again) = stored(&first).unwrap_or_else(|error| panic!("{error}: {}", shown()));
        assert!(first == second && table == again, "{}", shown());
    }
    println!("{} refused, {} read", runs[0], runs[1]);
}

/// Large indexes of odd shapes, in time and within their limits.
#[test]
fn odd_shapes_cost_little() {
    let many = "  - {name: a, version: 1.0.0}\n".repeat(40_000);
    let names: String = (0..50_000).map(|n| format!("  chart-{n}: []\n")).collect();
    let long = "x".repeat(1 << 19);
    let commas = "- ! a, b\n".repeat(50_000);
    let escapes = "\\/".repeat(1 << 19);
    for (text, expected) in [
        (format!("apiVersion: v1\nentries:\n  a:\n{many}"), Ok(1)),
        (format!("apiVersion: v1\nentries:\n{names}"), Ok(50_000)),
        (
            format!("apiVersion: v1\nentries:\n  a:\n  - {{name: a, version: 1.0.0, description: {long}}}\n"),
            Ok(1),
        ),
        (
            format!(
                "apiVersion: v1\nentries:\n  a:\n  - {{name: a, version: 1.0.0, description: \"{escapes}\"}}\n"
            ),
            // Only JSON has this escape, and this is none.
            Err(()),
        ),
        (
            format!("apiVersion: v1\nentries:\n  a:\n  - {{name: {long}, version: 1.0.0}}\n"),
            Ok(1),
        ),
        (
            format!(
                "apiVersion: v1\nentries:\n  a:\n  - {{name: a, version: '1.{}'}}\n",
                "9".repeat(1 << 19)
            ),
            Ok(1),
        ),
        (
            format!(
                "apiVersion: v1\nentries:\n  a:\n  - {{name: a, version: 1.0.0, appVersion: {}}}\n",
                // A number that no float can hold is a text.
                "9".repeat(1 << 19)
            ),
            Ok(1),
        ),
        (format!("apiVersion: v1\npublicKeys:\n{commas}"), Ok(0)),
        // More values than are held at once: in one entry, beside the entries, as JSON and as YAML.
        (
            format!("{{\"apiVersion\":\"v1\",\"x\":[{}0]}}", "0,".repeat(1 << 19)),
            Err(()),
        ),
        (
            format!(
                "{{\"apiVersion\":\"v1\",\"entries\":{{\"a\":[{{\"x\":[{}0]}}]}}}}",
                "0,".repeat(1 << 19)
            ),
            Err(()),
        ),
        (
            format!("apiVersion: v1\nx: [{}0]\n", "0,".repeat(1 << 19)),
            Err(()),
        ),
        (
            format!(
                "apiVersion: v1\nentries: {{a: [{{name: a, version: 1.0.0, x: [{}0]}}]}}\n",
                "0,".repeat(1 << 19)
            ),
            Err(()),
        ),
        ("[".repeat(1 << 19), Err(())),
        ("{\"a\":".repeat(1 << 19), Err(())),
        ("a: ".repeat(1 << 19), Err(())),
        ("- ".repeat(1 << 19), Err(())),
        ("&a ".repeat(1 << 19), Err(())),
        ("!".repeat(1 << 19), Err(())),
        ("\"".repeat(1 << 19), Err(())),
        ("# \n".repeat(1 << 19), Err(())),
    ] {
        let begin = Instant::now();
        let found = stored(text.as_bytes())
            .map(|(_, table)| table.len())
            .map_err(|_| ());
        let shown = text.get(..60).unwrap_or_default();
        assert_eq!(found, expected, "{shown}");
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{:?}: {shown}",
            begin.elapsed()
        );
    }
}
