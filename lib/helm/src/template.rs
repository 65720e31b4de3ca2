//! Go's text/template as a small language: lexer, parser, evaluator and the values it works on.

pub(crate) mod ast;
pub(crate) mod compare;
pub(crate) mod error;
pub(crate) mod eval;
pub(crate) mod float;
pub(crate) mod lex;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod parse;
pub(crate) mod print;
pub(crate) mod quote;
pub(crate) mod run;
pub(crate) mod value;
