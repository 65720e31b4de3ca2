//! Which files of a source stay out of its artifact: `.sourceignore` files, `spec.ignore` and the defaults.

mod glob;
mod pattern;

use pattern::Pattern;

/// The name of the file with a directory's own rules.
pub const FILE: &str = ".sourceignore";

/// A longer line ends the reading of its file, as it does in Flux (the limit of Go's line scanner).
const MAX_LINE: usize = 64 * 1024;

/// Always excluded, unless a rule includes it again.
const VERSION_CONTROL: [&str; 4] = [".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// Excluded as well while there is no rule at all.
const DEFAULTS: [&str; 20] = [
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// The rules of a source, ready to be asked. The last rule that says anything about a path decides.
///
/// The rules are those of Flux: gitignore patterns as go-git 5 reads them. Two things differ from Git. An excluded
/// directory hides nothing: its content is judged path by path, so that `/*` and `!/deploy` keep all of `deploy`. And one
/// rule anywhere, even one that matches nothing, switches the defaults off.
#[derive(Debug, Clone)]
pub struct Ignore {
    /// In order of increasing priority.
    patterns: Vec<Pattern>,
}

impl Ignore {
    /// Rules from `.sourceignore` files and `spec.ignore`.
    ///
    /// `files` gives the directory of each file (clean, `""` for the root) and its text; a directory must come before those
    /// inside it. `spec` weighs more than any file.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>, spec: Option<&str>) -> Ignore {
        let mut rules = Vec::new();
        for (directory, text) in files {
            read(text, directory, &mut rules);
        }
        read(spec.unwrap_or_default().as_bytes(), "", &mut rules);
        let parse = |text: &&str| Pattern::parse(text.as_bytes(), "");
        let mut patterns: Vec<Pattern> = VERSION_CONTROL.iter().map(parse).collect();
        if rules.is_empty() {
            patterns.extend(DEFAULTS.iter().map(parse));
        }
        patterns.extend(rules);
        Ignore { patterns }
    }

    /// The rules of one text after the other and no defaults: those of a Bucket.
    pub fn plain<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Ignore {
        let mut patterns = Vec::new();
        for text in texts {
            read(text, "", &mut patterns);
        }
        Ignore { patterns }
    }

    /// Whether a path (clean, relative to the root) is left out. The root itself never is.
    #[must_use]
    pub fn excludes(&self, path: &[u8], is_dir: bool) -> bool {
        let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let verdict = self
            .patterns
            .iter()
            .rev()
            .find(|pattern| pattern.matches(&segments, is_dir));
        verdict.is_some_and(|pattern| !pattern.includes())
    }
}

fn read(text: &[u8], directory: &str, rules: &mut Vec<Pattern>) {
    for line in text.split(|byte| *byte == b'\n') {
        if line.len() >= MAX_LINE {
            return;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let blank = String::from_utf8_lossy(line).trim().is_empty();
        if !line.starts_with(b"#") && !blank {
            rules.push(Pattern::parse(line, directory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], spec: Option<&str>, excluded: &[&str], kept: &[&str]) {
        let ignore = Ignore::new(files.iter().map(|(dir, text)| (*dir, text.as_bytes())), spec);
        let ask = |path: &str| ignore.excludes(path.trim_end_matches('/').as_bytes(), path.ends_with('/'));
        let wrong: Vec<&&str> = excluded.iter().filter(|path| !ask(path)).collect();
        assert!(wrong.is_empty(), "should be excluded: {wrong:?}");
        let wrong: Vec<&&str> = kept.iter().filter(|path| ask(path)).collect();
        assert!(wrong.is_empty(), "should be kept: {wrong:?}");
    }

    #[test]
    fn defaults() {
        let out = [
            "a.png",
            "x/a.tar.gz",
            ".github/",
            ".github/x",
            "x/.sops.yaml",
            ".git/",
            ".gitignore",
            ".git/config",
        ];
        check(
            &[],
            None,
            &out,
            &["a.yaml", "github/", ".github", ".sourceignore", "png"],
        );
        check(&[("", "\n# only a comment\n  \n")], Some(""), &out, &["a.yaml"]);
    }

    #[test]
    fn one_rule_drops_the_defaults_but_not_version_control() {
        check(
            &[("", "nothing\n")],
            None,
            &[".git/", ".gitmodules"],
            &["a.png", ".github/", ".sops.yaml"],
        );
        check(&[], Some("!.gitignore"), &[".git/"], &[".gitignore", "a.zip"]);
        check(
            &[("deep/er", "x")],
            None,
            &["deep/er/x", "deep/er/y/x"],
            &["a.png", "x", "deep/x"],
        );
    }

    #[test]
    fn later_rules_win() {
        let files = [("", "*.md\n!keep.md\n"), ("docs", "!*.md\n/keep.md\n")];
        check(
            &files,
            None,
            &["a.md", "x/a.md", "docs/keep.md"],
            &["keep.md", "docs/a.md", "docs/x/keep.md"],
        );
        check(&files, Some("docs\n"), &["docs/a.md", "docs/"], &["keep.md"]);
    }

    #[test]
    fn excluded_directories_hide_nothing() {
        check(
            &[],
            Some("/*\n!/deploy\n"),
            &["a", "src/", "src/deploy"],
            &["deploy/", "deploy/a", "deploy/b/c"],
        );
    }

    #[test]
    fn lines() {
        check(
            &[("", "a\r\n#b\nc  \nd\\ \n")],
            None,
            &["a", "c", "d "],
            &["#b", "b", "c  ", "d"],
        );
        let long = format!("{}\nb\n", "a".repeat(MAX_LINE));
        check(&[("", &long)], None, &["a.png"], &["b"]);
    }
}
