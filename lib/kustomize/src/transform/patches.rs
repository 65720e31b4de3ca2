//! `patches`, `patchesStrategicMerge` and `patchesJson6902`: which patch goes to which object.

mod shown;

use super::json6902::{self, Operation};
use super::strategic_merge::{self, Chosen};
use crate::Error;
use crate::documents;
use crate::kustomization::{Patch, Selector};
use crate::load::Loader;
use crate::object::Object;
use crate::objects::Objects;
use crate::schema::SchemaState;
use crate::selector::Matcher;
use serde_json::Value;
use std::cell::RefCell;
use yaml::Node;

pub(crate) use shown::{shown, shown_operations, shown_paths};

/// What a patch's text turned out to be.
enum Content {
    Nothing,
    Partial(Vec<Object>),
    Operations(Vec<Operation>),
}

/// An entry of `patches`, read.
pub(crate) struct Prepared {
    content: Content,
    entry: Patch,
    /// How messages call it.
    source: String,
}

/// An entry of `patchesJson6902`, read.
pub(crate) struct PreparedOperations {
    operations: Vec<Operation>,
    target: Selector,
}

/// Reads an entry of `patches`.
///
/// # Errors
/// Text that is neither or both kinds of patch, a file that is not there.
pub(crate) fn prepare(loader: &Loader<'_>, patch: &Patch) -> Result<Prepared, Error> {
    let (text, source) = text(loader, patch)?;
    Ok(Prepared {
        content: content(&text, &source)?,
        entry: patch.clone(),
        source,
    })
}

/// Applies an entry of `patches`.
///
/// # Errors
/// No object for it, or one that it does not fit.
pub(crate) fn apply(
    objects: &mut Objects,
    patch: &Prepared,
    schemas: &RefCell<SchemaState>,
) -> Result<(), Error> {
    let Prepared {
        content,
        entry,
        source,
    } = patch;
    match (content, &entry.target) {
        (Content::Nothing, _) => Ok(()),
        (Content::Partial(partial), None) => {
            for part in partial {
                let mut part = part.clone();
                if entry.allow_name_change || entry.allow_kind_change {
                    // kustomize notes the option in the patch's annotations, which makes them text.
                    part.texts_in("annotations");
                }
                let part = &part;
                let at = target(objects, part).map_err(|error| {
                    let id = part.original_id().to_string();
                    error.during(format!("no resource matches strategic merge patch {id:?}"))
                })?;
                lay_over(&mut objects.list_mut()[at], part, entry, schemas)?;
            }
            drop_deleted(objects);
            Ok(())
        }
        (Content::Partial(partial), Some(selector)) => {
            let [part] = partial.as_slice() else {
                let problem = format!(
                    "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` \
                     field: {source}"
                );
                return Err(Error::Patch { problem });
            };
            let matcher = Matcher::new(selector)?;
            for object in objects
                .list_mut()
                .iter_mut()
                .filter(|object| matcher.selects(object))
            {
                lay_over(object, &of_version(part, object), entry, schemas)?;
            }
            drop_deleted(objects);
            objects.check_ids()
        }
        (Content::Operations(_), None) => Err(Error::Patch {
            problem: format!("must specify a target for JSON patch {source}"),
        }),
        (Content::Operations(operations), Some(selector)) => {
            let matcher = Matcher::new(selector)?;
            for object in objects
                .list_mut()
                .iter_mut()
                .filter(|object| matcher.selects(object))
            {
                object.remember_id();
                operate(object, operations)?;
            }
            Ok(())
        }
    }
}

/// Reads `patchesStrategicMerge`: each entry is text, or else the name of a file; `inline` is more text.
///
/// # Errors
/// Nothing given, text that holds no objects, a file that is not there.
pub(crate) fn prepare_partial(
    loader: &Loader<'_>,
    entries: &[String],
    inline: &str,
) -> Result<Vec<Object>, Error> {
    let bad = |problem: String| Err(Error::Patch { problem });
    if entries.is_empty() && inline.is_empty() {
        return bad("empty file path and empty patch content".to_string());
    }
    let mut partial = Vec::new();
    for entry in entries {
        partial.extend(match documents::objects(entry.as_bytes()) {
            Ok(partial) => partial,
            Err(_) => loader
                .read(entry)
                .and_then(|bytes| documents::objects(&bytes))
                .map_err(|e| e.in_file(entry))?,
        });
    }
    if !inline.is_empty() {
        partial.extend(documents::objects(inline.as_bytes())?);
    }
    if partial.is_empty() {
        return bad(format!(
            "patch appears to be empty; files=[{}], Patch={inline}",
            entries.join(" ")
        ));
    }
    Ok(partial)
}

