//! From bytes to nodes: the scanner's events put together, aliases expanded, within limits.

mod escapes;
mod lookahead;
mod tags;

use crate::{Error, Map, Node, Scalar, Schema, Style, Tag, merge, resolve};
use libyaml_safer::{Event, EventData, MappingStyle, Parser, ScalarStyle, SequenceStyle};
use std::collections::HashMap;
use std::io::{BufReader, Chain, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How much a text may ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Deepest nesting of maps and lists; the recursion of all later steps is bounded by it.
    pub depth: usize,
    /// Most nodes of a stream, those that aliases bring included.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 250,
            nodes: 8_000_000,
        }
    }
}

/// Composes the first document of a text that may be large, without holding it: the items of the lists in the map under
/// `key` go to `take` with their list's name, one by one. Gives the rest of the document, in which those lists are empty.
///
/// Lists that have an anchor, or that an alias brings, stay in the rest. Unlike elsewhere `\/` in double quotes is let
/// through, and a tag that a comma follows directly is an error: looking for either costs memory and time.
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
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = Reader::new(bytes, schema, limits);
    reader.composer.items_of = Some(key);
    while let Some(event) = reader.next()? {
        let end = matches!(event.data, EventData::DocumentEnd { .. });
        reader.composer.event(event)?;
        if let Some((list, item)) = reader.composer.ready.take() {
            take(&list, item)?;
        }
        if end {
            break;
        }
    }
    Ok(reader.composer.documents.into_iter().next())
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

fn compose(bytes: &[u8], schema: Schema, limits: &Limits, first: bool) -> Result<Vec<Node>, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = &*tags::without_commas(bytes);
    let escapes = escapes::Escapes::of(bytes);
    let mut reader = Reader::new(bytes, schema, limits);
    while let Some(event) = reader.next()? {
        if first && matches!(event.data, EventData::DocumentEnd { .. }) {
            break;
        }
        if let EventData::Scalar {
            style: ScalarStyle::DoubleQuoted,
            ..
        } = event.data
        {
            escapes.check(&event, schema)?;
        }
        reader.composer.event(event)?;
    }
    Ok(reader.composer.documents)
}

