//! From bytes to nodes: the parser's events put together, aliases expanded, within limits.

use crate::parse::{Event, EventKind, Parser, Properties};
use crate::scan::ScalarStyle;
use crate::{Error, Map, Node, Scalar, Schema, Style, Tag, merge, resolve};
use std::borrow::Cow;
use std::collections::HashMap;

/// How much a text may ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Deepest nesting of maps and lists; the recursion of all later steps is bounded by it.
    pub depth: usize,
    /// Most nodes of a stream, those that aliases bring included.
    pub nodes: usize,
    /// Most nodes that are held at once, copies for aliases included: all but the items that [`parse_items`] has handed out.
    pub held: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 250,
            nodes: 8_000_000,
            held: 16_000_000,
        }
    }
}

/// Composes every document of the stream; a document without content is a null node.
///
/// # Errors
/// Malformed YAML, unknown anchors, keys that are no scalars, explicit tags that do not fit, limits exceeded.
pub fn parse_nodes(bytes: &[u8], schema: Schema, limits: &Limits) -> Result<Vec<Node>, Error> {
    compose(bytes, schema, limits, false)
}

/// Composes the first document only, as go-yaml's `Unmarshal` does: what follows it need not be YAML.
///
/// # Errors
/// As [`parse_nodes`], for that document.
pub fn parse_first_node(bytes: &[u8], schema: Schema, limits: &Limits) -> Result<Option<Node>, Error> {
    Ok(compose(bytes, schema, limits, true)?.into_iter().next())
}

/// Composes the first document of a text that may be large, without holding it: the items of the lists in the map under
/// `key` go to `take` with their list's name, one by one. Gives the rest of the document, in which those lists are empty.
///
/// Lists that have an anchor, or that an alias brings, stay in the rest.
///
/// # Errors
/// As [`parse_first_node`], and those of `take`, which end the reading.
pub fn parse_items<E: From<Error>>(
    bytes: &[u8],
    schema: Schema,
    limits: &Limits,
    key: &str,
    mut take: impl FnMut(&str, Node) -> Result<(), E>,
) -> Result<Option<Node>, E> {
    let text = decoded(bytes)?;
    let mut parser = Parser::new(&text, schema);
    let mut composer = Composer::new(schema, limits);
    composer.items_of = Some(key);
    while composer.step(&mut parser)? == Step::Inside {
        if let Some((list, item)) = composer.ready.take() {
            take(&list, item)?;
        }
    }
    Ok(composer.documents.into_iter().next())
}

fn compose(bytes: &[u8], schema: Schema, limits: &Limits, first: bool) -> Result<Vec<Node>, Error> {
    let text = decoded(bytes)?;
    let mut parser = Parser::new(&text, schema);
    let mut composer = Composer::new(schema, limits);
    loop {
        let step = composer.step(&mut parser)?;
        if step == Step::Stream || step == Step::Document && first {
            return Ok(composer.documents);
        }
    }
}

/// Where an event has led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Somewhere in a document, or before it.
    Inside,
    /// To the end of a document.
    Document,
    /// To the end of the stream.
    Stream,
}

/// The text as UTF-8, without the mark that says how it is written (YAML 1.1, 5.2).
fn decoded(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| -> Result<Cow<'static, [u8]>, Error> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| unit(*pair));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        match text {
            Ok(text) if rest.is_empty() => Ok(text.into_bytes().into()),
            _ => Err(Error::Syntax {
                line: None,
                problem: "incomplete UTF-16 character".to_owned(),
            }),
        }
    };
    match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => Ok(text.into()),
        [0xff, 0xfe, text @ ..] => units(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => units(text, u16::from_be_bytes),
        text => Ok(text.into()),
    }
}

struct Composer<'a> {
    schema: Schema,
    limits: &'a Limits,
    stack: Vec<Open>,
    documents: Vec<Node>,
    /// `None` while the node is still open.
    anchors: HashMap<String, Option<(Node, usize)>>,
    nodes: usize,
    aliased: usize,
    /// Nodes that were handed out, and those that aliases may yet bring.
    out: usize,
    anchored: usize,
    merges: bool,
    /// The first error that go-yaml would find only when it makes values of the whole document.
    late: Option<Error>,
    /// Under which key of the document's map there are lists whose items are not kept.
    items_of: Option<&'a str>,
    /// Such an item, with its list's name.
    ready: Option<(String, Node)>,
}

