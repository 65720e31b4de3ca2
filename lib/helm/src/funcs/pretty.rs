//! go-yaml v3's output, as `toYamlPretty` gives it: two spaces a level, lists indented below their keys.

use crate::template::float;
use crate::template::value::{Text, Value};
use yaml::{Schema, Tag};

/// Values nested deeper are not written.
const MAX_DEPTH: usize = 1_000;

/// The YAML of a value, without its last newline.
pub(crate) fn write(value: &Value) -> Result<String, String> {
    let mut writer = Writer { out: String::new() };
    writer.value(value, 0, Place::Root)?;
    if writer.out.ends_with('\n') {
        writer.out.pop();
    }
    Ok(writer.out)
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// After `key:`.
    Key,
    /// After `- `.
    Item,
}

struct Writer {
    out: String,
}

impl Writer {
    fn value(&mut self, value: &Value, indent: usize, place: Place) -> Result<(), String> {
        if indent > MAX_DEPTH * 2 {
            return Err("value is nested too deeply".to_string());
        }
        match value {
            Value::Map(map) if map.len() > 0 => {
                let pairs = map.pairs();
                let pairs = pairs.iter().map(|(key, value)| (key.text().into_owned(), value));
                self.map(pairs.collect(), indent, place)
            }
            Value::Map(_) => self.scalar("{}", place),
            Value::List(list) if !list.items.is_empty() => self.list(&list.items, indent, place),
            Value::List(_) => self.scalar("[]", place),
            Value::Bytes(bytes) if bytes.is_empty() => self.scalar("[]", place),
            Value::Bytes(bytes) => {
                let items: Vec<Value> = bytes.iter().map(|&byte| Value::Byte(byte)).collect();
                self.list(&items, indent, place)
            }
            Value::Object(object) => {
                let fields = object.fields.iter().filter(|field| !field.json.is_empty());
                let pairs: Vec<(String, &Value)> = fields
                    .map(|field| (field.name.to_lowercase(), &field.value))
                    .collect();
                self.fields(&pairs, indent, place)
            }
            Value::Str(text) => self.text(text, indent, place),
            Value::Nil | Value::NilInterface => self.scalar("null", place),
            Value::Bool(truth) => self.scalar(if *truth { "true" } else { "false" }, place),
            Value::Float(float) => {
                let text = match float {
                    float if float.is_nan() => ".nan".to_string(),
                    float if float.is_infinite() => if *float > 0.0 { ".inf" } else { "-.inf" }.to_string(),
                    float => float::shortest(*float),
                };
                self.scalar(&text, place)
            }
            Value::Time(time) => {
                let text = super::layout::format(time, "2006-01-02T15:04:05.999999999Z07:00");
                self.scalar(&text, place)
            }
            Value::Complex(..) => Err("cannot marshal type: complex128".to_string()),
            other => self.scalar(&crate::template::print::to_string(other), place),
        }
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn map(&mut self, pairs: Vec<(String, &Value)>, indent: usize, place: Place) -> Result<(), String> {
        let sorted = yaml::sort_keys(pairs.iter().map(|(key, value)| (key.as_str(), *value)).collect());
        let pairs: Vec<(String, &Value)> = sorted
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
            .collect();
        self.fields(&pairs, indent, place)
    }

    fn fields(&mut self, pairs: &[(String, &Value)], indent: usize, place: Place) -> Result<(), String> {
        if place == Place::Key {
            self.out.push('\n');
        }
        for (i, (key, value)) in pairs.iter().enumerate() {
            if i > 0 || place != Place::Item {
                self.pad(indent);
            }
            self.key(key, indent);
            self.value(value, indent + 2, Place::Key)?;
        }
        Ok(())
    }

    fn key(&mut self, key: &str, indent: usize) {
        if key.len() > 128 || key.contains('\n') {
            self.out.push_str("? ");
            let start = self.out.len();
            if self.text(&Text::from(key), indent + 2, Place::Item).is_err() {
                self.out.truncate(start);
            }
            self.pad(indent);
            self.out.push(':');
            return;
        }
        let text = flow(key, true);
        self.out.push_str(&text);
        self.out.push(':');
    }

    fn list(&mut self, items: &[Value], indent: usize, place: Place) -> Result<(), String> {
        if place == Place::Key {
            self.out.push('\n');
        }
        for (i, item) in items.iter().enumerate() {
            if i > 0 || place != Place::Item {
                self.pad(indent);
            }
            self.out.push_str("- ");
            self.value(item, indent + 2, Place::Item)?;
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, place: Place) -> Result<(), String> {
        if place == Place::Key {
            self.out.push(' ');
        }
        self.out.push_str(text);
        self.out.push('\n');
        Ok(())
    }

    fn text(&mut self, text: &Text, indent: usize, place: Place) -> Result<(), String> {
        let Ok(plain) = std::str::from_utf8(text.bytes()) else {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(text.bytes());
            return self.scalar(&format!("!!binary {encoded}"), place);
        };
        if !plain.contains('\n') || !Allowed::of(plain).block {
            return self.scalar(&flow(plain, false), place);
        }
        let hint = if plain.starts_with([' ', '\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            "2"
        } else {
            ""
        };
        let chomp = match plain.strip_suffix('\n') {
            None => "-",
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => "+",
            Some(_) => "",
        };
        if place == Place::Key {
            self.out.push(' ');
        }
        self.out.push_str(&format!("|{hint}{chomp}\n"));
        let indent = if place == Place::Root { 2 } else { indent };
        let body = plain.strip_suffix('\n').unwrap_or(plain);
        for line in body.split('\n') {
            if !line.is_empty() {
                self.pad(indent);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
        Ok(())
    }
}

/// A text on one line: bare if it may be, else in quotes.
fn flow(text: &str, key: bool) -> String {
    let allowed = Allowed::of(text);
    let old_bool = matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
    );
    let resolves = !matches!(yaml::resolve(text, Schema::GoV3), Tag::Str) || is_base60(text);
    if old_bool || resolves || text.contains('\n') && key {
        return double(text);
    }
    if allowed.plain && !text.is_empty() {
        return text.to_string();
    }
    if allowed.single {
        return format!("'{}'", text.replace('\'', "''"));
    }
    double(text)
}

/// `1:30` and the like, numbers of old.
fn is_base60(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !rest.starts_with(|c: char| c.is_ascii_digit()) || !rest.contains(':') {
        return false;
    }
    let (head, tail) = match rest.split_once('.') {
        Some((head, tail)) => (head, tail),
        None => (rest, ""),
    };
    let mut parts = head.split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let minute = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    digits(first) && parts.all(minute) && digits(tail)
}

fn double(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\x1b' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{a0}' => out.push_str("\\_"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            c if is_printable(c) => out.push(c),
            c if (c as u32) <= 0xff => out.push_str(&format!("\\x{:02X}", c as u32)),
            c if (c as u32) <= 0xffff => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push_str(&format!("\\U{:08X}", c as u32)),
        }
    }
    out.push('"');
    out
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
        || (c as u32) >= 0x10000
}

/// Which forms libyaml's emitter allows a text.
struct Allowed {
    plain: bool,
    single: bool,
    block: bool,
}

impl Allowed {
    fn of(text: &str) -> Allowed {
        let is_break = |c: char| matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let chars: Vec<char> = text.chars().collect();
        let mut indicator = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut tab, mut breaks) = (false, false, false);
        let (mut break_space, mut space_break) = (false, false);
        let mut before: Option<char> = None;
        for (i, &c) in chars.iter().enumerate() {
            let next = chars.get(i + 1).copied();
            let blank_next = next.is_none_or(|c| matches!(c, ' ' | '\t') || is_break(c));
            let blank_before = before.is_none_or(|c| matches!(c, ' ' | '\t') || is_break(c));
            if i == 0 {
                indicator |= matches!(
                    c,
                    '#' | ','
                        | '['
                        | ']'
                        | '{'
                        | '}'
                        | '&'
                        | '*'
                        | '!'
                        | '|'
                        | '>'
                        | '\''
                        | '"'
                        | '%'
                        | '@'
                        | '`'
                );
                indicator |= matches!(c, '?' | ':' | '-') && blank_next;
            } else {
                indicator |= c == ':' && blank_next || c == '#' && blank_before;
            }
            tab |= c == '\t';
            special |= !is_printable(c) && c != '\t' && !is_break(c);
            breaks |= is_break(c);
            break_space |= c == ' ' && before.is_some_and(is_break);
            space_break |= is_break(c) && before == Some(' ');
            before = Some(c);
        }
        let edge = |c: Option<&char>| c.is_some_and(|&c| c == ' ' || is_break(c));
        let trailing_space = chars.last() == Some(&' ');
        let at_edges = edge(chars.first()) || edge(chars.last());
        let odd = space_break || tab || special;
        Allowed {
            plain: !indicator && !breaks && !at_edges && !break_space && !odd,
            single: !break_space && !odd && !breaks,
            block: !trailing_space && !space_break && !special,
        }
    }
}
