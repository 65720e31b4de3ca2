//! How a string is written: bare, quoted or as a block, and where it is folded.

use super::{WIDTH, Writer};
use crate::{Schema, Tag, resolve};
use std::borrow::Cow;

/// The form go-yaml asks for before the emitter looks at the characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

impl Form {
    /// Several lines are a literal block; what would be read back as something else is double-quoted.
    pub(super) fn of(text: &str) -> Form {
        if text.contains('\n') {
            Form::Literal
        } else if matches!(resolve::resolve(text, Schema::GoV2), Tag::Str | Tag::Merge) && !is_base60(text) {
            Form::Plain
        } else {
            Form::DoubleQuoted
        }
    }
}

/// `sigs.k8s.io/yaml` prints what go-yaml reads from JSON, where a bare U+0085 in quotes is a line break, and folded.
pub(super) fn reread(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{85}') {
        return text.into();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        out.push_str(rest[..at].trim_end_matches(' '));
        let after = rest[at..].trim_start_matches(['\u{85}', ' ']);
        let breaks = rest[at..rest.len() - after.len()].matches('\u{85}').count();
        out.push_str(if breaks == 1 { " " } else { "\n" });
        out.extend(std::iter::repeat_n('\n', breaks.saturating_sub(2)));
        rest = after;
    }
    out.push_str(rest);
    out.into()
}

/// True if the key can stand before `:` on one line; longer ones are written after `?`.
pub(super) fn is_simple_key(key: &str) -> bool {
    key.len() <= 128 && !key.chars().any(is_break)
}

impl Writer<'_> {
    pub(super) fn scalar(&mut self, text: &str, form: Form, indent: Option<usize>, simple_key: bool) {
        let allowed = Allowed::of(text);
        let mut form = form;
        if form == Form::Plain && (!allowed.plain || (text.is_empty() && simple_key)) {
            form = Form::SingleQuoted;
        }
        if form == Form::SingleQuoted && !allowed.single_quoted {
            form = Form::DoubleQuoted;
        }
        if form == Form::Literal && (!allowed.block || simple_key) {
            form = Form::DoubleQuoted;
        }
        let indent = indent.map_or(2, |indent| indent + 2);
        match form {
            Form::Plain => {
                if !self.whitespace {
                    self.put(' ');
                }
                self.flow(text, indent, !simple_key, false);
            }
            Form::SingleQuoted => {
                self.indicator("'", true, false);
                self.flow(text, indent, !simple_key, true);
                self.indicator("'", false, false);
            }
            Form::DoubleQuoted => {
                self.indicator("\"", true, false);
                self.double_quoted(text, indent, !simple_key);
                self.indicator("\"", false, false);
            }
            Form::Literal => return self.literal(text, indent),
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// Plain and single-quoted text: broken at a lone space past the width, breaks doubled.
    fn flow(&mut self, text: &str, indent: usize, allow_breaks: bool, quoted: bool) {
        let (mut spaces, mut breaks) = (false, false);
        for (at, c) in text.char_indices() {
            let next = text[at + c.len_utf8()..].chars().next();
            if c == ' ' {
                let inner = !quoted || (at > 0 && next.is_some());
                if allow_breaks && !spaces && self.column > WIDTH && inner && next != Some(' ') {
                    self.indent(indent);
                } else {
                    self.put(c);
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.line_break();
                }
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                if quoted && c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                (spaces, breaks) = (false, false);
            }
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        let mut spaces = false;
        // go-yaml looks for the byte order mark at the start of the text only, and then escapes everything.
        let marked = text.starts_with('\u{feff}');
        for (at, c) in text.char_indices() {
            let next = text[at + c.len_utf8()..].chars().next();
            if marked || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                self.escape(c);
                spaces = false;
            } else if c == ' ' {
                if allow_breaks && !spaces && self.column > WIDTH && at > 0 && next.is_some() {
                    self.indent(indent);
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '\x1b' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = u32::from(c);
                let hex = match code {
                    0..=0xff => format!("\\x{code:02X}"),
                    0x100..=0xffff => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                hex.chars().for_each(|c| self.put(c));
                return;
            }
        };
        self.put('\\');
        self.put(short);
    }

    /// `|` with the indent hint if the first line could mislead, and how many newlines end it.
    fn literal(&mut self, text: &str, indent: usize) {
        self.indicator("|", true, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", false, false);
        }
        let mut end = text.chars().rev();
        let (last, before) = (end.next().is_some_and(is_break), end.next().is_none_or(is_break));
        match (last, before) {
            (false, _) => self.indicator("-", false, false),
            (true, true) => self.indicator("+", false, false),
            (true, false) => {}
        }
        self.line_break();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }

    fn write_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }
}

/// Which forms keep the text what it is.
struct Allowed {
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Allowed {
    fn of(text: &str) -> Allowed {
        let mut plain = !(text.starts_with("---") || text.starts_with("..."));
        let (mut breaks, mut special) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let mut before: Option<char> = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let space_follows = chars.peek().is_none_or(|&c| c == ' ' || c == '\t');
            plain &= match (before, c) {
                (
                    None,
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
                    | '`',
                ) => false,
                (None, '?' | '-') | (_, ':') => !space_follows,
                (Some(before), '#') => !is_blank_or_break(before),
                _ => true,
            };
            special |= !is_printable(c);
            if c == ' ' {
                break_space |= before.is_some_and(is_break);
            } else if is_break(c) {
                breaks = true;
                space_break |= before == Some(' ');
            }
            before = Some(c);
        }
        let edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
        let (starts, ends) = (edge(text.chars().next()), edge(before));
        Allowed {
            plain: plain && !starts && !ends && !breaks && !special && !text.is_empty(),
            single_quoted: !break_space && !space_break && !special,
            block: before != Some(' ') && !space_break && !special && !text.is_empty(),
        }
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank_or_break(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\0') || is_break(c)
}

/// What go-yaml's emitter writes as it is; beyond the basic plane everything is escaped.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// YAML 1.1's sexagesimal numbers (`1:30`), quoted for the sake of other readers.
fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let Some(first) = parts.next() else {
        return false;
    };
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if !first.starts_with(|c: char| c.is_ascii_digit()) || !number(first) {
        return false;
    }
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else {
        return false;
    };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let sixty = |s: &str| match s.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
        _ => false,
    };
    number(fraction) && sixty(last) && rest.into_iter().all(sixty)
}
