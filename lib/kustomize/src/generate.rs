//! Generators: objects made of literals, files and env files, of charts, of a service account's name.

pub(crate) mod hash;
mod pairs;
mod policy;

use crate::Error;
use crate::helm::Chart;
use crate::kustomization::{ConfigMapArgs, Fields, GeneratorOptions};
use crate::load::Loader;
use crate::object::{Behavior, Object};
use crate::transform::bare_key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy::Policy;
use yaml::{Map, Node, Scalar, Style, Tag};

/// Which of the two kinds is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// A generator with its configuration.
#[derive(Debug, Clone)]
pub(crate) enum Generator {
    Map(Kind, Box<ConfigMapArgs>),
    Helm(Box<Chart>),
    Policy(Box<Policy>),
}

impl Generator {
    /// Makes its objects.
    ///
    /// # Errors
    /// No name, a source that cannot be read, a key given twice; a chart that cannot be rendered.
    pub(crate) fn generate(&self, loader: &Loader<'_>) -> Result<Vec<Object>, Error> {
        match self {
            Generator::Map(kind, args) => Ok(vec![generate(loader, *kind, args)?]),
            Generator::Helm(chart) => chart.generate(loader),
            Generator::Policy(policy) => policy.generate(),
        }
    }

    /// The configuration of an `IAMPolicyGenerator`.
    pub(crate) fn read_policy(fields: &mut Fields) -> Result<Generator, Error> {
        Policy::read(fields).map(|policy| Generator::Policy(Box::new(policy)))
    }
}

fn generate(loader: &Loader<'_>, kind: Kind, args: &ConfigMapArgs) -> Result<Object, Error> {
    if args.name.is_empty() {
        return Err(Error::Generator {
            problem: "a configmap must have a name".to_string(),
        });
    }
    let options = args.options.clone().unwrap_or_default();
    let mut metadata = Map::default();
    metadata.set("name", Node::string(&args.name));
    if !args.namespace.is_empty() {
        metadata.set("namespace", Node::string(&args.namespace));
    }
    for (field, pairs) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        if !pairs.is_empty() {
            let pairs = pairs
                .iter()
                .map(|(k, v)| (bare_key(k), Node::string(v)))
                .collect();
            metadata.set(field, Node::Map(Map { pairs }));
        }
    }
    let mut object = Map::default();
    object.set("apiVersion", Node::string("v1"));
    object.set(
        "kind",
        Node::string(if kind == Kind::Secret {
            "Secret"
        } else {
            "ConfigMap"
        }),
    );
    object.set("metadata", Node::Map(metadata));
    if kind == Kind::Secret {
        object.set(
            "type",
            Node::string(if args.kind.is_empty() {
                "Opaque"
            } else {
                &args.kind
            }),
        );
    }
    data(&mut object, kind, pairs::load(loader, args)?);
    if options.immutable {
        let scalar = Scalar {
            text: "true".to_string(),
            tag: Tag::Bool,
            style: Style::Plain,
        };
        object.set("immutable", Node::Scalar(scalar));
    }
    let mut object = Object::new(Node::Map(object));
    object.generated = true;
    object.needs_hash = !options.disable_name_suffix_hash;
    object.behavior = match args.behavior.as_str() {
        "create" => Behavior::Create,
        "merge" => Behavior::Merge,
        "replace" => Behavior::Replace,
        _ => Behavior::Unspecified,
    };
    Ok(object)
}

/// Secrets hold base64; ConfigMaps hold text as it is and base64 of what is no text.
fn data(object: &mut Map, kind: Kind, pairs: Vec<(String, Vec<u8>)>) {
    let (mut data, mut binary) = (Map::default(), Map::default());
    for (key, bytes) in pairs {
        match std::str::from_utf8(&bytes) {
            Ok(text) if kind == Kind::ConfigMap => data.pairs.push((bare_key(&key), Node::string(text))),
            Err(_) if kind == Kind::ConfigMap => {
                binary.pairs.push((bare_key(&key), Node::string(encode(&bytes))))
            }
            _ => data.pairs.push((bare_key(&key), Node::string(encode(&bytes)))),
        }
    }
    if kind == Kind::Secret || !data.is_empty() {
        object.set("data", Node::Map(data));
    }
    if !binary.is_empty() {
        object.set("binaryData", Node::Map(binary));
    }
}

/// Base64, in lines of 70 that each end with a newline once there is more than one.
fn encode(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let encoded = STANDARD.encode(bytes);
    if encoded.len() < LINE {
        return encoded;
    }
    let mut text = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text
}

/// A generator's own options, filled up with those of `generatorOptions`.
pub(crate) fn merged(own: Option<&GeneratorOptions>, global: Option<&GeneratorOptions>) -> GeneratorOptions {
    let mut options = own.cloned().unwrap_or_default();
    let Some(global) = global else {
        return options;
    };
    for (own, global) in [
        (&mut options.labels, &global.labels),
        (&mut options.annotations, &global.annotations),
    ] {
        let missing: Vec<_> = global
            .iter()
            .filter(|(key, _)| own.iter().all(|(k, _)| k != key))
            .cloned()
            .collect();
        own.extend(missing);
        own.sort();
    }
    options.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    options.immutable |= global.immutable;
    options
}
