//! Which of two errors go-yaml v3 reports.

use crate::{Error, Schema};
use libyaml_safer::{ErrorKind, Scanner};
use std::io::{BufReader, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// go-yaml v3 scans two tokens ahead of what it parses, for the sake of comments. So an error of the scanner that lies
/// that near behind an error of the parser is the one that is reported.
pub(super) fn earlier_error(text: &[u8], newline: &[u8], error: &libyaml_safer::Error) -> Error {
    let parsed = Error::from_scanner(error, Schema::GoV3, None);
    let Some(at) = error.problem_mark().filter(|_| error.kind() == ErrorKind::Parser) else {
        return parsed;
    };
    let mut scanner = Scanner::new();
    scanner.set_input(BufReader::with_capacity(16 * 1024, text.chain(newline)));
    let mut ahead = 0;
    while ahead < 3 {
        match catch_unwind(AssertUnwindSafe(|| Scanner::scan(&mut scanner))) {
            Ok(Ok(token)) if token.data == libyaml_safer::TokenData::StreamEnd => return parsed,
            Ok(Ok(token)) => ahead += usize::from(token.start_mark.index >= at.index),
            Ok(Err(error)) => return Error::from_scanner(&error, Schema::GoV3, None),
            Err(_) => return parsed,
        }
    }
    parsed
}
