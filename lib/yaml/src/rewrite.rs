//! Writing a changed document in the manner of the text it was read from, as go-yaml v3 does.

use crate::parse::{EventKind, Parser, Properties};
use crate::scan::ScalarStyle;
use crate::{Error, Map, Node, Scalar, Schema, Style, Tag, resolve};
use libyaml_safer::{Emitter, Event, MappingStyle, ScalarStyle as Written, SequenceStyle};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Columns of an indentation.
const INDENT: i32 = 2;

/// Writes `node`, which is what the first document of `text` became by changes in it, with the quotes and brackets
/// of `text`. Nothing if `text` has what would be lost: comments, anchors, tags, merge keys.
///
/// # Errors
/// Text that is no YAML, a node that cannot be written.
pub fn rewrite(text: &str, node: &Node) -> Result<Option<String>, Error> {
    let Some(form) = read(text)? else {
        return Ok(None);
    };
    let mut events = vec![
        Event::stream_start(libyaml_safer::Encoding::Utf8),
        Event::document_start(None, &[], true),
    ];
    put(node, Some(&form), &mut events);
    events.push(Event::document_end(true));
    events.push(Event::stream_end());
    let mut out = Vec::new();
    let written = catch_unwind(AssertUnwindSafe(|| {
        let mut emitter = Emitter::new();
        emitter.set_output_string(&mut out);
        emitter.set_indent(INDENT);
        emitter.set_width(-1);
        emitter.set_unicode(true);
        events.into_iter().try_for_each(|event| emitter.emit(event))?;
        emitter.flush()
    }));
    match written {
        Ok(Ok(())) => Ok(Some(String::from_utf8_lossy(&out).into_owned())),
        Ok(Err(error)) => Err(unwritten(error.problem())),
        Err(_) => Err(unwritten("the emitter broke off")),
    }
}

/// How a node was written.
enum Form {
    Scalar(ScalarStyle),
    Map {
        flow: bool,
        pairs: Vec<(String, ScalarStyle, Form)>,
    },
    Seq {
        flow: bool,
        items: Vec<Form>,
    },
}

fn unwritten(problem: &str) -> Error {
    Error::Syntax {
        line: None,
        problem: problem.to_owned(),
    }
}

/// The forms of the first document.
fn read(text: &str) -> Result<Option<Form>, Error> {
    let mut reader = Reader {
        parser: Parser::new(text.as_bytes(), Schema::GoV3),
        scalars: Vec::new(),
    };
    let form = loop {
        match reader.next()? {
            EventKind::StreamStart | EventKind::DocumentStart => {}
            EventKind::StreamEnd => return Ok(None),
            kind => match reader.form(kind)? {
                Some(form) => break form,
                None => return Ok(None),
            },
        }
    };
    let inside = |at: usize| reader.scalars.iter().any(|&(start, end)| start <= at && at < end);
    let mut marks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'#');
    let comment = marks.any(|(at, _)| !inside(at));
    Ok(Some(form).filter(|_| !comment))
}

struct Reader<'t> {
    parser: Parser<'t>,
    /// Where scalars stand, in bytes; a `#` elsewhere begins a comment.
    scalars: Vec<(usize, usize)>,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<EventKind, Error> {
        let event = self.parser.next().map_err(|fault| fault.told(Schema::GoV3))?;
        if matches!(event.kind, EventKind::Scalar { .. }) {
            self.scalars.push((event.start.at, event.end.at));
        }
        Ok(event.kind)
    }

    /// The node that begins with an event. Its depth is that of a document that has been composed already.
    fn form(&mut self, kind: EventKind) -> Result<Option<Form>, Error> {
        match kind {
            EventKind::Scalar { of, style, .. } if of == Properties::default() => {
                Ok(Some(Form::Scalar(style)))
            }
            EventKind::SeqStart { of, flow } if of == Properties::default() => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        EventKind::SeqEnd => break,
                        kind => match self.form(kind)? {
                            Some(item) => items.push(item),
                            None => return Ok(None),
                        },
                    }
                }
                Ok(Some(Form::Seq { flow, items }))
            }
            EventKind::MapStart { of, flow } if of == Properties::default() => {
                let mut pairs = Vec::new();
                loop {
                    let (key, style) = match self.next()? {
                        EventKind::MapEnd => break,
                        EventKind::Scalar { of, text, style }
                            if of == Properties::default() && text != "<<" =>
                        {
                            (text, style)
                        }
                        _ => return Ok(None),
                    };
                    let kind = self.next()?;
                    match self.form(kind)? {
                        Some(value) => pairs.push((key, style, value)),
                        None => return Ok(None),
                    }
                }
                Ok(Some(Form::Map { flow, pairs }))
            }
            _ => Ok(None),
        }
    }
}

