//! The expressions of `--set` and its kin: paths, lists, escapes, typed values.

use crate::Error;
use crate::template::quote::{quote, quote_char};
use serde_json::{Map, Value as Json};

/// The largest list index.
const MAX_INDEX: i64 = 65_536;
/// The deepest path of names.
const MAX_NESTING: usize = 30;

/// How values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--set`: numbers, booleans and null are recognised.
    Typed,
    /// `--set-string`: every value is text.
    Text,
    /// `--set-json`: values are JSON.
    Json,
    /// `--set-literal`: one path, and everything after `=` is its text.
    Literal,
}

/// Sets what `expression` says in `values`: `a.b[0].c=1,d={x,y}`.
///
/// # Errors
/// A malformed expression, an index or a nesting above Helm's limits.
pub fn set(values: &mut Map<String, Json>, expression: &str, kind: Kind) -> Result<(), Error> {
    let mut parser = Parser {
        chars: expression.chars().collect(),
        at: 0,
        kind,
    };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Error(text)) => return Err(Error::Set(text)),
        }
    }
}

/// Why a step did not go on.
enum Stop {
    /// The expression ends here.
    End,
    Error(String),
}

impl From<String> for Stop {
    fn from(text: String) -> Stop {
        Stop::Error(text)
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    kind: Kind,
}

/// Text up to a stop; which stop it was, none at the end.
type Piece = (String, Option<char>);

impl Parser {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied()?;
        self.at += 1;
        Some(c)
    }

