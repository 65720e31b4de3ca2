//! The `ValueAddTransformer`: one text into fields of many objects, or into the paths that stand there.

use super::namespace::{self, Namespace, Subjects};
use crate::Error;
use crate::kustomization::{Fields, Selector};
use crate::load::Loader;
use crate::object::Object;
use crate::objects::Objects;
use crate::selector::Matcher;
use yaml::{Node, Scalar, Style, Tag};

/// Most steps of a field's path; bounds the depth of what is created along it.
const MAX_STEPS: usize = 100;

/// What to put where.
#[derive(Debug, Clone)]
pub(crate) struct ValueAdd {
    value: String,
    targets: Vec<Target>,
}

#[derive(Debug, Clone)]
struct Target {
    selector: Option<Selector>,
    field_path: String,
    /// If set, the field holds a file's path, and the value goes before its part of this number.
    position: i64,
}

impl ValueAdd {
    /// # Errors
    /// No target, one without a field, a file of targets that cannot be read.
    pub(crate) fn read(loader: &Loader<'_>, fields: &mut Fields) -> Result<ValueAdd, Error> {
        let mut value = fields.string("value")?.trim().to_string();
        if value.is_empty() {
            value = loader.base_name();
        }
        let mut targets = fields.list("targets", Target::read)?;
        let path = fields.string("targetFilePath")?;
        if !path.is_empty() {
            let file =
                yaml::parse(&loader.read(&path)?).map_err(|cause| Error::KustomizationYaml { cause })?;
            targets.extend(Fields::open_lax(file, "targets")?.list("targets", Target::read)?);
        }
        let bad = |problem: String| Err(Error::Option { problem });
        if targets.is_empty() {
            return bad("must specify at least one target".to_string());
        }
        for target in &targets {
            if target.field_path.is_empty() {
                return bad("fieldPath cannot be empty".to_string());
            }
            if target.position < 0 {
                return bad(format!(
                    "value of FilePathPosition ({}) cannot be negative",
                    target.position
                ));
            }
            if target.field_path.matches('/').count() > MAX_STEPS {
                return bad(format!("field path with more than {MAX_STEPS} steps"));
            }
        }
        Ok(ValueAdd { value, targets })
    }
}

impl Target {
    fn read(fields: &mut Fields) -> Result<Target, Error> {
        Ok(Target {
            selector: fields.object("selector", Selector::read)?,
            field_path: fields.string("fieldPath")?,
            position: fields.integer("filePathPosition")?,
        })
    }
}

/// Puts the value into the fields of the selected objects.
///
/// # Errors
/// A selector that is none, a field in the way that is no map or no text.
pub(crate) fn apply(objects: &mut Objects, add: &ValueAdd) -> Result<(), Error> {
    for target in &add.targets {
        let matcher = target.selector.as_ref().map(Matcher::new).transpose()?;
        let selected = |object: &&mut Object| matcher.as_ref().is_none_or(|m| m.selects(object));
        for object in objects.list_mut().iter_mut().filter(selected) {
            put(object, target, &add.value)?;
        }
    }
    Ok(())
}

fn put(object: &mut Object, target: &Target, value: &str) -> Result<(), Error> {
    if target.field_path == "metadata/namespace" {
        let namespace = Namespace {
            namespace: value.to_string(),
            specs: Vec::new(),
            unset_only: false,
            subjects: Subjects::default(),
        };
        return namespace::set(object, &namespace);
    }
    let mut steps: Vec<String> = Vec::new();
    for step in target.field_path.split('/') {
        match steps.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('/');
                last.push_str(step);
            }
            _ => steps.push(step.to_string()),
        }
    }
    let id = object.id().to_string();
    let mut node = &mut object.node;
    for (at, step) in steps.iter().enumerate() {
        let Some(map) = node.as_map_mut() else {
            let problem = "wrong node kind: expected MappingNode".to_string();
            return Err(Error::Field {
                path: target.field_path.clone(),
                id,
                problem,
            });
        };
        if map.get(step).is_none_or(Node::is_null) {
            let last = at + 1 == steps.len();
            map.set(step, if last { Node::string("") } else { Node::map() });
        }
        node = match map.get_mut(step) {
            Some(next) => next,
            None => return Ok(()),
        };
    }
    let Node::Scalar(old) = node else {
        return Err(Error::Field {
            path: target.field_path.clone(),
            id,
            problem: "wrong node kind: expected ScalarNode".to_string(),
        });
    };
    let text = match usize::try_from(target.position) {
        Ok(position @ 1..) => inserted(&old.text, position - 1, value),
        _ => value.to_string(),
    };
    *old = Scalar {
        tag: if old.tag == Tag::Str {
            Tag::Str
        } else {
            yaml::resolve(&text, yaml::Schema::GoV3)
        },
        text,
        style: Style::Plain,
    };
    Ok(())
}

/// The path with one part more; a leading slash stays where it is.
fn inserted(path: &str, position: usize, part: &str) -> String {
    let (root, path) = match path.strip_prefix('/') {
        Some(rest) => ("/", rest),
        None => ("", path),
    };
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{root}{}", parts.join("/"))
}
