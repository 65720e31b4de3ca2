//! `buildMetadata`: notes on objects of where they came from and what changed them.

use crate::object::Object;
use crate::objects::Objects;
use crate::remote::Repository;
use serde_json::Value;
use yaml::Node;

const ORIGIN: &str = "config.kubernetes.io/origin";
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// Notes of kustomize and its libraries for themselves; none of them is for the output, whoever wrote it.
const INTERNAL: [&str; 19] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    crate::object::HELM_GENERATED,
];

/// The place of a resource, or of a generator's or transformer's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Relative to where the build began, or to the root of `repo`.
    pub(crate) path: String,
    pub(crate) repo: String,
    pub(crate) reference: String,
    pub(crate) configured_in: String,
    /// `apiVersion`, kind, name and namespace of the configuration.
    pub(crate) configured_by: [String; 4],
}

impl Origin {
    /// What lies at `path` from here, or in the repository that it names.
    pub(crate) fn append(&self, path: &str) -> Origin {
        if let Some(repository) = Repository::parse(path) {
            return Origin {
                path: join("", &repository.directory),
                repo: repository.url,
                reference: repository.reference,
                ..Origin::default()
            };
        }
        Origin {
            path: join(&self.path, path),
            ..self.clone()
        }
    }

    /// A generator or transformer that the kustomization file `file` of this place asks for.
    pub(crate) fn of_builtin(&self, file: &str, kind: &str) -> Origin {
        Origin {
            path: String::new(),
            configured_in: join(&self.path, file),
            configured_by: [
                "builtin".to_string(),
                kind.to_string(),
                String::new(),
                String::new(),
            ],
            ..self.clone()
        }
    }

    /// The lines of the note.
    fn lines(&self) -> Vec<String> {
        let pair = |indent: &str, key: &str, value: &str| {
            let set = !value.is_empty();
            let text = yaml::to_string(&Value::String(value.to_string()));
            set.then(|| format!("{indent}{key}: {}", text.trim_end()))
        };
        let mut lines: Vec<String> = [
            ("path", &self.path),
            ("repo", &self.repo),
            ("ref", &self.reference),
            ("configuredIn", &self.configured_in),
        ]
        .into_iter()
        .filter_map(|(key, value)| pair("", key, value))
        .collect();
        let by: Vec<String> = ["apiVersion", "kind", "name", "namespace"]
            .into_iter()
            .zip(&self.configured_by)
            .filter_map(|(key, value)| pair("  ", key, value))
            .collect();
        if !by.is_empty() {
            lines.push("configuredBy:".to_string());
            lines.extend(by);
        }
        lines
    }
}

/// A generator or transformer whose configuration is the object `config`, if it is known where that came from.
pub(crate) fn of_plugin(config: &Object) -> Option<Origin> {
    let text = annotation(config, ORIGIN)?;
    let value = yaml::parse(text.as_bytes()).ok()?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(Origin {
        path: String::new(),
        repo: field("repo").to_string(),
        reference: field("ref").to_string(),
        configured_in: field("path").to_string(),
        configured_by: [
            config.api_version(),
            config.kind(),
            config.name(),
            config.namespace(),
        ]
        .map(str::to_string),
    })
}

/// Notes where an object came from.
pub(crate) fn set(object: &mut Object, origin: &Origin) {
    let mut text = origin.lines().join("\n");
    text.push('\n');
    annotate(object, ORIGIN, &text);
}

/// Notes on generated objects what made them.
pub(crate) fn generated(object: &mut Object, origin: &Origin) {
    if !has(object) {
        set(object, origin);
    }
}

/// What is merged into an object says where that came from.
pub(crate) fn keep(object: &mut Object, old: &Object) {
    if let Some(origin) = annotation(old, ORIGIN) {
        annotate(object, ORIGIN, &origin);
    }
}

/// Notes on all objects what has changed them; those that are new were made by it.
pub(crate) fn transformed(objects: &mut Objects, origin: &Origin) {
    for object in objects.list_mut() {
        // kustomize writes all annotations anew: from now on a number is a text, and keeps its spelling.
        object.texts_in("annotations");
        if !has(object) {
            set(object, origin);
            continue;
        }
        let mut text = annotation(object, TRANSFORMATIONS).unwrap_or_default();
        for (at, line) in origin.lines().iter().enumerate() {
            text.push_str(if at == 0 { "- " } else { "  " });
            text.push_str(line);
            text.push('\n');
        }
        annotate(object, TRANSFORMATIONS, &text);
    }
}

/// Removes all notes but those that `wanted` asks for.
pub(crate) fn clean(object: &mut Object, wanted: &[String]) {
    let asked = |option: &str| wanted.iter().any(|wanted| wanted == option);
    let drop = |key: &str| {
        INTERNAL.contains(&key)
            || key == ORIGIN && !asked("originAnnotations")
            || key == TRANSFORMATIONS && !asked("transformerAnnotations")
    };
    if object.strings("annotations").any(|(key, _)| drop(key)) {
        let kept = object
            .strings("annotations")
            .filter(|(key, _)| !drop(key))
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        object.set_strings("annotations", kept);
    }
}

fn has(object: &Object) -> bool {
    object.strings("annotations").any(|(key, _)| key == ORIGIN)
}

fn annotation(object: &Object, name: &str) -> Option<String> {
    let mut found = object.strings("annotations").filter(|(key, _)| *key == name);
    found.next().map(|(_, value)| value.to_string())
}

fn annotate(object: &mut Object, key: &str, value: &str) {
    if let Some(annotations) = object.annotations_mut() {
        annotations.set(key, Node::string(value));
    }
}

/// As Go joins paths: `.` and `..` are resolved as far as they can be.
fn join(base: &str, path: &str) -> String {
    let joined = format!("{base}/{path}");
    let absolute = base.starts_with('/') || base.is_empty() && path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_string(),
        (false, false) => parts.join("/"),
    }
}
