//! PURE: texts for people, in the size that a service takes.

use crate::{
    event::{Event, Severity},
    provider::Mask,
};
use serde_json::Value;

/// What stands where a text was cut.
const CUT: char = '…';

/// What cannot be seen (zero width space).
const NOTHING: char = '\u{200b}';

/// A text of at most so many characters; what was cut is marked.
pub fn cut(text: &str, most: usize) -> String {
    cut_by(text, most, |_| 1)
}

/// A text of at most so many bytes.
pub fn cut_bytes(text: &str, most: usize) -> String {
    cut_by(text, most, char::len_utf8)
}

/// A text of at most so many UTF-16 units.
pub fn cut_utf16(text: &str, most: usize) -> String {
    cut_by(text, most, char::len_utf16)
}

/// What a peer says, for people: at most so many characters of it. Of a secret that is cut, a part could be read.
pub fn masked(text: &str, mask: &Mask, most: usize) -> String {
    cut(&mask.apply(text), most)
}

fn cut_by(text: &str, most: usize, weight: impl Fn(char) -> usize) -> String {
    let room = most.saturating_sub(weight(CUT));
    let (mut whole, mut kept) = (0, 0);
    for (at, letter) in text.char_indices() {
        whole += weight(letter);
        if whole <= room {
            kept = at + letter.len_utf8();
        }
        if whole > most {
            return format!("{}{CUT}", &text[..kept]);
        }
    }
    text.to_owned()
}

/// A message that has at most so many bytes as JSON: its texts are made shorter until it fits.
pub fn fit(most: usize, write: impl Fn(usize) -> Value) -> Value {
    let mut limit = most;
    loop {
        let message = write(limit);
        if limit <= 16 || message.to_string().len() <= most {
            return message;
        }
        limit /= 2;
    }
}

/// `kind/name.namespace`, with the kind in lower case.
pub fn object(event: &Event) -> String {
    format!(
        "{}/{}.{}",
        event.kind().to_lowercase(),
        event.name(),
        event.namespace()
    )
}

/// The first line of a text.
pub fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

/// One of two, by how grave an event is.
pub fn by_severity<T>(event: &Event, info: T, error: T) -> T {
    match event.severity {
        Severity::Error => error,
        Severity::Info | Severity::Trace => info,
    }
}

/// `kind/name` and the reason in words, both in lower case: `HealthCheckFailed` is `health check failed`.
pub fn name_and_words(event: &Event) -> (String, String) {
    let name = format!("{}/{}", event.kind(), event.name()).to_lowercase();
    (name, words(&event.reason).join(" ").to_lowercase())
}

/// The words of a name in CamelCase: runs of small letters, of capitals, of digits, of anything else; the last capital before
/// small letters belongs to them.
fn words(name: &str) -> Vec<String> {
    let class = |letter: char| match letter {
        _ if letter.is_lowercase() => 1,
        _ if letter.is_uppercase() => 2,
        _ if letter.is_numeric() => 3,
        _ => 4,
    };
    let mut words: Vec<(u8, String)> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some((last, word)) if *last == class(letter) => word.push(letter),
            Some((2, word)) if class(letter) == 1 => {
                let capital = word.pop();
                let word = capital.into_iter().chain([letter]).collect();
                words.push((1, word));
            }
            _ => words.push((class(letter), letter.to_string())),
        }
    }
    words
        .into_iter()
        .map(|(_, word)| word)
        .filter(|word| !word.is_empty())
        .collect()
}

/// What HTML and its relatives take for markup.
pub fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A text in which Markdown finds no link with a name of its own, and nobody who is called, without any change that can be seen:
/// services differ in what a backslash does. Addresses that stand there for themselves remain links.
pub fn defused(text: &str) -> String {
    let mut defused = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        defused.push(letter);
        let after = &text[at + letter.len_utf8()..];
        let begins = match letter {
            ']' => after.starts_with('('),
            // `<https://host|text>`, `<@user>`, `<!here>`, `<#room>`.
            '<' => after.starts_with("http") || after.starts_with(['@', '!', '#', '&']),
            '@' => !before.is_alphanumeric() && after.starts_with(char::is_alphanumeric),
            _ => false,
        };
        if begins {
            defused.push(NOTHING);
        }
        before = letter;
    }
    defused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts() {
        for (text, most, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("äöüß", 3, "äö…"),
            ("ab", 1, "…"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, most), expected);
        }
        assert_eq!(cut_bytes("äöü", 6), "äöü");
        assert_eq!(cut_bytes("äöüß", 7), "äö…");
        assert_eq!(cut_utf16("🚨🚨🚨", 5), "🚨🚨…");
    }

    #[test]
    fn no_part_of_a_secret_is_left_by_a_cut() {
        let mut mask = Mask::default();
        mask.hide(b"0123456789");
        assert_eq!(masked("you sent 0123456789", &mask, 14), "you sent *****");
        assert_eq!(masked("you sent 0123456789", &mask, 12), "you sent **…");
    }

    #[test]
    fn messages_are_made_to_fit() {
        let long = "\"".repeat(5000);
        let message = fit(1000, |limit| cut(&long, limit).into());
        assert!(message.to_string().len() <= 1000, "{}", message.to_string().len());
    }

    #[test]
    fn texts_that_call_nobody_and_lead_nowhere() {
        for (text, expected) in [
            ("[log in](https://evil)", "[log in]|(https://evil)"),
            ("<https://evil/log in>", "<|https://evil/log in>"),
            ("<@U1> <!here> @all", "<|@|U1> <|!here> @|all"),
            (
                "main@sha1:abc of me@host.example",
                "main@sha1:abc of me@host.example",
            ),
            (
                "see https://host/a_b, 1 < 2, <no>, [0][1], *b*",
                "see https://host/a_b, 1 < 2, <no>, [0][1], *b*",
            ),
        ] {
            assert_eq!(defused(text).replace(NOTHING, "|"), expected, "{text}");
        }
    }

    #[test]
    fn reasons_in_words() {
        for (reason, expected) in [
            ("HealthCheckFailed", "Health Check Failed"),
            ("OCIPullFailed", "OCI Pull Failed"),
            ("ABc", "A Bc"),
            ("Ab12Cd", "Ab 12 Cd"),
            ("Succeeded", "Succeeded"),
            ("", ""),
        ] {
            assert_eq!(words(reason).join(" "), expected);
        }
    }
}
