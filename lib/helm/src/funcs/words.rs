//! Sprig's functions on the words of a text: cases, initials, wrapping.

use super::strings::is_space;
use super::{Answer, Call, Function, Ty, fixed, raw, string};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("upper", &[Ty::Str], |c| string(map_chars(&c.text(0), upper))),
    fixed("lower", &[Ty::Str], |c| string(map_chars(&c.text(0), lower))),
    fixed("title", &[Ty::Str], |c| string(title(&c.text(0)))),
    fixed("untitle", &[Ty::Str], |c| string(untitle(&c.text(0)))),
    fixed("swapcase", &[Ty::Str], |c| string(swap_case(&c.text(0)))),
    fixed("nospace", &[Ty::Str], |c| raw(no_space(c.bytes(0)))),
    fixed("initials", &[Ty::Str], |c| string(initials(c.bytes(0)))),
    fixed("snakecase", &[Ty::Str], |c| string(joined_words(&c.text(0), '_'))),
    fixed("kebabcase", &[Ty::Str], |c| string(joined_words(&c.text(0), '-'))),
    fixed("camelcase", &[Ty::Str], |c| string(pascal_case(&c.text(0)))),
    fixed("shuffle", &[Ty::Str], shuffle),
    fixed("wrap", &[Ty::Int, Ty::Str], |c| {
        let (width, text) = (c.int(0), c.bytes(1).to_vec());
        c.step(text.len())?;
        raw(wrap(&text, width, b"\n", false))
    }),
    fixed("wrapWith", &[Ty::Int, Ty::Str, Ty::Str], |c| {
        let (width, newline, text) = (c.int(0), c.bytes(1).to_vec(), c.bytes(2).to_vec());
        let newline = if newline.is_empty() {
            b"\n".to_vec()
        } else {
            newline
        };
        c.step(text.len())?;
        c.run.spend(
            newline
                .len()
                .saturating_mul(text.len() / width.max(1) as usize + 1),
        )?;
        raw(wrap(&text, width, &newline, true))
    }),
];

fn map_chars(text: &str, map: fn(char) -> char) -> String {
    text.chars().map(map).collect()
}

/// Go's `unicode.ToUpper`: one character for one.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// Go's `unicode.ToLower`.
fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ if c == '\u{130}' => 'i',
        _ => c,
    }
}

/// Go's `strings.Title`: a letter is at a beginning after anything but letters, digits, `_` and symbols.
fn title(text: &str) -> String {
    let mut before = ' ';
    text.chars()
        .map(|c| {
            let begins = is_separator(before);
            before = c;
            if begins { upper(c) } else { c }
        })
        .collect()
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !(c.is_alphabetic() || c.is_numeric()) && is_space(c)
}

fn untitle(text: &str) -> String {
    let mut next = true;
    text.chars()
        .map(|c| {
            if is_space(c) {
                next = true;
                c
            } else if next {
                next = false;
                lower(c)
            } else {
                c
            }
        })
        .collect()
}

fn swap_case(text: &str) -> String {
    let mut gap = true;
    text.chars()
        .map(|c| {
            if c.is_uppercase() {
                gap = false;
                lower(c)
            } else if c.is_lowercase() {
                gap = false;
                upper(c)
            } else {
                gap = is_space(c);
                c
            }
        })
        .collect()
}

/// Sprig looks at bytes as if they were characters: what is not ASCII comes out doubly encoded if anything was removed.
fn no_space(text: &[u8]) -> Vec<u8> {
    let is_space_byte = |b: u8| is_space(char::from(b));
    if !text.iter().any(|&b| is_space_byte(b)) {
        return text.to_vec();
    }
    let kept: String = text
        .iter()
        .filter(|&&b| !is_space_byte(b))
        .map(|&b| char::from(b))
        .collect();
    kept.into_bytes()
}

fn initials(text: &[u8]) -> String {
    let mut gap = true;
    let mut out = String::new();
    for c in text.iter().map(|&b| char::from(b)) {
        if is_space(c) {
            gap = true;
        } else if gap {
            out.push(c);
            gap = false;
        }
    }
    out
}

fn shuffle(call: &mut Call<'_, '_>) -> Answer {
    let mut chars: Vec<char> = call.text(0).chars().collect();
    call.step(chars.len())?;
    for i in (1..chars.len()).rev() {
        let mut bytes = [0; 8];
        call.run.environment.random(&mut bytes);
        chars.swap(i, (u64::from_le_bytes(bytes) % (i as u64 + 1)) as usize);
    }
    string(chars.into_iter().collect::<String>())
}