/// A map or list whose end has not come.
struct Open {
    anchor: Option<String>,
    /// Written in brackets.
    flow: bool,
    kind: Kind,
}

enum Kind {
    Seq(Vec<Node>),
    Map { map: Map, key: Option<Scalar> },
}

impl<'a> Composer<'a> {
    fn new(schema: Schema, limits: &'a Limits) -> Self {
        Self {
            schema,
            limits,
            stack: Vec::new(),
            documents: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            aliased: 0,
            out: 0,
            anchored: 0,
            merges: false,
            late: None,
            items_of: None,
            ready: None,
        }
    }

    /// Takes in the next event.
    fn step(&mut self, parser: &mut Parser<'_>) -> Result<Step, Error> {
        let event = parser.next().map_err(|fault| fault.told(self.schema))?;
        let step = match event.kind {
            EventKind::DocumentEnd => Step::Document,
            EventKind::StreamEnd => Step::Stream,
            _ => Step::Inside,
        };
        match self.late.take_if(|_| step != Step::Inside) {
            Some(error) => Err(error),
            None => self.event(event).map(|()| step),
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Error> {
        let line = event.start.line + 1;
        match event.kind {
            EventKind::StreamStart | EventKind::StreamEnd | EventKind::DocumentEnd => Ok(()),
            EventKind::DocumentStart => {
                self.anchors.clear();
                self.anchored = 0;
                self.merges = false;
                Ok(())
            }
            EventKind::Alias(anchor) => self.alias(&anchor, line),
            EventKind::Scalar { of, text, style } => {
                let scalar = self.scalar(of.tag.as_deref(), text, style);
                self.merges |= scalar.tag == Tag::Merge;
                self.nodes += 1;
                self.add(Node::Scalar(scalar), of.anchor, line)
            }
            EventKind::SeqStart { of, flow } => self.open(of, flow, Kind::Seq(Vec::new())),
            EventKind::MapStart { of, flow } => self.open(
                of,
                flow,
                Kind::Map {
                    map: Map::default(),
                    key: None,
                },
            ),
            EventKind::SeqEnd | EventKind::MapEnd => self.close(line),
        }
    }

    fn scalar(&mut self, tag: Option<&str>, text: String, style: ScalarStyle) -> Scalar {
        let style = match style {
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
            ScalarStyle::Single | ScalarStyle::Double => Style::Quoted,
            ScalarStyle::Plain if text.is_empty() && self.stack.iter().any(|open| open.flow) => {
                Style::EmptyInFlow
            }
            ScalarStyle::Plain => Style::Plain,
        };
        let tag = match tag {
            Some(tag) => match resolve::resolve_tagged(tag, &text, self.schema) {
                Ok(tag) => tag,
                Err(error) => {
                    self.late.get_or_insert(error);
                    Tag::Str
                }
            },
            None if matches!(style, Style::Plain | Style::EmptyInFlow) => {
                resolve::resolve(&text, self.schema)
            }
            None => Tag::Str,
        };
        Scalar { text, tag, style }
    }

    fn open(&mut self, of: Properties, flow: bool, kind: Kind) -> Result<(), Error> {
        let anchor = of.anchor;
        if self.stack.len() >= self.limits.depth {
            return Err(Error::TooDeep(self.limits.depth));
        }
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), None);
        }
        self.nodes += 1;
        self.stack.push(Open { anchor, flow, kind });
        Ok(())
    }

    fn close(&mut self, line: u64) -> Result<(), Error> {
        match self.stack.pop() {
            Some(Open {
                anchor,
                flow: _,
                kind: Kind::Seq(items),
            }) => self.add(Node::Seq(items), anchor, line),
            Some(Open {
                anchor,
                flow: _,
                kind: Kind::Map { map, .. },
            }) => self.add(Node::Map(map), anchor, line),
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: &str, line: u64) -> Result<(), Error> {
        let (node, size) = match self.anchors.get(anchor) {
            Some(Some((node, size))) => (node, *size),
            Some(None) => {
                self.late.get_or_insert(Error::AnchorInItself(anchor.to_string()));
                return self.add(Node::null(), None, line);
            }
            None => return Err(Error::UnknownAnchor(anchor.to_string())),
        };
        self.nodes += size;
        self.aliased += size;
        if excessive(self.aliased, self.nodes) {
            return Err(Error::ExcessiveAliasing);
        }
        if self.stack.len() + depth(node) > self.limits.depth {
            return Err(Error::TooDeep(self.limits.depth));
        }
        let node = node.clone();
        self.add(node, None, line)
    }

    /// The name of the list that is open, if it is in the map under `key` of the document and no alias can mean it.
    fn list_below(&self, key: &str) -> Option<&str> {
        let [root, lists, list] = &self.stack[..] else {
            return None;
        };
        let is_list = matches!(list.kind, Kind::Seq(_)) && list.anchor.is_none();
        let name = waiting(lists).filter(|name| is_list && name.tag != Tag::Merge)?;
        waiting(root)
            .is_some_and(|k| k.text == key)
            .then_some(name.text.as_str())
    }

    fn add(&mut self, mut node: Node, anchor: Option<String>, line: u64) -> Result<(), Error> {
        if self.nodes > self.limits.nodes {
            return Err(Error::TooManyNodes(self.limits.nodes));
        }
        if self.nodes - self.out + self.anchored > self.limits.held {
            return Err(Error::TooManyNodes(self.limits.held));
        }
        if let Some(anchor) = anchor {
            let size = node.count();
            // A copy is work that aliases will cause; a nest of anchors must not copy itself quadratically.
            self.aliased += size;
            if self.aliased > self.limits.nodes {
                return Err(Error::ExcessiveAliasing);
            }
            self.aliased -= size;
            self.anchored += size;
            self.anchors.insert(anchor, Some((node.clone(), size)));
        }
        if let Some(list) = self.items_of.and_then(|key| self.list_below(key)) {
            if self.merges {
                merge::apply(&mut node, self.schema)?;
            }
            let list = list.to_owned();
            // What a merge brought counts where it is from.
            self.out = self.nodes.min(self.out + node.count());
            self.ready = Some((list, node));
            return Ok(());
        }
        match self.stack.last_mut() {
            None => {
                if self.merges {
                    merge::apply(&mut node, self.schema)?;
                }
                self.documents.push(node);
            }
            Some(Open {
                kind: Kind::Seq(items),
                ..
            }) => items.push(node),
            Some(Open {
                kind: Kind::Map { map, key },
                ..
            }) => match (key.take(), node) {
                (Some(key), node) => map.pairs.push((key, node)),
                (None, Node::Scalar(scalar)) => *key = Some(scalar),
                (None, Node::Map(_) | Node::Seq(_)) => {
                    self.late.get_or_insert(Error::ComplexKey { line });
                    *key = Some(Scalar::string(""));
                }
            },
        }
        Ok(())
    }
}

/// The key that waits for its value, of a map without an anchor.
fn waiting(open: &Open) -> Option<&Scalar> {
    match &open.kind {
        Kind::Map { key, .. } if open.anchor.is_none() => key.as_ref(),
        Kind::Map { .. } | Kind::Seq(_) => None,
    }
}

/// go-yaml's measure: small documents may repeat themselves, large ones only by a tenth.
fn excessive(aliased: usize, nodes: usize) -> bool {
    const SMALL: usize = 400_000;
    const LARGE: usize = 4_000_000;
    if aliased <= 100 || nodes <= 1000 {
        return false;
    }
    let allowed = match nodes {
        ..=SMALL => 0.99,
        LARGE.. => 0.10,
        _ => 0.99 - 0.89 * (nodes - SMALL) as f64 / (LARGE - SMALL) as f64,
    };
    aliased as f64 / nodes as f64 > allowed
}

fn depth(node: &Node) -> usize {
    match node {
        Node::Scalar(_) => 0,
        Node::Seq(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Node::Map(map) => 1 + map.pairs.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
    }
}
