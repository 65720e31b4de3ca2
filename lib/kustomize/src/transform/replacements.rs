//! `replacements`: values copied from one object into fields of others.

pub(super) mod path;
mod structured;

use crate::Error;
use crate::id::{Gvk, Id};
use crate::kustomization::{FieldOptions, Replacement, Source, Target};
use crate::load::Loader;
use crate::object::Object;
use crate::objects::Objects;
use crate::selector::Matcher;
use path::{Create, Step};
use yaml::{Node, Tag};

/// Values put into an object keep it this shallow, which bounds the recursion of all later steps.
const MAX_DEPTH: usize = 400;

/// Most nodes that a source may have.
const MAX_SIZE: usize = 100_000;

const DEFAULT_PATH: &str = "metadata.name";

/// Reads the entries that are files.
///
/// # Errors
/// A file that is not there or holds no replacements; an entry that is a file and more.
pub(crate) fn prepare(loader: &Loader<'_>, entries: &[Replacement]) -> Result<Vec<Replacement>, Error> {
    let mut prepared = Vec::new();
    for entry in entries {
        if entry.path.is_empty() {
            prepared.push(entry.clone());
        } else if entry.source.is_some() || !entry.targets.is_empty() {
            return Err(bad("cannot specify both path and inline replacement"));
        } else {
            prepared.extend(Replacement::load(loader, &entry.path)?);
        }
    }
    Ok(prepared)
}

/// `replacements` as kustomize repeats it in messages, as far as they are files.
pub(crate) fn shown_paths(entries: &[Replacement]) -> String {
    let paths = entries.iter().filter(|entry| !entry.path.is_empty());
    let paths: Vec<_> = paths
        .map(|entry| serde_json::json!({ "path": entry.path }))
        .collect();
    yaml::to_string(&serde_json::json!({ "Replacements": paths }))
}

/// Carries out every entry, in order.
///
/// # Errors
/// No source or several, a field that is not there, a path that does not fit.
pub(crate) fn apply(objects: &mut Objects, entries: &[Replacement]) -> Result<(), Error> {
    entries.iter().try_for_each(|entry| replace(objects, entry))
}

fn replace(objects: &mut Objects, entry: &Replacement) -> Result<(), Error> {
    let mut value = match (&entry.source, &entry.source_value) {
        (None, None) => return Err(bad("replacements must specify a source and at least one target")),
        _ if entry.targets.is_empty() => {
            return Err(bad("replacements must specify a source and at least one target"));
        }
        (Some(_), Some(_)) => return Err(bad("value and resource selectors are mutually exclusive")),
        (None, Some(text)) => Value {
            node: Node::Scalar(path::bare(text)),
            home: None,
        },
        (Some(source), None) => value(objects.list(), source)?,
    };
    for target in &entry.targets {
        put(objects, target, &mut value)?;
    }
    Ok(())
}

/// What a source gives.
struct Value {
    node: Node,
    /// The object and the path in it where it stands, if the value is the field itself: what changes there in the
    /// meantime changes the value.
    home: Option<(usize, Vec<Step>)>,
}

impl Value {
    fn is_at_home(&self, at: usize) -> bool {
        self.home.as_ref().is_some_and(|(home, _)| *home == at)
    }

    /// After a change of the object where it stands.
    fn read_again(&mut self, object: &Object) {
        if let Some((_, steps)) = &self.home
            && let Ok(Some(node)) = path::find(&object.node, steps)
        {
            self.node = node.clone();
        }
    }
}