/// Applies the parts of `patchesStrategicMerge`.
///
/// # Errors
/// As [`apply`].
pub(crate) fn apply_partial(
    objects: &mut Objects,
    partial: &[Object],
    schemas: &RefCell<SchemaState>,
) -> Result<(), Error> {
    let plain = Patch::default();
    for part in partial {
        let at = target(objects, part)?;
        let part = of_version(part, &objects.list()[at]);
        lay_over(&mut objects.list_mut()[at], &part, &plain, schemas)?;
        drop_deleted(objects);
    }
    objects.check_ids()
}

/// Reads an entry of `patchesJson6902`.
///
/// # Errors
/// No target or no name in it, no operations, a file that is not there.
pub(crate) fn prepare_operations(loader: &Loader<'_>, patch: &Patch) -> Result<PreparedOperations, Error> {
    let bad = |problem: &str| Error::Patch {
        problem: problem.to_string(),
    };
    let selector = patch
        .target
        .as_ref()
        .ok_or_else(|| bad("must specify the target field of patchesJson6902"))?;
    if selector.name.is_empty() {
        return Err(bad("must specify the target name"));
    }
    let text = match (patch.path.as_str(), patch.patch.as_str()) {
        ("", "") => return Err(bad("empty file path and empty jsonOp")),
        ("", text) => text.to_string(),
        (path, "") => String::from_utf8_lossy(&loader.read(path)?).into_owned(),
        _ => return Err(bad("must specify a file path or jsonOp, not both")),
    };
    let operations = json6902::decode(&text).map_err(|problem| Error::Patch { problem })?;
    if operations.is_empty() {
        return Err(Error::Patch {
            problem: format!("patch appears to be empty; file={}, JsonOp={text}", patch.path),
        });
    }
    Ok(PreparedOperations {
        operations,
        target: selector.clone(),
    })
}

/// Applies an entry of `patchesJson6902`.
///
/// # Errors
/// A patch that does not fit an object.
pub(crate) fn apply_operations(objects: &mut Objects, patch: &PreparedOperations) -> Result<(), Error> {
    let matcher = Matcher::new(&patch.target)?;
    for object in objects
        .list_mut()
        .iter_mut()
        .filter(|object| matcher.selects(object))
    {
        operate(object, &patch.operations)?;
    }
    Ok(())
}

/// The patch's text and how messages call it.
fn text(loader: &Loader<'_>, patch: &Patch) -> Result<(String, String), Error> {
    let inline = patch.patch.trim();
    let bad = |problem: &str| {
        Err(Error::Patch {
            problem: problem.to_string(),
        })
    };
    match (inline, patch.path.as_str()) {
        ("", "") => bad("must specify one of patch and path in an entry of patches"),
        ("", path) => {
            let bytes = loader
                .read(path)
                .map_err(|e| e.during(format!("failed to get the patch file from path({path})")))?;
            Ok((
                String::from_utf8_lossy(&bytes).into_owned(),
                format!("[path: {path:?}]"),
            ))
        }
        (inline, "") => Ok((inline.to_string(), format!("[patch: {inline:?}]"))),
        _ => bad("patch and path can't be set at the same time in an entry of patches"),
    }
}

