//! Which files of a source stay out of its artifact: `.sourceignore` files, `spec.ignore` and the defaults.

mod glob;
mod pattern;

use pattern::Pattern;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of the file with a directory's own rules.
pub const FILE: &str = ".sourceignore";

/// A longer line ends the reading of its file, as it does in Flux (the limit of Go's line scanner).
const MAX_LINE: usize = 64 * 1024;

/// All rules of a source together are never larger, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// So many rules are heeded of all files together.
const MAX_RULES: usize = 10_000;

/// So many characters are compared for all paths together: some ten seconds of one core. A million paths and a hundred
/// rules that name files take a tenth of it.
const MAX_STEPS: u64 = 10_000_000_000;

/// Why rules are not heeded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// With this file the rules are larger than they may be.
    #[error("'{0}': all ignore rules together are larger than {MAX_BYTES} bytes")]
    TooLarge(String),
    /// With this file there are more rules than there may be.
    #[error("'{0}': there are more than {MAX_RULES} ignore rules")]
    TooMany(String),
    /// They would be compared for too long.
    #[error("comparing all files with all ignore rules takes too long; have fewer or simpler rules")]
    TooSlow,
}

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
#[derive(Debug)]
pub struct Ignore {
    /// In order of increasing priority.
    patterns: Vec<Pattern>,
    /// What is left of the work that they may make.
    steps: AtomicU64,
}

impl Ignore {
    /// Rules from `.sourceignore` files and `spec.ignore`.
    ///
    /// `files` gives the directory of each file (clean, `""` for the root) and its text; a directory must come before those
    /// inside it. `spec` weighs more than any file.
    ///
    /// # Errors
    /// More rules than are heeded.
    pub fn new<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        spec: Option<&str>,
    ) -> Result<Ignore, RulesError> {
        let mut rules = Rules::default();
        for (directory, text) in files {
            rules.read(text, directory, || file_in(directory))?;
        }
        rules.read(spec.unwrap_or_default().as_bytes(), "", in_spec)?;
        let parse = |text: &&str| Pattern::parse(text.as_bytes(), "");
        let mut patterns: Vec<Pattern> = VERSION_CONTROL.iter().map(parse).collect();
        if rules.patterns.is_empty() {
            patterns.extend(DEFAULTS.iter().map(parse));
        }
        patterns.extend(rules.patterns);
        Ok(Ignore::of(patterns))
    }

    /// The rules of a file at the root and of the spec, and no defaults: those of a Bucket.
    ///
    /// # Errors
    /// More rules than are heeded.
    pub fn plain(file: Option<&[u8]>, spec: Option<&str>) -> Result<Ignore, RulesError> {
        let mut rules = Rules::default();
        rules.read(file.unwrap_or_default(), "", || file_in(""))?;
        rules.read(spec.unwrap_or_default().as_bytes(), "", in_spec)?;
        Ok(Ignore::of(rules.patterns))
    }

    /// The rules that there are where nobody says any.
    #[must_use]
    pub fn defaults() -> Ignore {
        let all = VERSION_CONTROL.iter().chain(&DEFAULTS);
        Ignore::of(all.map(|text| Pattern::parse(text.as_bytes(), "")).collect())
    }

    fn of(patterns: Vec<Pattern>) -> Ignore {
        Ignore {
            patterns,
            steps: AtomicU64::new(MAX_STEPS),
        }
    }

    /// Whether a path (clean, relative to the root) is left out. The root itself never is.
    ///
    /// # Errors
    /// When this and all paths before took too long.
    pub fn excludes(&self, path: &[u8], is_dir: bool) -> Result<bool, RulesError> {
        let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let left = self.steps.load(Ordering::Relaxed);
        let mut steps = 0;
        let mut verdict = false;
        for pattern in self.patterns.iter().rev() {
            let matches = pattern.matches(&segments, is_dir, &mut steps);
            if steps > left {
                return Err(RulesError::TooSlow);
            }
            if matches {
                verdict = !pattern.includes();
                break;
            }
        }
        // What several threads take at once is not counted twice: that is near enough.
        self.steps.store(left - steps, Ordering::Relaxed);
        Ok(verdict)
    }
}

/// How the rules of a directory are called in errors.
pub fn file_in(directory: &str) -> String {
    match directory {
        "" => FILE.to_owned(),
        directory => format!("{directory}/{FILE}"),
    }
}

fn in_spec() -> String {
    "spec.ignore".to_owned()
}

/// Rules while they are read.
#[derive(Default)]
struct Rules {
    patterns: Vec<Pattern>,
    bytes: usize,
}

impl Rules {
    fn read(&mut self, text: &[u8], directory: &str, called: impl Fn() -> String) -> Result<(), RulesError> {
        self.bytes += text.len();
        if self.bytes > MAX_BYTES {
            return Err(RulesError::TooLarge(called()));
        }
        for line in text.split(|byte| *byte == b'\n') {
            if line.len() >= MAX_LINE {
                break;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let blank = String::from_utf8_lossy(line).trim().is_empty();
            if line.starts_with(b"#") || blank {
                continue;
            }
            if self.patterns.len() >= MAX_RULES {
                return Err(RulesError::TooMany(called()));
            }
            self.patterns.push(Pattern::parse(line, directory));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], spec: Option<&str>, excluded: &[&str], kept: &[&str]) {
        let ignore = Ignore::new(files.iter().map(|(dir, text)| (*dir, text.as_bytes())), spec).unwrap();
        let excludes =
            |path: &str| ignore.excludes(path.trim_end_matches('/').as_bytes(), path.ends_with('/'));
        let ask = |path: &str| excludes(path).unwrap();
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

    #[test]
    fn rules_are_bounded() {
        let many = "a\n".repeat(MAX_RULES);
        let new = |files: &[(&str, &str)], spec: Option<&str>| {
            let files = files.iter().map(|(dir, text)| (*dir, text.as_bytes()));
            Ignore::new(files, spec)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert!(new(&[("", &many)], None).is_ok());
        for (files, spec, expected) in [
            (
                vec![("", many.as_str()), ("a/b", "x")],
                None,
                "'a/b/.sourceignore': there are more than 10000 ignore rules",
            ),
            (
                vec![("", many.as_str())],
                Some("x"),
                "'spec.ignore': there are more than 10000 ignore rules",
            ),
            (
                vec![("", "#".repeat(MAX_BYTES).as_str()), ("a", "#")],
                None,
                "'a/.sourceignore': all ignore rules together are larger than 1048576 bytes",
            ),
        ] {
            assert_eq!(new(&files, spec), Err(expected.to_owned()));
        }
    }

    /// Work that grows with the paths, the rules, the stars and the classes is counted, whichever it is.
    #[test]
    fn comparing_ends() {
        let stars = format!("{}b\n", "*a".repeat(64)).repeat(100);
        let class = format!("[{}z]x\n", "a".repeat(1000)).repeat(100);
        let many = "/x\n".repeat(MAX_RULES);
        let name = "a".repeat(2000);
        for (rules, path) in [(stars, name.as_str()), (class, "zz"), (many, "a/b/c")] {
            let mut ignore = Ignore::new([], Some(&rules)).unwrap();
            ignore.steps = AtomicU64::new(200_000);
            let first = ignore.excludes(b"short", false);
            let asked =
                (0..200).find(|_| ignore.excludes(path.as_bytes(), false) == Err(RulesError::TooSlow));
            assert!(first == Ok(false) && asked.is_some(), "{:.9}: {asked:?}", rules);
        }
    }
}