/// The value that a source names.
fn value(objects: &[Object], source: &Source) -> Result<Value, Error> {
    let selector = &source.selector;
    let gvk = Gvk {
        group: selector.group.clone(),
        version: selector.version.clone(),
        kind: selector.kind.clone(),
    };
    let id = Id {
        gvk,
        name: selector.name.clone(),
        namespace: selector.namespace.clone(),
    };
    // kustomize does not ask here whether the kind has namespaces.
    let plain = |namespace: &str| {
        if namespace.is_empty() {
            "default".to_string()
        } else {
            namespace.to_string()
        }
    };
    let is_source = |object: &Object| {
        object.all_ids().any(|known| {
            (id.name.is_empty() || id.name == known.name)
                && (id.namespace.is_empty() || plain(&id.namespace) == plain(&known.namespace))
                && known.gvk.is_selected(&id.gvk)
        })
    };
    let mut found = objects.iter().enumerate().filter(|(_, object)| is_source(object));
    let shown = || shown(&id, source);
    let (at, object) = found
        .next()
        .ok_or_else(|| bad(format!("nothing selected by {}", shown())))?;
    if found.next().is_some() {
        return Err(bad(format!("multiple matches for selector {}", shown())));
    }
    let field_path = if source.field_path.is_empty() {
        DEFAULT_PATH
    } else {
        &source.field_path
    };
    let looking = |problem| bad(format!("error looking up replacement source: {problem}"));
    let steps = path::parse(field_path).map_err(looking)?;
    let node = path::find(&object.node, &steps)
        .map_err(looking)?
        .filter(|node| !is_empty(node));
    let node = node.ok_or_else(|| {
        bad(format!(
            "fieldPath `{field_path}` is missing for replacement source {id}"
        ))
    })?;
    let Some(options) = source
        .options
        .as_ref()
        .filter(|options| !options.delimiter.is_empty())
    else {
        return Ok(Value {
            node: node.clone(),
            home: Some((at, steps)),
        });
    };
    let Node::Scalar(scalar) = node else {
        return Err(bad("delimiter option can only be used with scalar nodes"));
    };
    let mut parts = scalar.text.split(&options.delimiter);
    let part = usize::try_from(options.index)
        .ok()
        .and_then(|at| parts.nth(at))
        .ok_or_else(|| {
            bad(format!(
                "options.index {} is out of bounds for value {}",
                options.index, scalar.text
            ))
        })?;
    let mut scalar = scalar.clone();
    scalar.text = part.to_string();
    Ok(Value {
        node: Node::Scalar(scalar),
        home: None,
    })
}

