//! The keys and values that a generator's sources give.

use crate::Error;
use crate::kustomization::ConfigMapArgs;
use crate::load::Loader;
use std::collections::BTreeMap;

/// Reads env files, literals and files, in this order; sorted by key.
pub(super) fn load(loader: &Loader<'_>, args: &ConfigMapArgs) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut pairs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut add = |key: String, value: &[u8]| match pairs.insert(key.clone(), value.to_vec()) {
        None => Ok(()),
        Some(_) => {
            let name = &args.name;
            Err(Error::Generator {
                problem: format!("configmap {name} illegally repeats the key `{key}`"),
            })
        }
    };
    let loading =
        |sources: &[String], what: &str| format!("loading KV pairs: {what} [{}]", sources.join(" "));
    for path in &args.envs {
        let context = || loading(&args.envs, "env source files:");
        let content = loader.read(path).map_err(|e| e.during(context()))?;
        for (key, value) in env_lines(&content).map_err(|e| e.during(context()))? {
            add(key, value)?;
        }
    }
    for source in &args.literals {
        let (key, value) =
            literal(source).map_err(|e| e.during(loading(&args.literals, "literal sources")))?;
        add(key.to_string(), value.as_bytes())?;
    }
    for source in &args.files {
        let context = || loading(&args.files, "file sources:");
        let (key, path) = file(source).map_err(|e| e.during(context()))?;
        add(
            key.to_string(),
            &loader.read(path).map_err(|e| e.during(context()))?,
        )?;
    }
    Ok(pairs.into_iter().collect())
}

/// `KEY=VALUE` lines; blank lines and comments are skipped, a line without `=` has an empty value.
fn env_lines(content: &[u8]) -> Result<Vec<(String, &[u8])>, Error> {
    let mut pairs = Vec::new();
    for (number, line) in content.split(|&b| b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if number == 0 {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        } else {
            line
        };
        let line = std::str::from_utf8(line).map_err(|_| Error::Generator {
            problem: format!("line {} has invalid utf8 bytes", number + 1),
        })?;
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !key.is_empty() {
            pairs.push((key.to_string(), value.as_bytes()));
        }
    }
    Ok(pairs)
}

/// `key=value`; one pair of quotes around the value is taken away.
fn literal(source: &str) -> Result<(&str, &str), Error> {
    let (key, value) = source
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| {
            // The value may be a password: name the key only.
            let shown = source.split('=').next().unwrap_or_default();
            Error::Generator {
                problem: format!("invalid literal source {shown}, expected key=value"),
            }
        })?;
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    Ok((key, inner('"').or_else(|| inner('\'')).unwrap_or(value)))
}

/// `path`, or `key=path`.
fn file(source: &str) -> Result<(&str, &str), Error> {
    let problem = match source.split_once('=') {
        None => {
            return Ok((
                source.rsplit('/').find(|name| !name.is_empty()).unwrap_or(source),
                source,
            ));
        }
        Some((_, path)) if path.contains('=') => {
            format!("source {source:?} key name or file path contains '='")
        }
        Some(("", path)) => format!("missing key name for file path {path:?} in source {source:?}"),
        Some((key, "")) => format!("missing file path for key name {key:?} in source {source:?}"),
        Some((key, path)) => return Ok((key, path)),
    };
    Err(Error::Generator { problem })
}