fn put(node: &Node, form: Option<&Form>, events: &mut Vec<Event>) {
    match node {
        Node::Scalar(scalar) => {
            let style = match form {
                Some(Form::Scalar(style)) => Some(*style),
                _ => None,
            };
            put_scalar(scalar, style, events);
        }
        Node::Seq(nodes) => {
            let (flow, items) = match form {
                Some(Form::Seq { flow, items }) => (*flow, items.as_slice()),
                _ => (false, &[][..]),
            };
            let style = if flow {
                SequenceStyle::Flow
            } else {
                SequenceStyle::Block
            };
            events.push(Event::sequence_start(None, None, true, style));
            for (at, node) in nodes.iter().enumerate() {
                put(node, items.get(at), events);
            }
            events.push(Event::sequence_end());
        }
        Node::Map(map) => put_map(map, form, events),
    }
}

fn put_map(map: &Map, form: Option<&Form>, events: &mut Vec<Event>) {
    let (flow, pairs) = match form {
        Some(Form::Map { flow, pairs }) => (*flow, pairs.as_slice()),
        _ => (false, &[][..]),
    };
    let style = if flow {
        MappingStyle::Flow
    } else {
        MappingStyle::Block
    };
    events.push(Event::mapping_start(None, None, true, style));
    for (at, (key, value)) in map.pairs.iter().enumerate() {
        let known = pairs.get(at).filter(|(name, _, _)| *name == key.text);
        put_scalar(key, known.map(|(_, style, _)| *style), events);
        put(value, known.map(|(_, _, form)| form), events);
    }
    events.push(Event::mapping_end());
}

fn put_scalar(scalar: &Scalar, style: Option<ScalarStyle>, events: &mut Vec<Event>) {
    let style = style.unwrap_or(match scalar.style {
        Style::Plain | Style::EmptyInFlow => ScalarStyle::Plain,
        Style::Quoted => ScalarStyle::Double,
        Style::Literal => ScalarStyle::Literal,
        Style::Folded => ScalarStyle::Folded,
    });
    let plain = style == ScalarStyle::Plain;
    let meant = resolve(&scalar.text, Schema::GoV3);
    let tag = match scalar.tag {
        tag if tag == meant => None,
        Tag::Str => None,
        Tag::Int => Some("tag:yaml.org,2002:int"),
        Tag::Float => Some("tag:yaml.org,2002:float"),
        Tag::Bool => Some("tag:yaml.org,2002:bool"),
        Tag::Null => Some("tag:yaml.org,2002:null"),
        Tag::Timestamp => Some("tag:yaml.org,2002:timestamp"),
        Tag::Binary => Some("tag:yaml.org,2002:binary"),
        Tag::Merge => None,
    };
    let style = match style {
        _ if plain && scalar.text.contains('\n') => ScalarStyle::Literal,
        _ if plain && scalar.tag == Tag::Str && meant != Tag::Str => ScalarStyle::Double,
        style => style,
    };
    let style = match style {
        ScalarStyle::Plain => Written::Plain,
        ScalarStyle::Single => Written::SingleQuoted,
        ScalarStyle::Double => Written::DoubleQuoted,
        ScalarStyle::Literal => Written::Literal,
        ScalarStyle::Folded => Written::Folded,
    };
    let implicit = tag.is_none();
    events.push(Event::scalar(None, tag, &scalar.text, implicit, implicit, style));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse_nodes};

    fn check(text: &str, expected: Option<&str>) {
        let nodes = parse_nodes(text.as_bytes(), Schema::GoV3, &Limits::default()).unwrap();
        assert_eq!(rewrite(text, &nodes[0]).unwrap().as_deref(), expected, "{text:?}");
    }

    #[test]
    fn quotes_and_brackets_stay() {
        let text = "a: 'x'\nb: \"y # no comment\"\nc: {d: [1, \"2\"]}\ne:\n- f\n- |\n  g # too\n  h\n";
        check(text, Some(text));
        check("a:\n    - b\n", Some("a:\n- b\n"));
        check("ä: 'ö # ü'\nb: 1\n", Some("ä: 'ö # ü'\nb: 1\n"));
    }

    #[test]
    fn a_changed_text_keeps_its_tag() {
        let mut node = parse_nodes(b"a: 80\nb: [1]\n", Schema::GoV3, &Limits::default()).unwrap();
        for (text, expected) in [
            ("x", "a: !!int x\nb: [1]\n"),
            ("7", "a: 7\nb: [1]\n"),
            ("", "a: !!int\nb: [1]\n"),
        ] {
            if let Some(Node::Scalar(scalar)) = node[0].get_mut("a") {
                scalar.text = text.to_string();
            }
            let written = rewrite("a: 80\nb: [1]\n", &node[0]).unwrap();
            assert_eq!(written.as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_would_be_lost_is_left_alone() {
        check("a: 1 # why\n", None);
        check("# why\na: 1\n", None);
        check("ä: ö # ü\n", None);
        check("a: &x 1\nb: *x\n", None);
        check("a: !!str 1\n", None);
    }
}
