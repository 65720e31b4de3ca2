//! `\/` in double quotes: `libyaml-safer` reads the escape that JSON has, go-yaml as these tools use it refuses it.

use crate::{Error, Schema};
use libyaml_safer::Event;

/// The characters of a text, if it may hold the escape at all.
pub(super) struct Escapes(Option<Vec<char>>);

impl Escapes {
    pub(super) fn of(text: &[u8]) -> Escapes {
        let may = text.windows(2).any(|pair| pair == b"\\/");
        let text = std::str::from_utf8(text).ok().filter(|_| may);
        Escapes(text.map(|text| text.chars().collect()))
    }

    /// # Errors
    /// The event is a scalar in double quotes, and the escape is in it.
    pub(super) fn check(&self, event: &Event, schema: Schema) -> Result<(), Error> {
        let place = event.start_mark.index as usize..event.end_mark.index as usize;
        let Some(written) = self.0.as_ref().and_then(|text| text.get(place)) else {
            return Ok(());
        };
        let mut line = 0;
        let mut characters = written.iter();
        while let Some(character) = characters.next() {
            line += u64::from(*character == '\n');
            if *character != '\\' {
                continue;
            }
            match characters.next() {
                Some('/') => {
                    let begun = event.start_mark.line;
                    return Err(Error::in_scanner(
                        begun,
                        begun + line,
                        "found unknown escape character",
                        schema,
                    ));
                }
                Some('\n') => line += 1,
                _ => {}
            }
        }
        Ok(())
    }
}
