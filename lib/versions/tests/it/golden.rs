//! Ranges mean what they mean to Masterminds/semver: `golden.tsv` was written by `golden.go`.

use versions::{Range, Version};

#[test]
fn agrees_with_masterminds() {
    let mut lines = include_str!("golden.tsv").lines();
    let versions: Vec<Version> = lines
        .next()
        .unwrap()
        .split(' ')
        .map(|text| Version::parse(text).unwrap())
        .collect();
    assert!(versions.is_sorted_by(|a, b| a.precedence(b).is_le()));
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
fn what_is_no_version_is_told_in_masterminds_words() {
    let long = "1".repeat(257);
    for (text, error) in [
        ("1.x", "invalid semantic version"),
        ("1.2.3-a..b", "invalid semantic version"),
        ("1.2.3-01", "version segment starts with 0"),
        (&long, "version string is too long (max 256 bytes)"),
        (
            "18446744073709551616.0.0",
            "error parsing version segment: strconv.ParseUint: parsing \"18446744073709551616\": value out of range",
        ),
    ] {
        assert_eq!(Version::parse(text).unwrap_err().to_string(), error, "{text}");
    }
    assert_eq!(Version::parse("v1.2-rc.1+b").unwrap().to_string(), "1.2.0-rc.1+b");
}
