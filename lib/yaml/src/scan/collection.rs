//! Sequences and maps: where they begin and end, be it by brackets or by indentation, and what parts their items.

use super::{Fault, Mark, PossibleKey, Scanner, TokenKind};
use crate::Schema;

/// Deeper levels of brackets or of indentation are refused, as go-yaml does.
const MAX_DEPTH: usize = 10_000;

impl Scanner<'_> {
    pub(super) fn open(&mut self, kind: TokenKind) -> Result<(), Fault> {
        self.save_key()?;
        let mark = self.cursor.mark;
        self.keys.push(PossibleKey {
            token: self.next_number(),
            mark,
            ..PossibleKey::default()
        });
        self.flow += 1;
        if self.flow > MAX_DEPTH {
            return Err(self.fault(mark, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.key_allowed = true;
        self.indicator(kind)
    }

    pub(super) fn close(&mut self, kind: TokenKind) -> Result<(), Fault> {
        self.drop_key()?;
        if self.flow > 0 {
            self.flow -= 1;
            if let Some(key) = self.keys.pop() {
                self.let_go(key.token);
            }
        }
        self.key_allowed = false;
        self.indicator(kind)
    }

    pub(super) fn flow_entry(&mut self) -> Result<(), Fault> {
        self.drop_key()?;
        self.key_allowed = true;
        self.indicator(TokenKind::FlowEntry)
    }

    pub(super) fn block_entry(&mut self) -> Result<(), Fault> {
        if self.flow == 0 {
            self.begin_block(
                TokenKind::BlockSeqStart,
                "block sequence entries are not allowed in this context",
            )?;
        }
        self.drop_key()?;
        self.key_allowed = true;
        self.indicator(TokenKind::BlockEntry)
    }

    pub(super) fn key(&mut self) -> Result<(), Fault> {
        if self.flow == 0 {
            self.begin_block(
                TokenKind::BlockMapStart,
                "mapping keys are not allowed in this context",
            )?;
        }
        self.drop_key()?;
        self.key_allowed = self.flow == 0;
        self.indicator(TokenKind::Key)
    }

    pub(super) fn value(&mut self) -> Result<(), Fault> {
        let level = self.keys.len() - 1;
        if self.still_possible(level)? {
            let PossibleKey { token, mark, .. } = self.keys[level];
            let place = token.checked_sub(self.taken);
            self.insert(place, TokenKind::Key, mark);
            if self.flow == 0 {
                self.begin_block_at(place, TokenKind::BlockMapStart, mark)?;
            }
            self.keys[level].possible = false;
            self.let_go(token);
            self.key_allowed = false;
        } else {
            if self.flow == 0 {
                self.begin_block(
                    TokenKind::BlockMapStart,
                    "mapping values are not allowed in this context",
                )?;
            }
            self.key_allowed = self.flow == 0;
        }
        self.indicator(TokenKind::Value)
    }

    /// A block of this kind begins here, unless it has begun.
    fn begin_block(&mut self, kind: TokenKind, forbidden: &str) -> Result<(), Fault> {
        if !self.key_allowed {
            return Err(self.fault(self.cursor.mark, forbidden));
        }
        self.begin_block_at(None, kind, self.cursor.mark)
    }

    fn begin_block_at(&mut self, place: Option<usize>, kind: TokenKind, mark: Mark) -> Result<(), Fault> {
        if self.indent >= mark.column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = mark.column;
        if self.indents.len() > MAX_DEPTH {
            let context = self.keys.last().map_or(mark, |key| key.mark);
            return Err(self.fault(context, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.insert(place, kind, mark);
        Ok(())
    }

    /// Blocks that are deeper than a column are over. `before` is where the last token ended.
    pub(super) fn close_blocks(&mut self, column: isize, before: Mark) {
        if self.flow > 0 {
            return;
        }
        while self.indent > column {
            let mark = match self.schema {
                Schema::GoV2 => self.cursor.mark,
                Schema::GoV3 => before,
            };
            self.insert(None, TokenKind::BlockEnd, mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }
}
