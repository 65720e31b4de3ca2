//! One ignore rule, read and applied the way go-git 5 does.

use super::glob::Glob;

/// A rule: what it matches, where it applies, and whether it takes files out or back in.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// The directory that the rule is about; segments.
    domain: Vec<Vec<u8>>,
    segments: Vec<Segment>,
    includes: bool,
    /// The rule ended in `/`.
    directories: bool,
    /// The rule has a `/` before its end, so it is matched from the domain on, segment by segment.
    anchored: bool,
}

#[derive(Debug, Clone)]
enum Segment {
    /// From a `/` at the start, or two in a row: stands for nothing.
    Empty,
    /// `**`: any number of segments.
    Any,
    /// `**` with something beside it, which go-git does not support: an anchored rule with it matches nothing.
    Unsupported(Glob),
    Glob(Glob),
}

impl Pattern {
    /// Reads a line that is neither blank nor a comment.
    pub(super) fn parse(line: &[u8], directory: &str) -> Pattern {
        let (includes, mut rule) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        if !rule.ends_with(b"\\ ") {
            let end = rule
                .iter()
                .rposition(|byte| *byte != b' ')
                .map_or(0, |last| last + 1);
            rule = &rule[..end];
        }
        let (directories, rule) = match rule.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, rule),
        };
        let segments: Vec<Segment> = rule.split(|byte| *byte == b'/').map(Segment::parse).collect();
        let domain = directory.split('/').filter(|segment| !segment.is_empty());
        Pattern {
            domain: domain.map(|segment| segment.as_bytes().to_vec()).collect(),
            includes,
            directories,
            anchored: segments.len() > 1,
            segments,
        }
    }

    /// Whether a match means that the path stays.
    pub(super) fn includes(&self) -> bool {
        self.includes
    }

    /// Whether it says anything about a path; `steps` is raised by the work that it takes.
    pub(super) fn matches(&self, path: &[&[u8]], is_dir: bool, steps: &mut u64) -> bool {
        *steps += 1 + self.domain.len() as u64;
        if path.len() <= self.domain.len() || self.domain.iter().zip(path).any(|(a, b)| a != b) {
            return false;
        }
        let path = &path[self.domain.len()..];
        if self.anchored {
            self.matches_from_start(path, is_dir, steps)
        } else {
            self.matches_anywhere(path, is_dir, steps)
        }
    }

    /// A rule without `/` matches a path if any segment matches; only the last one can fail to be a directory.
    fn matches_anywhere(&self, path: &[&[u8]], is_dir: bool, steps: &mut u64) -> bool {
        let glob = match &self.segments[..] {
            [Segment::Glob(glob) | Segment::Unsupported(glob)] => glob,
            // A lone `**`: as a plain glob it matches every name.
            [Segment::Any] => &Glob::parse(b"*"),
            _ => return false,
        };
        match path.iter().position(|name| glob.matches(name, steps)) {
            Some(at) => !self.directories || is_dir || at + 1 < path.len(),
            None => false,
        }
    }

    /// A rule with `/` matches a path if it matches the path's beginning; what follows lies inside.
    fn matches_from_start(&self, path: &[&[u8]], is_dir: bool, steps: &mut u64) -> bool {
        let mut rest = path;
        let mut matched = false;
        let mut any = false;
        for (at, segment) in self.segments.iter().enumerate() {
            *steps += 1;
            let glob = match segment {
                Segment::Empty => {
                    any = false;
                    continue;
                }
                // Nothing is asked of what follows, not even that there is something.
                Segment::Any if at + 1 == self.segments.len() => break,
                Segment::Any => {
                    any = true;
                    continue;
                }
                Segment::Unsupported(_) => return false,
                Segment::Glob(glob) => glob,
            };
            let Some((first, others)) = rest.split_first() else {
                return false;
            };
            if any {
                any = false;
                let found = rest.iter().position(|name| glob.matches(name, steps));
                matched = found.is_some();
                rest = found.map_or(&[], |found| &rest[found + 1..]);
            } else if glob.matches(first, steps) {
                matched = true;
                rest = others;
            } else {
                return false;
            }
        }
        matched && !(self.directories && !is_dir && rest.is_empty())
    }
}

impl Segment {
    fn parse(text: &[u8]) -> Segment {
        match text {
            b"" => Segment::Empty,
            b"**" => Segment::Any,
            _ if text.windows(2).any(|pair| pair == b"**") => Segment::Unsupported(Glob::parse(text)),
            _ => Segment::Glob(Glob::parse(text)),
        }
    }
}