/// A text with its scanner, and what has been made of it.
struct Reader<'a> {
    bytes: &'a [u8],
    newline: &'static [u8],
    parser: Parser<BufReader<Chain<&'a [u8], &'static [u8]>>>,
    composer: Composer<'a>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], schema: Schema, limits: &'a Limits) -> Reader<'a> {
        // The scanner panics on a block scalar that the end of the text cuts off, so a text that may have one ends with a
        // newline; `unterminated` takes it away again where it would show.
        let newline: &'static [u8] = if bytes.is_empty() || bytes.ends_with(b"\n") {
            b""
        } else {
            b"\n"
        };
        let last_line = bytes.rsplit(|&b| b == b'\n').next().unwrap_or_default();
        let mut parser = Parser::new();
        // In pieces, because the scanner decodes all it is given into four bytes a character.
        parser.set_input(BufReader::with_capacity(16 * 1024, bytes.chain(newline)));
        let composer = Composer {
            schema,
            limits,
            stack: Vec::new(),
            documents: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            aliased: 0,
            merges: false,
            unterminated: (!newline.is_empty()).then(|| {
                (
                    bytes.len() as u64 + 1,
                    last_line.iter().all(|&b| b == b' ' || b == b'\t'),
                )
            }),
            items_of: None,
            ready: None,
        };
        Reader {
            bytes,
            newline,
            parser,
            composer,
        }
    }

    /// The next event; nothing at the end of the stream.
    fn next(&mut self) -> Result<Option<Event>, Error> {
        let parser = &mut self.parser;
        // The scanner has places where a text that ends too early makes it panic instead of giving an error.
        let event = catch_unwind(AssertUnwindSafe(|| parser.parse())).map_err(|_| Error::unexpected_end())?;
        let event = event.map_err(|error| match self.composer.schema {
            Schema::GoV3 => lookahead::earlier_error(self.bytes, self.newline, &error),
            Schema::GoV2 => {
                // A quoted text that does not end, ends on the last line: a newline that was added is none. (At the
                // end of a text between tokens go-yaml begins a new line itself.)
                let lines = self.bytes.iter().filter(|&&b| b == b'\n').count() as u64;
                let quoted = error.problem() == "found unexpected end of stream";
                let last = (quoted && !self.newline.is_empty()).then_some(lines);
                Error::from_scanner(&error, self.composer.schema, last)
            }
        })?;
        Ok(Some(event).filter(|event| event.data != EventData::StreamEnd))
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
    merges: bool,
    /// Set if a newline was added: where the text then ends, and whether its last line is blank.
    unterminated: Option<(u64, bool)>,
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

impl Composer<'_> {
    fn event(&mut self, event: Event) -> Result<(), Error> {
        let line = event.start_mark.line + 1;
        let end = event.end_mark.index;
        match event.data {
            EventData::StreamStart { .. } | EventData::StreamEnd | EventData::DocumentEnd { .. } => Ok(()),
            EventData::DocumentStart { .. } => {
                self.anchors.clear();
                self.merges = false;
                Ok(())
            }
            EventData::Alias { anchor } => self.alias(&anchor, line),
            EventData::Scalar {
                anchor,
                tag,
                mut value,
                plain_implicit,
                style,
                ..
            } => {
                let style = match style {
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    _ if value.is_empty() && self.stack.iter().any(|open| open.flow) => Style::EmptyInFlow,
                    _ => Style::Plain,
                };
                if matches!(style, Style::Literal | Style::Folded) {
                    self.unterminate(&mut value, end);
                }
                let tag = match tag {
                    Some(tag) => resolve::resolve_tagged(&tag, &value, self.schema)?,
                    None if plain_implicit && matches!(style, Style::Plain | Style::EmptyInFlow) => {
                        resolve::resolve(&value, self.schema)
                    }
                    None => Tag::Str,
                };
                self.merges |= tag == Tag::Merge;
                self.nodes += 1;
                self.add(
                    Node::Scalar(Scalar {
                        text: value,
                        tag,
                        style,
                    }),
                    anchor,
                    line,
                )
            }
            EventData::SequenceStart { anchor, style, .. } => {
                self.open(anchor, style == SequenceStyle::Flow, Kind::Seq(Vec::new()))
            }
            EventData::MappingStart { anchor, style, .. } => self.open(
                anchor,
                style == MappingStyle::Flow,
                Kind::Map {
                    map: Map::default(),
                    key: None,
                },
            ),
            EventData::SequenceEnd | EventData::MappingEnd => self.close(line),
        }
    }

    /// Takes the added newline off a block scalar that reaches the end of the text. On a blank last line only `|+`
    /// has kept it.
    fn unterminate(&self, value: &mut String, end: u64) {
        let Some((text_end, blank)) = self.unterminated else {
            return;
        };
        // Blanks beyond the indentation are content, and so is the line they stand on.
        let content = |line: &str| !line.is_empty() && line.chars().all(|c| c == ' ' || c == '\t');
        let Some(without) = value.strip_suffix('\n').filter(|_| end >= text_end) else {
            return;
        };
        let last = without.rsplit('\n').next().unwrap_or_default();
        if !blank || without.ends_with('\n') || without.is_empty() || content(last) {
            value.pop();
        }
    }

    fn open(&mut self, anchor: Option<String>, flow: bool, kind: Kind) -> Result<(), Error> {
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
            Some(None) => return Err(Error::AnchorInItself(anchor.to_string())),
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
        if let Some(anchor) = anchor {
            let size = node.count();
            // A copy is work that aliases will cause; a nest of anchors must not copy itself quadratically.
            self.aliased += size;
            if self.aliased > self.limits.nodes {
                return Err(Error::ExcessiveAliasing);
            }
            self.aliased -= size;
            self.anchors.insert(anchor, Some((node.clone(), size)));
        }
        if let Some(list) = self.items_of.and_then(|key| self.list_below(key)) {
            if self.merges {
                merge::apply(&mut node, self.schema)?;
            }
            self.ready = Some((list.to_owned(), node));
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
                (None, Node::Map(_) | Node::Seq(_)) => return Err(Error::ComplexKey { line }),
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