fn content(text: &str, source: &str) -> Result<Content, Error> {
    let operations = if text.is_empty() {
        Err(String::new())
    } else {
        json6902::decode(text)
    };
    match (documents::objects(text.as_bytes()), operations) {
        (Ok(partial), Ok(operations)) if !partial.is_empty() && !operations.is_empty() => Err(Error::Patch {
            problem: format!("illegally qualifies as both an SM and JSON patch: {source}"),
        }),
        (Ok(partial), _) if partial.is_empty() => Ok(Content::Nothing),
        (Ok(partial), _) => Ok(Content::Partial(partial)),
        (Err(_), Ok(operations)) if operations.is_empty() => Ok(Content::Nothing),
        (Err(_), Ok(operations)) => Ok(Content::Operations(operations)),
        (Err(_), Err(_)) => Err(Error::Patch {
            problem: format!("unable to parse SM or JSON patch from {source}"),
        }),
    }
}

/// The one object that has or had the patch's id.
fn target(objects: &Objects, part: &Object) -> Result<usize, Error> {
    let id = part.original_id();
    let found = match objects.find_any(&id)[..] {
        [at] => return Ok(at),
        [] => "no matches",
        [..] => "multiple matches",
    };
    Err(Error::PatchTarget {
        id: id.to_string(),
        found,
    })
}

/// The patch with the `apiVersion` of the object it goes to, and with labels and annotations made text: a null among them
/// is no longer one.
fn of_version(part: &Object, object: &Object) -> Object {
    let mut part = part.clone();
    for field in ["labels", "annotations"] {
        part.texts_in(field);
    }
    if let Some(map) = part.node.as_map_mut() {
        map.set("apiVersion", Node::string(object.api_version()));
    }
    part
}

/// Merges; what the object is called stays unless the patch may change it.
fn lay_over(
    object: &mut Object,
    part: &Object,
    patch: &Patch,
    schemas: &RefCell<SchemaState>,
) -> Result<(), Error> {
    let id = object.id();
    if patch.allow_name_change || patch.allow_kind_change {
        object.remember_id();
    }
    // What kustomize notes for itself stands among the annotations, and goes with them.
    let forgets = part
        .node
        .at(&["metadata", "annotations"])
        .is_some_and(Node::is_null);
    object.unshare_lists_of(&part.node);
    let mut node = part.node.clone();
    // Only now: which schema holds depends on when one was first needed.
    let schemas = schemas.borrow_mut().schemas();
    match strategic_merge::merge(&mut object.node, &mut node, schemas.root()) {
        Err(problem) => {
            return Err(Error::PatchMismatch {
                id: id.to_string(),
                problem,
            });
        }
        Ok(Chosen::Dest) => {}
        Ok(Chosen::Patch) => object.node = node,
        Ok(Chosen::Neither) => object.node = Node::map(),
    }
    if forgets {
        object.forget();
    }
    if is_deleted(object) {
        return Ok(());
    }
    if !patch.allow_kind_change {
        object.set_kind(&id.gvk.kind);
    }
    if !patch.allow_name_change {
        object.set_name(&id.name);
    }
    object.set_namespace(&id.namespace);
    object.spread();
    Ok(())
}

fn operate(object: &mut Object, operations: &[Operation]) -> Result<(), Error> {
    let id = object.id().to_string();
    let mut value =
        yaml::to_value_strict(&object.node, yaml::Schema::GoV3).map_err(|cause| Error::Output {
            id: id.clone(),
            cause,
        })?;
    // kustomize keeps its own notes in the annotations, so that there is such a map once anything has been noted.
    let noted = object.generated || !object.past.is_empty();
    if let Some(metadata) = value
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .filter(|_| noted)
        && metadata.get("annotations").is_none_or(Value::is_null)
    {
        metadata.insert("annotations".to_string(), Value::Object(serde_json::Map::new()));
    }
    json6902::apply(&mut value, operations).map_err(|problem| Error::PatchMismatch { id, problem })?;
    object.node = json6902::to_node(&value);
    object.unshare(&[]);
    if noted && object.strings("annotations").next().is_some() {
        object.texts_in("annotations");
    }
    Ok(())
}

fn is_deleted(object: &Object) -> bool {
    object.node.as_map().is_none_or(yaml::Map::is_empty)
}

fn drop_deleted(objects: &mut Objects) {
    if objects.list().iter().any(is_deleted) {
        objects.list_mut().retain(|object| !is_deleted(object));
    }
}
