//! I/O: one request and its answer, as the readers and writers that gix wants.

use std::io::{self, BufRead, Read, Write};
use std::sync::{Arc, Mutex};

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response};

use super::line::Line;
use crate::git::error::RemoteError;
use crate::git::intake::{Intake, Speech};
use crate::lock::lock;
use peer::http::bare;

/// One request and its answer. The answer is fetched when someone first reads it, because only then is the request complete.
enum State {
    Collecting {
        method: Method,
        url: String,
        headers: HeaderMap,
        body: Vec<u8>,
    },
    Answered(Response),
    Over,
}

/// A handle on one request; the request body, the answer's headers and the answer's body are all of this type.
pub(in crate::git) struct Exchange {
    line: Arc<Line>,
    state: Arc<Mutex<State>>,
    /// The part that is being read.
    buffer: Vec<u8>,
    at: usize,
    intake: Intake,
    speech: Speech,
    part: Part,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Headers,
    Body,
    /// Nothing comes after what is in the buffer.
    Done,
}

impl Exchange {
    /// A request that is not sent yet; reading gives the answer's headers.
    pub(super) fn new(line: Arc<Line>, method: Method, url: String, headers: HeaderMap) -> Exchange {
        let speech = match method == Method::GET {
            true => Speech::Greeting,
            false => Speech::Answer,
        };
        let body = Vec::new();
        let state = State::Collecting {
            method,
            url,
            headers,
            body,
        };
        Exchange::of(line, Arc::new(Mutex::new(state)), speech, Part::Headers)
    }

    /// An answer that is had already.
    pub(super) fn said(line: Arc<Line>, bytes: Vec<u8>) -> Exchange {
        let state = Arc::new(Mutex::new(State::Over));
        Exchange {
            buffer: bytes,
            ..Exchange::of(line, state, Speech::Greeting, Part::Done)
        }
    }

    fn of(line: Arc<Line>, state: Arc<Mutex<State>>, speech: Speech, part: Part) -> Exchange {
        Exchange {
            intake: Intake::new(speech, line.limit, Arc::clone(&line.rooms), line.deadline),
            speech,
            line,
            state,
            buffer: Vec::new(),
            at: 0,
            part,
        }
    }

    /// A handle on the request's body.
    pub(super) fn request(&self) -> Exchange {
        Exchange::of(
            Arc::clone(&self.line),
            Arc::clone(&self.state),
            self.speech,
            Part::Done,
        )
    }

    /// A handle on the answer's body.
    pub(super) fn body(&self) -> Exchange {
        Exchange::of(
            Arc::clone(&self.line),
            Arc::clone(&self.state),
            self.speech,
            Part::Body,
        )
    }

    /// The URL that answered, once something has.
    pub(super) fn came_from(&self) -> Option<String> {
        match &*lock(&self.state) {
            State::Answered(response) => Some(response.url().as_str().to_owned()),
            State::Collecting { .. } | State::Over => None,
        }
    }

    /// What kind of thing the answer is, once there is one.
    pub(super) fn content_type(&self) -> Option<String> {
        match &*lock(&self.state) {
            State::Answered(response) => {
                Some(response.headers().get(CONTENT_TYPE)?.to_str().ok()?.to_owned())
            }
            State::Collecting { .. } | State::Over => None,
        }
    }

    /// The whole body, if it has no more than `longest` bytes. Whatever was read is there for the reader.
    pub(super) fn peek(&mut self, longest: usize) -> io::Result<Option<&[u8]>> {
        while self.part == Part::Body && self.buffer.len() <= longest {
            let piece = self.piece()?;
            if piece.is_empty() {
                self.part = Part::Done;
            }
            self.buffer.extend_from_slice(&piece);
        }
        let whole = self.part == Part::Done && self.buffer.len() <= longest;
        Ok(whole.then_some(&self.buffer[..]))
    }

    /// Sends the request unless that is done; gives the answer's headers in Git's line format.
    pub(super) fn answer(&self) -> io::Result<Vec<u8>> {
        let mut state = lock(&self.state);
        if let State::Collecting {
            method,
            url,
            headers,
            body,
        } = &mut *state
        {
            let (method, url) = (method.clone(), std::mem::take(url));
            let (headers, body) = (std::mem::take(headers), std::mem::take(body));
            *state = State::Over;
            *state = State::Answered(self.line.send(method, &url, headers, body)?);
        }
        let State::Answered(response) = &*state else {
            return Ok(Vec::new());
        };
        let mut lines = Vec::new();
        for (name, value) in response.headers() {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        Ok(lines)
    }

    /// The next piece of the answer's body; empty at its end.
    fn piece(&mut self) -> io::Result<Vec<u8>> {
        self.intake.resume();
        let mut state = lock(&self.state);
        let State::Answered(response) = &mut *state else {
            return Ok(Vec::new());
        };
        let piece = match self.line.deadline.wait(&self.line.runtime, response.chunk()) {
            Err(elapsed) => return Err(self.line.timed_out(elapsed)),
            Ok(Ok(piece)) => piece.unwrap_or_default(),
            Ok(Err(error)) => {
                let url = bare(response.url().as_str());
                return Err(self.line.fail(RemoteError::Request {
                    method: "Get",
                    url,
                    source: error.without_url(),
                }));
            }
        };
        let taken = self.intake.take(&piece);
        taken.map_err(|error| self.line.fail(error))?;
        Ok(piece.into())
    }
}

impl BufRead for Exchange {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.buffer.len() {
            self.buffer = match self.part {
                Part::Headers => {
                    self.part = Part::Done;
                    self.answer()?
                }
                Part::Body => {
                    self.answer()?;
                    self.piece()?
                }
                Part::Done => Vec::new(),
            };
            self.at = 0;
            if self.buffer.is_empty() {
                break;
            }
        }
        Ok(&self.buffer[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.buffer.len());
    }
}

impl Read for Exchange {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *lock(&self.state) {
            State::Collecting { body, .. } => body.extend_from_slice(bytes),
            State::Answered(_) | State::Over => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
