//! How much there is to be done where letters are alike whatever their case: for each class of characters, every one of it is looked up,
//! and all there are may be a class of five bytes.

use regex_syntax::ast::{
    Ast, ClassSetItem, Flag, Flags, GroupKind, Visitor,
    parse::{Parser, ParserBuilder},
    visit,
};
use std::convert::Infallible;

/// So many characters there are.
const ALL: usize = 0x11_0000;
/// A class with a name has no more that have another case; twice as much is counted, for it is made of many ranges.
const NAMED: usize = 30_000;

/// How many characters are looked up at the most, if an expression has parts of which the case is of no account; none if it has none, or
/// is none.
pub fn folds(expression: &str) -> usize {
    if !expression.contains("(?") {
        return 0;
    }
    let mut parser: Parser = ParserBuilder::new().build();
    let Ok(ast) = parser.parse(expression) else {
        return 0;
    };
    visit(&ast, Folds::default()).unwrap_or_else(|never| match never {})
}

#[derive(Debug, Default)]
struct Folds {
    is_caseless: bool,
    characters: usize,
}

impl Folds {
    fn flags(&mut self, flags: &Flags) {
        self.is_caseless |= flags.flag_state(Flag::CaseInsensitive) == Some(true);
    }

    fn add(&mut self, characters: usize) {
        self.characters = self.characters.saturating_add(characters);
    }
}

impl Visitor for Folds {
    type Output = usize;
    type Err = Infallible;

    fn finish(self) -> Result<usize, Infallible> {
        Ok(if self.is_caseless { self.characters } else { 0 })
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Infallible> {
        match ast {
            Ast::Flags(set) => self.flags(&set.flags),
            Ast::Group(group) => {
                if let GroupKind::NonCapturing(flags) = &group.kind {
                    self.flags(flags);
                }
            }
            // What is not in it is found after the cases are.
            Ast::ClassUnicode(_) => self.add(NAMED),
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Infallible> {
        let characters = match item {
            ClassSetItem::Empty(_) | ClassSetItem::Union(_) => 0,
            ClassSetItem::Literal(_) => 1,
            ClassSetItem::Range(range) => {
                let (start, end) = (u32::from(range.start.c), u32::from(range.end.c));
                usize::try_from(end.saturating_sub(start)).map_or(ALL, |between| between + 1)
            }
            ClassSetItem::Ascii(class) if !class.negated => 128,
            ClassSetItem::Perl(class) if !class.negated => NAMED,
            ClassSetItem::Unicode(class) if !class.is_negated() => NAMED,
            ClassSetItem::Bracketed(class) if !class.negated => 0,
            // All but a few are as many as all.
            ClassSetItem::Ascii(_)
            | ClassSetItem::Perl(_)
            | ClassSetItem::Unicode(_)
            | ClassSetItem::Bracketed(_) => ALL,
        };
        self.add(characters);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_up_is_counted_where_the_case_is_of_no_account() {
        for (expression, count) in [
            ("ready", 0),
            (r"[a-\x{10FFFF}]", 0),
            ("(?i)ready", 0),
            ("(?i)[a-z]x[0-9_]", 26 + 11),
            ("(?i:[a-z])", 26),
            ("(?s)[a-z]", 0),
            (r"(?i)[a-\x{10FFFF}]", ALL - 0x61),
            (r"(?i)[^a-c]", 3),
            (r"(?i)\pL[\pL\PN]", 2 * NAMED + ALL),
            (r"(?i)[[^a]]", ALL + 1),
            (r"(?i)[[:alpha:][:^alpha:]]", 128 + ALL),
            ("(?i)(", 0),
        ] {
            assert_eq!(folds(expression), count, "{expression}");
        }
    }
}
