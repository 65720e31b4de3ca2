//! The command line of `helm template`, as far as it is about rendering; the tests use it too.

use helm::{ArchiveLimits, Chart, Environment, Error, Event, File, KubeVersion, Options, values};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

struct Machine;

impl Environment for Machine {
    fn now(&self) -> (i64, u32) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (now.as_secs() as i64, now.subsec_nanos())
    }

    fn random(&self, bytes: &mut [u8]) {
        use std::io::Read as _;
        let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes));
        if read.is_err() {
            eprintln!("warning: no randomness");
        }
    }
}

/// What the program prints, or its error.
pub fn run(args: Vec<String>) -> Result<String, String> {
    let mut options = Options::default();
    let mut chart = None;
    let (mut files, mut jsons, mut sets, mut strings, mut literals) =
        (vec![], vec![], vec![], vec![], vec![]);
    let mut set_files: Vec<String> = Vec::new();
    let (mut include_crds, mut skip_tests, mut no_hooks) = (false, false, false);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (flag, inline) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_string(), Some(value.to_string())),
            _ => (arg, None),
        };
        let mut value = || inline.clone().or_else(|| args.next()).unwrap_or_default();
        match flag.as_str() {
            "--name" => options.name = value(),
            "--namespace" | "-n" => options.namespace = value(),
            "-f" | "--values" => files.push(value()),
            "--set" => sets.push(value()),
            "--set-string" => strings.push(value()),
            "--set-json" => jsons.push(value()),
            "--set-literal" => literals.push(value()),
            "--set-file" => set_files.push(value()),
            "--kube-version" => {
                options.capabilities.kube_version =
                    KubeVersion::parse(&value()).map_err(|e| e.to_string())?;
            }
            "--api-versions" | "-a" => {
                let versions = value();
                let versions = versions.split(',').map(str::to_string);
                options.capabilities.api_versions.extend(versions);
            }
            "--include-crds" => include_crds = true,
            "--skip-tests" => skip_tests = true,
            "--no-hooks" => no_hooks = true,
            "--is-upgrade" => options.upgrade = true,
            "--skip-schema-validation" => options.skip_schema = true,
            other if other.starts_with('-') => return Err(format!("unknown flag: {other}")),
            other => chart = Some(other.to_string()),
        }
    }
    let path = chart.ok_or("\"helm template\" requires at least 1 argument")?;
    let chart = load(Path::new(&path))?;
    let given = given(&files, &jsons, &sets, &strings, &set_files, &literals)?;
    chart.check_installable().map_err(|e| e.to_string())?;
    let rendered = helm::render(&chart, &given, &options, &Machine).map_err(|error: Error| {
        let hint = if error.while_rendering() {
            "\n\nUse --debug flag to render out invalid YAML"
        } else {
            ""
        };
        format!("{error}{hint}")
    })?;
    for warning in &rendered.templates.warnings {
        eprintln!("{warning}");
    }
    let mut text = format!("{}\n", rendered.manifest(include_crds).trim());
    for hook in rendered.hooks.iter().filter(|_| !no_hooks) {
        if !(skip_tests && hook.events.contains(&Event::Test)) {
            text.push_str(&format!("---\n# Source: {}\n{}\n", hook.path, hook.manifest));
        }
    }
    Ok(text)
}

fn given(
    files: &[String],
    jsons: &[String],
    sets: &[String],
    strings: &[String],
    set_files: &[String],
    literals: &[String],
) -> Result<Map<String, Value>, String> {
    let mut given = Map::new();
    for file in files {
        let data = std::fs::read(file).map_err(|e| e.to_string())?;
        let read = values::read(&data).map_err(|e| format!("failed to parse {file}: {e}"))?;
        values::merge(&mut given, read);
    }
    for json in jsons {
        if json.trim_start().starts_with('{') {
            let mut value: Value = serde_json::from_str(json)
                .map_err(|_| format!("failed parsing --set-json data JSON: {json}"))?;
            values::floats(&mut value);
            if let Value::Object(map) = value {
                values::merge(&mut given, map);
            }
            continue;
        }
        values::set(&mut given, json, values::SetKind::Json)
            .map_err(|_| format!("failed parsing --set-json data {json}"))?;
    }
    for (list, kind, flag) in [
        (sets, values::SetKind::Typed, "--set"),
        (strings, values::SetKind::Text, "--set-string"),
    ] {
        for expression in list {
            values::set(&mut given, expression, kind)
                .map_err(|e| format!("failed parsing {flag} data: {e}"))?;
        }
    }
    for expression in set_files {
        let (key, file) = expression
            .split_once('=')
            .ok_or("failed parsing --set-file data")?;
        let data =
            std::fs::read_to_string(file).map_err(|e| format!("failed parsing --set-file data: {e}"))?;
        values::set(&mut given, &format!("{key}={data}"), values::SetKind::Literal)
            .map_err(|e| e.to_string())?;
    }
    for expression in literals {
        values::set(&mut given, expression, values::SetKind::Literal)
            .map_err(|e| format!("failed parsing --set-literal data: {e}"))?;
    }
    Ok(given)
}

fn load(path: &Path) -> Result<Chart, String> {
    if path.is_file() {
        let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
        return Chart::from_archive(&bytes, &ArchiveLimits::default()).map_err(|e| e.to_string());
    }
    let mut files = Vec::new();
    let mut waiting: Vec<PathBuf> = vec![path.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        let entries = std::fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        for entry in entries.flatten() {
            let inner = entry.path();
            let metadata = std::fs::metadata(&inner).map_err(|e| e.to_string())?;
            if metadata.is_dir() {
                waiting.push(inner);
            } else if let (Ok(name), Ok(bytes)) = (inner.strip_prefix(path), std::fs::read(&inner)) {
                files.push(File::new(name.to_string_lossy(), bytes));
            }
        }
    }
    Chart::from_files(files).map_err(|e| e.to_string())
}
