//! `vars`: `$(NAME)` in the fields of a table stands for a field of some object.

use super::{at, selected};
use crate::Error;
use crate::fieldspec::{Create, FieldSpec};
use crate::id::Id;
use crate::kustomization::Var;
use crate::object::Object;
use crate::objects::Objects;
use crate::transform::replacements::path;
use std::collections::{HashMap, HashSet};
use yaml::{Node, Scalar, Style, Tag};

/// The vars of a build by name, with the marks on the objects they are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars(Vec<Var>);

impl Vars {
    /// Takes in the vars of a kustomization and marks the objects that they are about, as far as they are there.
    ///
    /// # Errors
    /// A name that is taken, a reference to several objects.
    pub(crate) fn add(&mut self, vars: &[Var], objects: &mut Objects) -> Result<(), Error> {
        for var in vars {
            let mut found = objects
                .list_mut()
                .iter_mut()
                .filter(|object| is_meant(var, object));
            if let Some(object) = found.next() {
                object.unshare(&["metadata", "annotations"]);
                object.vars.push(var.name.clone());
                let more = found.count();
                if more > 0 {
                    let problem = format!(
                        "found {} resId matches for var {} (unable to disambiguate)",
                        more + 1,
                        var.name
                    );
                    return Err(Error::Var { problem });
                }
            }
        }
        self.merge(Vars(vars.to_vec()))
    }

    /// Takes in the vars of a base.
    ///
    /// # Errors
    /// A name that is taken.
    pub(crate) fn merge(&mut self, other: Vars) -> Result<(), Error> {
        for var in other.0 {
            if self.0.iter().any(|known| known.name == var.name) {
                return Err(Error::Var {
                    problem: format!("var '{}' already encountered", var.name),
                });
            }
            self.0.push(var);
        }
        Ok(())
    }

    /// Replaces every mention in the fields of `specs`; gives the names that were never mentioned.
    ///
    /// # Errors
    /// A var that is about no object or a field that is not there; a field of the table with the wrong shape.
    pub(crate) fn resolve(&self, objects: &mut Objects, specs: &[FieldSpec]) -> Result<Vec<String>, Error> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = HashMap::new();
        for var in &self.0 {
            values.insert(var.name.as_str(), value(var, objects.list())?);
        }
        let mut values = Values {
            values,
            used: HashSet::new(),
        };
        for object in objects.list_mut() {
            for spec in selected(object, specs) {
                at(object, spec, Create::Nothing, &mut |node| set(node, &mut values))?;
            }
        }
        let unused = self.0.iter().filter(|var| !values.used.contains(&var.name));
        Ok(unused.map(|var| var.name.clone()).collect())
    }
}

/// What the vars stand for, and which of them have been asked for.
struct Values<'v> {
    values: HashMap<&'v str, Option<Scalar>>,
    used: HashSet<String>,
}

impl Values<'_> {
    fn get(&mut self, name: &str) -> Option<&Scalar> {
        let value = self.values.get(name)?;
        if !self.used.contains(name) {
            self.used.insert(name.to_string());
        }
        value.as_ref()
    }
}

/// By kind and name; by namespace only if the var has one or the kind cannot have one.
fn is_meant(var: &Var, object: &Object) -> bool {
    let target = Id {
        gvk: var.gvk.clone(),
        name: var.object.clone(),
        namespace: var.namespace.clone(),
    };
    let exact = !target.namespace.is_empty() || target.gvk.is_cluster_scoped();
    object.all_ids().any(|id| {
        id.gvk == target.gvk
            && id.name == target.name
            && (!exact || id.effective_namespace() == target.effective_namespace())
    })
}

fn value(var: &Var, objects: &[Object]) -> Result<Option<Scalar>, Error> {
    let object = objects
        .iter()
        .find(|object| object.vars.contains(&var.name))
        .ok_or_else(|| Error::Var {
            problem: format!(
                "var '{}' ({} {}) cannot be mapped to a field in the set of known resources",
                var.name, var.gvk, var.object
            ),
        })?;
    let missing = || Error::Var {
        problem: format!(
            "field specified in var '{}' not found in corresponding resource",
            var.name
        ),
    };
    // `ports[0]` is an older way to write `ports.0`.
    let field = if var.field_path.is_empty() {
        "metadata.name"
    } else {
        &var.field_path
    };
    let field = field.replace("[", ".[").replace("..[", ".[");
    let steps = path::parse_with_indices(&field).map_err(|_| missing())?;
    let node = path::find(&object.node, &steps)
        .map_err(|_| missing())?
        .ok_or_else(missing)?;
    Ok(node.as_scalar().cloned())
}

fn set(node: &mut Node, values: &mut Values<'_>) -> Result<(), String> {
    let mut expand = |scalar: &mut Scalar| {
        if scalar.tag != Tag::Str {
            return;
        }
        if scalar.text.contains('$') {
            *scalar = expanded(&scalar.text, values);
        }
        // The real tool sets every text anew, mentioned or not: lines are then kept as they are, not folded.
        if scalar.tag == Tag::Str && scalar.text.contains('\n') {
            scalar.style = Style::Literal;
        }
    };
    match node {
        Node::Scalar(scalar) => expand(scalar),
        Node::Map(map) => {
            for (key, value) in &mut map.pairs {
                if key.tag != Tag::Str {
                    return Err(format!("invalid map key: value='{}'", key.text));
                }
                if let Node::Scalar(scalar) = value {
                    expand(scalar);
                }
            }
        }
        Node::Seq(items) => {
            for item in items {
                match item {
                    Node::Scalar(scalar) if scalar.tag == Tag::Str => expand(scalar),
                    _ => return Err("invalid value type expect a string".to_string()),
                }
            }
        }
    }
    Ok(())
}

/// `$(NAME)` alone keeps the type of its value; within other text it becomes text. `$$` is a dollar.
fn expanded(input: &str, values: &mut Values<'_>) -> Scalar {
    let mut out = String::new();
    let mut rest = input;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        if let Some((name, behind)) = name {
            match values.get(name) {
                Some(scalar) => {
                    if out.is_empty() && behind.is_empty() && rest.len() == input.len() {
                        return typed(scalar);
                    }
                    out.push_str(&typed(scalar).text);
                }
                None => out.extend(["$(", name, ")"]),
            }
            rest = behind;
            continue;
        }
        if let Some(behind) = after.strip_prefix('$') {
            out.push('$');
            rest = behind;
            continue;
        }
        out.push('$');
        // What follows a lone dollar is no reference, whatever it is.
        let next = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    out.push_str(rest);
    Scalar {
        text: out,
        tag: Tag::Str,
        style: Style::Plain,
    }
}

/// The value as Go prints it.
fn typed(scalar: &Scalar) -> Scalar {
    let text = match scalar.tag {
        Tag::Int | Tag::Float => yaml::json_number(&scalar.text, scalar.tag)
            .map_or_else(|_| scalar.text.clone(), |n| n.to_string()),
        Tag::Bool => scalar.text.to_ascii_lowercase(),
        _ => scalar.text.clone(),
    };
    Scalar {
        text,
        tag: scalar.tag,
        style: Style::Plain,
    }
}
