//! Tags that a comma follows directly (`[!!str, x]`): to go-yaml the comma is part of the tag, and `libyaml-safer` panics.

use libyaml_safer::{Scanner, TokenData};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Most places that are looked into; each reads the text up to it.
const MAX: usize = 64;

/// The text with the commas of such tags replaced by a character that tags may have. What such a tag is called makes no
/// difference: nobody knows it.
pub(super) fn without_commas(text: &[u8]) -> Cow<'_, [u8]> {
    let runs = runs(text);
    if runs.is_empty() || runs.len() > MAX {
        return text.into();
    }
    let mut text = text.to_vec();
    for run in runs {
        let mut until = text[..run.end].to_vec();
        replace(&mut until[run.clone()]);
        if is_tag(&until, run.start) {
            replace(&mut text[run]);
        }
    }
    text.into()
}

fn replace(run: &mut [u8]) {
    for byte in run.iter_mut().filter(|byte| **byte == b',') {
        // What names of handles may have would make a handle of `!a,!`.
        *byte = b'.';
    }
}

/// Where `!` begins what could be a tag with commas in it.
fn runs(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].iter().position(|&b| b == b'!').map(|i| at + i) {
        let end = text[start..]
            .iter()
            .position(|b| b.is_ascii_whitespace() || b"[]{}".contains(b))
            .map_or(text.len(), |i| start + i);
        if text[start..end].contains(&b',') {
            runs.push(start..end);
        }
        at = end;
    }
    runs
}

/// True if the scanner finds a tag that begins there, at the end of the text.
fn is_tag(text: &[u8], start: usize) -> bool {
    let mut from = 0;
    loop {
        match look(&text[from..], start - from) {
            Found::Tag => return true,
            Found::NoTag => return false,
            // Before it has seen the end of what could be a key, the scanner gives none of its parts; and there is no end
            // in a text that is cut off. Looked at for itself, it need not be a key.
            Found::Key(at) if at > 0 && at < start - from => from += at,
            Found::Key(_) => return false,
        }
    }
}

enum Found {
    Tag,
    NoTag,
    /// Something that would have to be a key, which begins there.
    Key(usize),
}

fn look(text: &[u8], start: usize) -> Found {
    let mut scanner = Scanner::new();
    let text = [text, b"\n"].concat();
    scanner.set_input(text.as_slice());
    // An earlier tag may be one that stays as it is and makes the scanner panic.
    while let Ok(scanned) = catch_unwind(AssertUnwindSafe(|| Scanner::scan(&mut scanner))) {
        let token = match scanned {
            Ok(token) => token,
            Err(error) => {
                let begun = error.context_mark().map(|mark| mark.index);
                // A tag all the same, of which something else is wrong as well.
                if error.context().is_some_and(|c| c.ends_with(" a tag")) && begun == Some(start as u64) {
                    return Found::Tag;
                }
                let begun = begun.filter(|_| error.problem() == "could not find expected ':'");
                return match begun.and_then(|at| usize::try_from(at).ok()) {
                    Some(at) => Found::Key(at),
                    None => Found::NoTag,
                };
            }
        };
        match token.data {
            TokenData::Tag { .. } if token.start_mark.index == start as u64 => return Found::Tag,
            TokenData::StreamEnd => return Found::NoTag,
            _ => {}
        }
    }
    Found::NoTag
}
