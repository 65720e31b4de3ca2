//! What becomes of folded text (`>`) on its way through kustomize.
//!
//! kustomize writes every object as YAML once more, in the style it was read, and reads that. go-yaml does not write
//! folded text quite as it reads it: lines that begin with a blank gain or lose line breaks.

use std::borrow::Cow;

/// The text after it was written folded and read again.
pub(crate) fn refold(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') || !stays_folded(text) {
        return text.into();
    }
    read(&write(text), text).into()
}

/// Text with a blank at a line's end, or with characters that need escapes, is written in quotes instead.
fn stays_folded(text: &str) -> bool {
    let blank_end = text.contains(" \n") || text.ends_with(' ');
    !blank_end
        && text
            .chars()
            .all(|c| matches!(c, '\n' | '\t' | ' '..='~' | '\u{a0}'..) && c != '\u{feff}')
}

/// The lines as go-yaml writes them, without indentation.
fn write(text: &str) -> Vec<String> {
    let first = text.trim_start_matches('\n').chars().next();
    let starts_blank = first.is_none_or(|c| matches!(c, ' ' | '\t'));
    let mut lines = vec![String::new()];
    let (mut after_break, mut blank_line) = (true, true);
    for c in text.chars() {
        if c == '\n' {
            // The emitter looks at the beginning of the text where it means the next line.
            if !after_break && !blank_line && !starts_blank {
                lines.push(String::new());
            }
            lines.push(String::new());
            after_break = true;
            continue;
        }
        if after_break {
            blank_line = matches!(c, ' ' | '\t');
        }
        after_break = false;
        if let Some(line) = lines.last_mut() {
            line.push(c);
        }
    }
    lines
}

/// The text that the lines are read as; how many breaks it ends with is said by the header.
fn read(lines: &[String], text: &str) -> String {
    let mut out = String::new();
    let (mut pending, mut empty, mut blank_before) = (false, 0, false);
    for line in lines {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        let blank = line.starts_with([' ', '\t']);
        if pending && !blank_before && !blank {
            if empty == 0 {
                out.push(' ');
            }
        } else if pending {
            out.push('\n');
        }
        out.extend(std::iter::repeat_n('\n', empty));
        out.push_str(line);
        (pending, empty, blank_before) = (true, 0, blank);
    }
    let ends = text.len() - text.trim_end_matches('\n').len();
    match ends {
        0 => {}
        1 => out.push('\n'),
        // The last line of `lines` is what follows the last break: nothing.
        _ => out.extend(std::iter::repeat_n(
            '\n',
            if pending { empty } else { empty.saturating_sub(1) },
        )),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::refold;

    fn check(text: &str, expected: &str) {
        assert_eq!(refold(text), expected, "{text:?}");
    }

    #[test]
    fn lines_that_begin_with_blanks_change() {
        check("a\nb\n", "a\nb\n");
        check("a\n\nb", "a\n\nb");
        check("a\n  b\nc", "a\n\n  b\nc");
        check("a \nb", "a \nb");
    }
}
