//! Patterns mean what they mean to go-git: `ignore/golden.tsv` was written by `ignore/golden.go`.

use source_controller::ignore::Ignore;

#[test]
fn agrees_with_go_git() {
    let golden = include_str!("ignore/golden.tsv");
    let mut lines = golden.split('\n').filter(|line| !line.is_empty());
    let paths: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let mut wrong = Vec::new();
    for line in lines {
        let (bits, pattern) = line.split_once('\t').unwrap();
        // A comment or a blank line never gets as far as the pattern.
        if pattern.starts_with('#') || pattern.trim().is_empty() {
            continue;
        }
        // An including rule shows only where something is excluded.
        let rules = match pattern.strip_prefix('!') {
            Some(_) => format!("*\n{pattern}"),
            None => pattern.to_owned(),
        };
        let ignore = Ignore::new([], Some(&rules)).unwrap();
        for (path, bit) in paths.iter().zip(bits.chars()) {
            let excluded = ignore
                .excludes(path.trim_end_matches('/').as_bytes(), path.ends_with('/'))
                .unwrap();
            if excluded != (pattern.starts_with('!') != (bit == '1')) {
                wrong.push(format!("{pattern:?} on {path:?}: go-git says {bit}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