/// Puts the value into every selected object.
fn put(objects: &mut Objects, target: &Target, value: &mut Value) -> Result<(), Error> {
    let select = target
        .select
        .as_ref()
        .ok_or_else(|| bad("target must specify resources to select"))?;
    let matcher = Matcher::new(select)?;
    let reject = target
        .reject
        .iter()
        .map(|r| Ok((r, Matcher::new(r)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let default = [DEFAULT_PATH.to_string()];
    let paths = if target.field_paths.is_empty() {
        &default[..]
    } else {
        &target.field_paths
    };
    let paths = paths
        .iter()
        .map(|text| Ok((text, path::parse(text)?)))
        .collect::<Result<Vec<_>, String>>();
    let paths = paths.map_err(bad)?;
    let options = target.options.clone().unwrap_or_default();
    for (at, object) in objects.list_mut().iter_mut().enumerate() {
        let rejected = |(selector, matcher): &(&crate::kustomization::Selector, Matcher)| {
            let by_metadata =
                !(selector.label_selector.is_empty() && selector.annotation_selector.is_empty());
            (by_metadata && matcher.selects_metadata(object))
                || (selector.names_id() && object.all_ids().any(|id| matcher.selects_id(&id)))
        };
        if !matcher.selects_metadata(object)
            || reject.iter().any(rejected)
            || !object.all_ids().any(|id| matcher.selects_id(&id))
        {
            continue;
        }
        for (text, steps) in &paths {
            if value.is_at_home(at) && options.create && value.node.as_scalar().is_none() {
                // The place is made first, and may be part of the value.
                let made = path::visit(
                    &mut object.node,
                    steps,
                    creation(&value.node, &options),
                    &mut |_| Ok(()),
                );
                made.map_err(|problem| bad(missing(text, true) + ": " + &problem))?;
                value.read_again(object);
            }
            fits(&value.node, steps)?;
            put_at(object, text, steps, &options, &value.node)?;
            object.spread();
            if value.is_at_home(at) {
                value.read_again(object);
            }
        }
    }
    Ok(())
}

/// What is made at a place that is not there.
fn creation(value: &Node, options: &FieldOptions) -> Create {
    match value {
        _ if !options.create => Create::Nothing,
        Node::Scalar(_) => Create::Scalar,
        Node::Map(_) => Create::Map,
        Node::Seq(_) => Create::Seq,
    }
}

fn missing(text: &str, create: bool) -> String {
    let verb = if create { "find or create" } else { "find" };
    format!("unable to {verb} field {text:?} in replacement target")
}

/// Bounds what comes of a value in its place.
fn fits(value: &Node, steps: &[Step]) -> Result<(), Error> {
    let (deep, size) = measure(value);
    if steps.len() + deep > MAX_DEPTH {
        return Err(bad(format!(
            "a replacement may not nest values deeper than {MAX_DEPTH}"
        )));
    }
    if size > MAX_SIZE {
        return Err(bad(format!(
            "a replacement may not copy more than {MAX_SIZE} values"
        )));
    }
    Ok(())
}

fn put_at(
    object: &mut Object,
    text: &str,
    steps: &[Step],
    options: &FieldOptions,
    value: &Node,
) -> Result<(), Error> {
    let create = creation(value, options);
    match structured::put(&mut object.node, steps, create, value) {
        structured::Outcome::Done => return Ok(()),
        structured::Outcome::NotStructured => {}
        structured::Outcome::Comments => {
            return Err(bad(format!(
                "field {text:?} leads into YAML inside text with comments, anchors or tags, which is not supported"
            )));
        }
    }
    let id = object.id();
    let missing = || format!("{} {id}", missing(text, create != Create::Nothing));
    let count = path::visit(&mut object.node, steps, create, &mut |node| {
        set(node, options, value)
    })
    .map_err(|problem| bad(format!("{}: {problem}", missing())))?;
    if count == 0 { Err(bad(missing())) } else { Ok(()) }
}

/// Writes the value over a node, or into the part of it that the options name.
fn set(node: &mut Node, options: &FieldOptions, value: &Node) -> Result<(), String> {
    let text = |node: &Node| {
        node.as_scalar()
            .map_or_else(String::new, |scalar| scalar.text.clone())
    };
    let mut new = value.clone();
    if !options.delimiter.is_empty() {
        let Node::Scalar(old) = &*node else {
            return Err("delimiter option can only be used with scalar nodes".to_string());
        };
        let mut parts: Vec<String> = old.text.split(&options.delimiter).map(str::to_string).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, text(value)),
            Ok(at) => match parts.get_mut(at) {
                Some(part) => *part = text(value),
                None => parts.push(text(value)),
            },
        }
        if let Node::Scalar(scalar) = &mut new {
            scalar.text = parts.join(&options.delimiter);
        }
    }
    match node {
        // Only the text changes: a number stays one, and text stays text.
        Node::Scalar(scalar) => {
            scalar.text = text(&new);
            if scalar.tag == Tag::Merge {
                *scalar = path::bare(&scalar.text);
            }
        }
        Node::Map(_) | Node::Seq(_) => *node = new,
    }
    Ok(())
}

/// Depth and number of nodes.
fn measure(node: &Node) -> (usize, usize) {
    let all = |parts: &mut dyn Iterator<Item = &Node>| {
        parts
            .map(measure)
            .fold((1, 1), |(deep, size), (d, s)| (deep.max(d + 1), size + s))
    };
    match node {
        Node::Scalar(_) => (0, 1),
        Node::Seq(items) => all(&mut items.iter()),
        Node::Map(map) => all(&mut map.pairs.iter().map(|(_, value)| value)),
    }
}

fn is_empty(node: &Node) -> bool {
    match node {
        Node::Scalar(_) => node.is_null(),
        Node::Map(map) => map.is_empty(),
        Node::Seq(items) => items.is_empty(),
    }
}

/// The source as kustomize names it in messages.
fn shown(id: &Id, source: &Source) -> String {
    let mut parts = vec![id.to_string()];
    parts.extend(Some(source.field_path.clone()).filter(|path| !path.is_empty()));
    let options = source
        .options
        .as_ref()
        .filter(|options| !options.delimiter.is_empty() || options.create);
    parts.extend(options.map(|o| format!("{}({}), create={}", o.delimiter, o.index, o.create)));
    parts.join(":")
}

fn bad(problem: impl Into<String>) -> Error {
    Error::Replacement {
        problem: problem.into(),
    }
}