    fn until(&mut self, stops: &[char]) -> Piece {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return (text, None),
                Some(c) if stops.contains(&c) => return (text, Some(c)),
                Some('\\') if self.kind != Kind::Literal => match self.next() {
                    None => return (text, None),
                    Some(c) => text.push(c),
                },
                Some(c) => text.push(c),
            }
        }
    }

    fn key(&mut self, data: &mut Map<String, Json>, nesting: usize) -> Result<(), Stop> {
        let stops: &[char] = if self.kind == Kind::Literal {
            &['=', '[', '.']
        } else {
            &['=', '[', ',', '.']
        };
        let (key, stop) = self.until(stops);
        let shown = quote(key.as_bytes());
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => Err(format!("key {shown} has no value").into()),
            Some('[') => {
                let index = self.index()?;
                let list = match data.get(&key) {
                    None => Vec::new(),
                    Some(Json::Array(list)) => list.clone(),
                    Some(other) => return Err(conversion(other, "[]interface {}")),
                };
                let (list, result) = self.item(list, index, nesting);
                put(data, key, Json::Array(list));
                result
            }
            Some('=') => {
                let (value, result) = self.value()?;
                put(data, key, value);
                result
            }
            Some(',') => {
                put(data, key, Json::from(""));
                Err(format!("key {shown} has no value (cannot end with ,)").into())
            }
            Some(_) => {
                if nesting + 1 > MAX_NESTING {
                    return Err(too_deep());
                }
                let mut inner = match data.get(&key) {
                    None => Map::new(),
                    Some(Json::Object(map)) => map.clone(),
                    Some(other) => return Err(conversion(other, "map[string]interface {}")),
                };
                let result = self.key(&mut inner, nesting + 1);
                if result.is_ok() && inner.is_empty() {
                    return Err(format!("key map {shown} has no value").into());
                }
                if !inner.is_empty() {
                    put(data, key, Json::Object(inner));
                }
                result
            }
        }
    }

    /// The value after `=`, and whether the expression ends with it.
    fn value(&mut self) -> Result<(Json, Result<(), Stop>), Stop> {
        if self.kind == Kind::Literal {
            let text: String = self.chars[self.at..].iter().collect();
            self.at = self.chars.len();
            return Ok((Json::from(text), Ok(())));
        }
        if self.kind == Kind::Json {
            if self.nothing_follows() {
                return Ok((Json::Null, Ok(())));
            }
            let value = self.json()?;
            self.nothing_follows();
            return Ok((value, Ok(())));
        }
        match self.chars.get(self.at) {
            None => Ok((Json::from(""), Err(Stop::End))),
            Some('{') => {
                self.at += 1;
                Ok((Json::Array(self.list()?), Ok(())))
            }
            Some(_) => {
                let (text, _) = self.until(&[',']);
                Ok((self.typed(text), Ok(())))
            }
        }
    }

    fn list(&mut self) -> Result<Vec<Json>, Stop> {
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            match stop {
                None => return Err("list must terminate with '}'".to_string().into()),
                Some('}') => {
                    if self.chars.get(self.at) == Some(&',') {
                        self.at += 1;
                    }
                    list.push(self.typed(text));
                    return Ok(list);
                }
                Some(_) => list.push(self.typed(text)),
            }
        }
    }

    /// Skips white space; true if the value ends before anything else comes.
    fn nothing_follows(&mut self) -> bool {
        loop {
            match self.next() {
                None | Some(',') => return true,
                Some(c) if c.is_whitespace() => {}
                Some(_) => {
                    self.at -= 1;
                    return false;
                }
            }
        }
    }

    fn json(&mut self) -> Result<Json, Stop> {
        let text: String = self.chars[self.at..].iter().collect();
        let mut stream = serde_json::Deserializer::from_str(&text).into_iter::<Json>();
        match stream.next() {
            Some(Ok(mut value)) => {
                self.at += text[..stream.byte_offset()].chars().count();
                super::floats(&mut value);
                Ok(value)
            }
            // Go's words, from its own reader of JSON.
            Some(Err(_)) => Err(match crate::funcs::json::read(text.as_bytes()) {
                Err(error) if error == "unexpected end of JSON input" => "unexpected EOF".to_string(),
                Err(error) => error,
                Ok(_) => "invalid JSON".to_string(),
            }
            .into()),
            None => Err(Stop::End),
        }
    }

    fn index(&mut self) -> Result<i64, Stop> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            // Helm takes the end of the text for the end of the expression.
            return Err(Stop::End);
        }
        let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
        let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let shown = quote(text.as_bytes());
        match text.parse() {
            Ok(index) => Ok(index),
            Err(_) if valid => {
                Err(format!("error parsing index: strconv.Atoi: parsing {shown}: value out of range").into())
            }
            Err(_) => {
                Err(format!("error parsing index: strconv.Atoi: parsing {shown}: invalid syntax").into())
            }
        }
    }

    fn item(&mut self, mut list: Vec<Json>, index: i64, nesting: usize) -> (Vec<Json>, Result<(), Stop>) {
        if index < 0 {
            return (list, Err(format!("negative {index} index not allowed").into()));
        }
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            let shown: Vec<String> = text
                .chars()
                .map(|c| quote_char(i64::from(u32::from(c)), false))
                .collect();
            let shown = shown.join(" ");
            return (
                list,
                Err(format!("unexpected data at end of array index: [{shown}]").into()),
            );
        }
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let (value, result) = match stop {
            None => return (list, Err(Stop::End)),
            Some('=') => match self.value() {
                Ok((value, _)) => (value, Ok(())),
                Err(stop) => return (list, Err(stop)),
            },
            Some('[') => {
                let next = match self.index() {
                    Ok(next) => next,
                    Err(stop) => return (list, Err(stop)),
                };
                let inner = match list.get(at) {
                    None | Some(Json::Null) => Vec::new(),
                    Some(Json::Array(inner)) => inner.clone(),
                    Some(other) => return (list.clone(), Err(conversion(other, "[]interface {}"))),
                };
                if nesting + 1 > MAX_NESTING {
                    return (list, Err(too_deep()));
                }
                match self.item(inner, next, nesting + 1) {
                    (inner, Ok(())) => (Json::Array(inner), Ok(())),
                    (_, Err(stop)) => return (list, Err(stop)),
                }
            }
            Some(_) => {
                let mut inner = match list.get(at) {
                    Some(Json::Object(map)) => map.clone(),
                    _ => Map::new(),
                };
                if nesting + 1 > MAX_NESTING {
                    return (list, Err(too_deep()));
                }
                let result = self.key(&mut inner, nesting + 1);
                if let Err(stop) = result {
                    // What was there already has been changed even so.
                    if let Some(old) = list.get_mut(at) {
                        *old = Json::Object(inner);
                    }
                    return (list, Err(stop));
                }
                (Json::Object(inner), Ok(()))
            }
        };
        if index > MAX_INDEX {
            let text = format!("index of {index} is greater than maximum supported index of {MAX_INDEX}");
            return (list, Err(text.into()));
        }
        if list.len() <= at {
            list.resize(at + 1, Json::Null);
        }
        list[at] = value;
        (list, result)
    }

    fn typed(&self, text: String) -> Json {
        if self.kind == Kind::Text {
            return Json::from(text);
        }
        if text.eq_ignore_ascii_case("true") {
            return Json::Bool(true);
        }
        if text.eq_ignore_ascii_case("false") {
            return Json::Bool(false);
        }
        if text.eq_ignore_ascii_case("null") {
            return Json::Null;
        }
        if text == "0" {
            return Json::from(0);
        }
        let number = text
            .strip_prefix('+')
            .filter(|rest| !rest.starts_with('-'))
            .unwrap_or(&text);
        if !text.starts_with('0')
            && let Ok(int) = number.parse::<i64>()
        {
            return Json::from(int);
        }
        Json::from(text)
    }
}

fn put(data: &mut Map<String, Json>, key: String, value: Json) {
    if !key.is_empty() {
        data.insert(key, value);
    }
}

fn too_deep() -> Stop {
    Stop::Error(format!(
        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
    ))
}

/// Go's words when a value is not of the type that a path needs.
fn conversion(value: &Json, wanted: &str) -> Stop {
    let found = match value {
        Json::Null => "nil",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float64",
        Json::Number(_) => "int64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    };
    Stop::Error(format!(
        "unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}"
    ))
}
