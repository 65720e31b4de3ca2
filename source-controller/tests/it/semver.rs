//! Ranges mean what they mean to Masterminds/semver: `semver/golden.tsv` was written by `semver/golden.go`.

use source_controller::semver::{Range, Version};

#[test]
fn agrees_with_masterminds() {
    let mut lines = include_str!("semver/golden.tsv").lines();
    let versions: Vec<Version> = lines
        .next()
        .unwrap()
        .split(' ')
        .map(|text| Version::parse(text).unwrap())
        .collect();
    assert!(versions.is_sorted());
    let mut wrong = Vec::new();
    for line in lines {
        let (expected, quoted) = line.split_once('\t').unwrap();
        let text: String = serde_json::from_str(quoted).unwrap();
        let found = match expected {
            "true" | "false" => Version::parse(&text).is_ok().to_string(),
            _ => match Range::parse(&text) {
                Ok(range) => versions
                    .iter()
                    .map(|version| if range.admits(version) { '1' } else { '0' })
                    .collect(),
                Err(error) => format!("invalid: {error}"),
            },
        };
        if found != expected {
            wrong.push(format!("{quoted}\n  {expected}\n  {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn tags_need_three_numbers() {
    for tag in ["1.2", "v1", "latest", "1.2.x"] {
        assert!(Version::parse_tag(tag).is_err(), "{tag}");
    }
    assert_eq!(Version::parse_tag("v1.02.3").unwrap().original(), "v1.02.3");
}
