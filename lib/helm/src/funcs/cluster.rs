//! Helm's own functions: templates as functions, complaints, the cluster.

use super::encoding::from_json;
use super::{Answer, Call, Function, Ty, fixed, raw, string};
use crate::template::error::Fault;
use crate::template::eval::execute;
use crate::template::parse::parse;
use crate::template::quote::quote;
use crate::template::run::Set;
use crate::template::value::Value;
use std::rc::Rc;

/// How often a name may be included inside itself.
const MAX_INCLUDES: u32 = 1000;
/// What a look at the cluster counts for, in steps: ten thousand of them are all there is time for.
const LOOKUP: usize = 10_000;
/// What Helm marks the words of `fail` and `required` with, to find them again in the error.
pub(crate) const MARKS: (&str, &str) = ("HELM_ERR_START", "HELM_ERR_END");

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("include", &[Ty::Str, Ty::Any], include),
    fixed("tpl", &[Ty::Str, Ty::Any], tpl),
    fixed("required", &[Ty::Str, Ty::Any], |c| {
        let missing = match c.any(1) {
            Value::Nil | Value::NilInterface => true,
            Value::Str(text) => text.is_empty(),
            _ => false,
        };
        match (missing, c.run.lint) {
            (true, true) => string(""),
            (true, false) => Err(marked(&c.text(0))),
            (false, _) => Ok(c.any(1).clone()),
        }
    }),
    fixed("fail", &[Ty::Str], |c| {
        if c.run.lint {
            return string("");
        }
        Err(marked(&c.text(0)))
    }),
    fixed("lookup", &[Ty::Str, Ty::Str, Ty::Str, Ty::Str], |c| {
        c.step(LOOKUP)?;
        let found = c
            .run
            .environment
            .lookup(&c.text(0), &c.text(1), &c.text(2), &c.text(3))?;
        Ok(from_json(&found))
    }),
    fixed("getHostByName", &[Ty::Str], |_| string("")),
];

fn marked(text: &str) -> Fault {
    Fault::Message(format!("{}{text}{}", MARKS.0, MARKS.1))
}

fn include(call: &mut Call<'_, '_>) -> Answer {
    let name = call.text(0).into_owned();
    let count = match call.run.included.get_mut(&name) {
        Some(count) => count,
        None => call.run.included.entry(name.clone()).or_insert(0),
    };
    if *count > MAX_INCLUDES {
        return Err(format!(
            "rendering template has a nested reference name: {name}: unable to execute template"
        )
        .into());
    }
    *count += 1;
    let result = match call.set.get(&name) {
        None => Err(Fault::Message(format!(
            "template: no template {} associated with template {}",
            quote(name.as_bytes()),
            quote(b"gotpl")
        ))),
        Some(tree) => {
            let mut out = Vec::new();
            let data = call.any(1).clone();
            execute(call.run, call.set, &tree, data, &mut out)
                .map(|()| out)
                .map_err(|cause| Fault::Inner {
                    prefix: String::new(),
                    cause,
                })
        }
    };
    if let Some(count) = call.run.included.get_mut(&name) {
        *count -= 1;
    }
    raw(result?)
}

fn tpl(call: &mut Call<'_, '_>) -> Answer {
    let text: Rc<str> = call.text(0).into();
    if !text.contains("{{") {
        return raw(without_no_value(text.as_bytes().to_vec()));
    }
    let trees = match call.run.parsed.get(&text) {
        Some(trees) => trees.clone(),
        None => {
            call.run.step(text.len() / 16)?;
            let trees = parse("gotpl", text.clone())
                .map_err(|error| format!("cannot parse template {}: {error}", quote(text.as_bytes())))?;
            call.run.parsed.insert(text.clone(), trees.clone());
            trees
        }
    };
    let set = Set::new(Some(call.set.clone()));
    let mut main = None;
    for tree in trees {
        if &*tree.name == "gotpl" {
            main = Some(tree.clone());
        }
        set.add(tree);
    }
    let mut out = Vec::new();
    if let Some(tree) = main {
        let data = call.any(1).clone();
        execute(call.run, &set, &tree, data, &mut out).map_err(|cause| Fault::Inner {
            prefix: format!(
                "error during tpl function execution for {}: ",
                quote(text.as_bytes())
            ),
            cause,
        })?;
    }
    raw(without_no_value(out))
}

/// Helm takes out what Go prints for a value that is not there.
pub(crate) fn without_no_value(text: Vec<u8>) -> Vec<u8> {
    if super::strings::find(&text, b"<no value>").is_none() {
        return text;
    }
    super::strings::replace(&text, b"<no value>", b"")
}
