//! Which paths name a Git repository or a file on a server, in all the spellings that kustomize accepts.

use artifact::Tree;

/// Gets what a build names by URL. Without one, a build refuses URLs.
pub trait Fetcher {
    /// The files of a repository at the wanted reference.
    ///
    /// # Errors
    /// Why there are none; the words become part of the build's error.
    fn repository(&self, repository: &Repository) -> Result<Tree, String>;

    /// The content of a file at an `http://` or `https://` URL.
    ///
    /// # Errors
    /// As [`Fetcher::repository`].
    fn file(&self, url: &str) -> Result<Vec<u8>, String>;
}

/// A Git repository as a kustomization names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// As written.
    pub raw: String,
    /// What to clone: `https://host/org/repo`, `git@host:org/repo`, `file:///path`.
    pub url: String,
    /// Branch, tag or commit; empty for the default branch.
    pub reference: String,
    /// The directory in it to build.
    pub directory: String,
    /// Whether submodules are wanted.
    pub submodules: bool,
    /// How long fetching may take, in milliseconds.
    pub timeout_ms: u64,
}

const DEFAULT_TIMEOUT_MS: u64 = 27_000;

const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];

impl Repository {
    /// Reads a path as a repository; nothing if it is a local one.
    pub(crate) fn parse(raw: &str) -> Option<Repository> {
        if raw.starts_with('/') {
            return None;
        }
        let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
        let (host, path) = host(path)?;
        let (repository, directory) = split(path, host.starts_with("file://"))?;
        let directory = directory.strip_prefix('/').unwrap_or(directory);
        if repository.is_empty() || leaves(directory) {
            return None;
        }
        let query = Query::parse(query);
        Some(Repository {
            raw: raw.to_string(),
            url: format!("{host}{repository}"),
            reference: query.reference,
            directory: directory.to_string(),
            submodules: query.submodules,
            timeout_ms: query.timeout_ms,
        })
    }
}

/// True for the URL of a file.
pub(crate) fn is_file(path: &str) -> bool {
    let scheme = path
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https")) && !path.contains(char::is_control)
}

/// Everything up to the repository's path, and the rest.
fn host(path: &str) -> Option<(String, &str)> {
    let path = without(path, "git::").unwrap_or(path);
    let (scheme, path) = SCHEMES
        .iter()
        .find_map(|scheme| Some((*scheme, without(path, scheme)?)))
        .unwrap_or(("", path));
    let (user, path) = user(path);
    let github = ["github.com/", "github.com:"]
        .iter()
        .any(|host| without(path, host).is_some());
    let scp = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !scp {
        return None;
    }
    if scheme == "file://" {
        return Some((scheme.to_string() + user, path));
    }
    let slash = path.find('/');
    let colon = path.find(':').filter(|&at| scp && at > 0);
    let end = match (slash, colon) {
        (Some(slash), Some(colon)) => Some(slash.min(colon)),
        (slash, colon) => slash.or(colon),
    };
    let (host, rest) = end.map_or((path, ""), |end| path.split_at(end + 1));
    if github {
        return Some(if scheme == "ssh://" || !user.is_empty() {
            (format!("{user}github.com:"), rest)
        } else {
            ("https://github.com/".to_string(), rest)
        });
    }
    (!host.is_empty()).then(|| (format!("{scheme}{user}{host}"), rest))
}

/// `name@` at the beginning.
fn user(path: &str) -> (&str, &str) {
    let is_user = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    match path.find('@') {
        Some(at) if is_user(&path[..at]) => path.split_at(at + 1),
        _ => ("", path),
    }
}

/// Splits the repository's path from that of a directory in it: at a mark, else after two segments.
fn split(path: &str, whole: bool) -> Option<(&str, &str)> {
    if let Some(at) = path.find("_git/") {
        let name = at + "_git/".len();
        let end = path[name..].find('/').map_or(path.len(), |end| name + end);
        return Some((&path[..end], path[end..].strip_prefix('/').unwrap_or_default()));
    }
    if let Some(at) = path.find("//") {
        return Some((&path[..at], &path[at + 2..]));
    }
    if let Some(at) = path.find(".git") {
        return Some(path.split_at(at + ".git".len()));
    }
    if whole {
        return Some((path, ""));
    }
    let mut slashes = path.match_indices('/').map(|(at, _)| at);
    slashes.next()?;
    Some(
        slashes
            .next()
            .map_or((path, ""), |at| (&path[..at], &path[at + 1..])),
    )
}

fn leaves(directory: &str) -> bool {
    let mut depth = 0_i64;
    for part in directory.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn without<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let head = path.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &path[prefix.len()..])
}

struct Query {
    reference: String,
    submodules: bool,
    timeout_ms: u64,
}

impl Query {
    fn parse(query: &str) -> Query {
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let mut found = pairs
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| decode(value));
            found.next().filter(|value| !value.is_empty())
        };
        let reference = value("ref").or_else(|| value("version")).unwrap_or_default();
        let submodules = value("submodules");
        let off = ["0", "f", "F", "false", "False", "FALSE"];
        Query {
            reference,
            submodules: !submodules.is_some_and(|word| off.contains(&word.as_str())),
            timeout_ms: value("timeout")
                .and_then(|text| duration(&text))
                .unwrap_or(DEFAULT_TIMEOUT_MS),
        }
    }
}

/// Seconds, or a sequence of numbers with units as Go writes durations; only what is more than nothing.
fn duration(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1000).filter(|&ms| ms > 0);
    }
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit = &rest[end..];
        let length = unit
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(unit.len());
        total += number
            * match &unit[..length] {
                "h" => 3_600_000.0,
                "m" => 60_000.0,
                "s" => 1000.0,
                "ms" => 1.0,
                "us" | "µs" => 0.001,
                "ns" => 0.000_001,
                _ => return None,
            };
        rest = &unit[length..];
    }
    (1.0..1e15).contains(&total).then_some(total as u64)
}

/// Percent and plus signs of a query.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, behind @ ..]) => {
                let digit = |b: &u8| char::from(*b).to_digit(16);
                match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => {
                        bytes.push((high * 16 + low) as u8);
                        rest = behind;
                    }
                    _ => bytes.push(b'%'),
                }
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