fn wrap(text: &[u8], width: i64, newline: &[u8], long_words: bool) -> Vec<u8> {
    let width = usize::try_from(width).unwrap_or(0).max(1);
    let mut out = Vec::new();
    let mut offset = 0;
    while text.len() - offset > width {
        if text[offset] == b' ' {
            offset += 1;
            continue;
        }
        let space = text[offset..offset + width + 1].iter().rposition(|&b| b == b' ');
        if let Some(at) = space {
            out.extend_from_slice(&text[offset..offset + at]);
            out.extend_from_slice(newline);
            offset += at + 1;
        } else if long_words {
            out.extend_from_slice(&text[offset..offset + width]);
            out.extend_from_slice(newline);
            offset += width;
        } else if let Some(at) = text[offset + width..].iter().position(|&b| b == b' ') {
            out.extend_from_slice(&text[offset..offset + width + at]);
            out.extend_from_slice(newline);
            offset += width + at + 1;
        } else {
            out.extend_from_slice(&text[offset..]);
            offset = text.len();
        }
    }
    out.extend_from_slice(&text[offset..]);
    out
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

/// xstrings' `ToPascalCase`.
fn pascal_case(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    let mut shout = false;
    let mut current = None;
    for c in chars.by_ref() {
        if is_connector(c) {
            out.push(c);
        } else {
            shout = c.is_uppercase();
            current = Some(upper(c));
            break;
        }
    }
    let Some(mut current) = current else {
        return out;
    };
    for c in chars {
        let before = current;
        current = c;
        if is_connector(current) && is_connector(before) {
            out.push(before);
            continue;
        }
        if is_connector(before) {
            shout = current.is_uppercase();
            current = upper(current);
        } else {
            if shout {
                if current.is_uppercase() {
                    current = lower(current);
                } else {
                    shout = false;
                }
            }
            out.push(before);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punct,
    Other,
}

/// xstrings' `ToSnakeCase` and `ToKebabCase`: words of one kind, joined by `connector`.
fn joined_words(text: &str, connector: char) -> String {
    let mut out = String::new();
    let mut rest = text;
    let (mut kind, mut word) = next_word(&mut rest);
    let plain = |kind: Word| kind != Word::None && kind != Word::Connector && kind != Word::Punct;
    while !rest.is_empty() {
        if kind != Word::Connector {
            lower_word(&mut out, kind, word, connector);
        }
        let (before, last) = (kind, word);
        (kind, word) = next_word(&mut rest);
        match before {
            Word::Number => {
                while kind == Word::Alphabet || kind == Word::Number {
                    lower_word(&mut out, kind, word, connector);
                    (kind, word) = next_word(&mut rest);
                }
                if plain(kind) {
                    out.push(connector);
                }
            }
            Word::Connector => lower_word(&mut out, before, last, connector),
            Word::Punct => {}
            _ if kind != Word::Number => {
                if kind != Word::Connector && kind != Word::Punct {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word) = next_word(&mut rest);
                if kind != Word::Alphabet {
                    lower_word(&mut out, Word::Number, number, connector);
                    if kind != Word::Connector && kind != Word::Punct {
                        out.push(connector);
                    }
                } else {
                    out.push(connector);
                    lower_word(&mut out, Word::Number, number, connector);
                    while kind == Word::Alphabet || kind == Word::Number {
                        lower_word(&mut out, kind, word, connector);
                        (kind, word) = next_word(&mut rest);
                    }
                    if plain(kind) {
                        out.push(connector);
                    }
                }
            }
        }
    }
    lower_word(&mut out, kind, word, connector);
    out
}

fn lower_word(out: &mut String, kind: Word, word: &str, connector: char) {
    if kind != Word::Upper && kind != Word::Connector {
        return out.push_str(word);
    }
    out.extend(word.chars().map(|c| {
        if is_connector(c) {
            connector
        } else if c.is_uppercase() {
            lower(c)
        } else {
            c
        }
    }));
}

fn next_word<'a>(rest: &mut &'a str) -> (Word, &'a str) {
    let text = *rest;
    let Some(first) = text.chars().next() else {
        return (Word::None, "");
    };
    let run = |from: usize, belongs: &dyn Fn(char) -> bool| {
        from + text[from..].find(|c| !belongs(c)).unwrap_or(text.len() - from)
    };
    let size = first.len_utf8();
    let lower_letter = |c: char| c.is_alphabetic() && !c.is_uppercase();
    let (kind, end) = if is_connector(first) {
        (Word::Connector, run(size, &is_connector))
    } else if is_punct(first) {
        (Word::Punct, run(size, &is_punct))
    } else if first.is_uppercase() {
        let end = match text[size..].chars().next() {
            Some(second) if second.is_uppercase() => {
                let end = run(size, &|c: char| c.is_uppercase());
                match text[end..].chars().next() {
                    // The last capital begins the next word.
                    Some(after) if after.is_alphabetic() => {
                        text[..end].char_indices().next_back().map_or(end, |(at, _)| at)
                    }
                    _ => end,
                }
            }
            Some(second) if second.is_alphabetic() => run(size, &lower_letter),
            _ => size,
        };
        (Word::Upper, end)
    } else if first.is_alphabetic() {
        (Word::Alphabet, run(size, &lower_letter))
    } else if first.is_numeric() {
        (Word::Number, run(size, &|c: char| c.is_numeric()))
    } else {
        let end = run(size, &|c: char| {
            !(is_connector(c) || c.is_alphabetic() || c.is_numeric() || is_punct(c))
        });
        (Word::Other, end)
    };
    *rest = &text[end..];
    (kind, &text[..end])
}

/// Go's `unicode.IsPunct` for what is common.
fn is_punct(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, '!'..='#' | '%'..='*' | ','..='/' | ':' | ';' | '?' | '@' | '['..=']' | '_' | '{' | '}');
    }
    matches!(c as u32, 0xa1 | 0xa7 | 0xab | 0xb6 | 0xb7 | 0xbb | 0xbf | 0x2010..=0x2027 | 0x2030..=0x205e
        | 0x3001..=0x3003 | 0x3008..=0x3011 | 0xff01..=0xff03 | 0xff05..=0xff0a | 0xff0c..=0xff0f)
}
