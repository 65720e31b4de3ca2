//! From tokens to trees, with Go's errors.

mod pipeline;
mod tokens;

use super::ast::{Branch, Node, Source, Tree, is_empty};
use super::lex::{Kind, Lexer, Token};
use super::quote::{quote, unquote};
use super::value::Text;
use std::collections::HashMap;
use std::rc::Rc;

/// Deepest nesting of parentheses and of control structures; Go's limit for parentheses.
const MAX_DEPTH: usize = 10_000;

/// Parses `text` into the template `name` and those it defines, by name.
pub(crate) fn parse(name: &str, text: Rc<str>) -> Result<Vec<Rc<Tree>>, String> {
    let source = Rc::new(Source {
        name: name.into(),
        text: text.clone(),
    });
    let mut parser = Parser {
        lexer: Lexer::new(&text),
        tokens: Vec::new(),
        last_line: 1,
        source: source.clone(),
        trees: Vec::new(),
        index: HashMap::new(),
        scopes: vec![Scope::default()],
        depth: 0,
    };
    let root = parser.file()?;
    parser.add(source.name.clone(), root)?;
    Ok(parser.trees)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Tokens that were put back, the next one last.
    tokens: Vec<Token<'a>>,
    /// The line of the token read last from the scanner.
    last_line: usize,
    source: Rc<Source>,
    trees: Vec<Rc<Tree>>,
    index: HashMap<Rc<str>, usize>,
    scopes: Vec<Scope>,
    depth: usize,
}

/// What belongs to one template: a `define` sees nothing of the one around it.
struct Scope {
    vars: Vec<Rc<str>>,
    ranges: usize,
    action_line: usize,
}

impl Default for Scope {
    fn default() -> Self {
        Scope {
            vars: vec!["$".into()],
            ranges: 0,
            action_line: 0,
        }
    }
}

/// A piece of a list, or what ends it.
enum Piece {
    Node(Node),
    End,
    /// Where it stands, for the list after it.
    Else,
}

type Result<T, E = String> = std::result::Result<T, E>;

impl<'a> Parser<'a> {
    fn scope(&mut self) -> &mut Scope {
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn error<T>(&self, text: impl std::fmt::Display) -> Result<T> {
        Err(format!(
            "template: {}:{}: {text}",
            self.source.name, self.last_line
        ))
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error("max expression depth exceeded");
        }
        Ok(())
    }

    fn file(&mut self) -> Result<Vec<Node>> {
        let mut root = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                let word = self.next_non_space();
                if word.kind == Kind::Define {
                    self.scopes.push(Scope::default());
                    self.definition()?;
                    self.scopes.pop();
                    continue;
                }
                self.back(word);
                self.back(delim);
            }
            match self.text_or_action()? {
                Piece::Node(node) => root.push(node),
                Piece::End => return self.error("unexpected {{end}}"),
                Piece::Else => return self.error("unexpected {{else}}"),
            }
        }
        Ok(root)
    }

    fn definition(&mut self) -> Result<()> {
        let token = self.next_non_space();
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(&token, "define clause");
        }
        let name = self.unquote(&token.text)?;
        self.expect(Kind::RightDelim, "define clause")?;
        let (root, end) = self.list()?;
        if matches!(end, Piece::Else) {
            return self.error("unexpected {{else}} in define clause");
        }
        self.add(name.text().into(), root)
    }

    fn add(&mut self, name: Rc<str>, root: Vec<Node>) -> Result<()> {
        let tree = |root| {
            Rc::new(Tree {
                name: name.clone(),
                source: self.source.clone(),
                root,
            })
        };
        match self.index.get(&name) {
            Some(&at) if is_empty(&self.trees[at].root) => self.trees[at] = tree(root),
            Some(_) if is_empty(&root) => {}
            Some(_) => {
                return self.error(format!(
                    "template: multiple definition of template {}",
                    quote(name.as_bytes())
                ));
            }
            None => {
                let tree = tree(root);
                self.index.insert(name, self.trees.len());
                self.trees.push(tree);
            }
        }
        Ok(())
    }

    fn unquote(&self, text: &str) -> Result<Text> {
        match unquote(text) {
            Some(text) => Ok(text),
            None => self.error("invalid syntax"),
        }
    }

    /// A list up to its `end` or `else`, which is given with it.
    fn list(&mut self) -> Result<(Vec<Node>, Piece)> {
        self.enter()?;
        let mut nodes = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Piece::Node(node) => nodes.push(node),
                end => {
                    self.depth -= 1;
                    return Ok((nodes, end));
                }
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Result<Piece> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Piece::Node(Node::Text(Text::from(&*token.text)))),
            Kind::LeftDelim => {
                self.scope().action_line = token.line;
                let piece = self.action();
                // An error of an enclosed action has already been told with its line.
                self.scope().action_line = 0;
                piece
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Piece> {
        let token = self.next_non_space();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => self.leave(token.kind)?,
            Kind::Else => return self.otherwise(),
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Piece::End);
            }
            Kind::If => Node::If(self.control("if", Kind::If, Node::If)?),
            Kind::Range => Node::Range(self.control("range", Kind::Range, Node::Range)?),
            Kind::Template => self.template()?,
            Kind::With => Node::With(self.control("with", Kind::With, Node::With)?),
            _ => {
                self.back(token);
                let pos = self.peek().pos as u32;
                Node::Action(pos, self.pipeline("command", Kind::RightDelim)?)
            }
        };
        Ok(Piece::Node(node))
    }

    fn leave(&mut self, kind: Kind) -> Result<Node> {
        let (word, node) = if kind == Kind::Break {
            ("{{break}}", Node::Break)
        } else {
            ("{{continue}}", Node::Continue)
        };
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, word);
        }
        if self.scope().ranges == 0 {
            return self.error(format!("{word} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn otherwise(&mut self) -> Result<Piece> {
        if !matches!(self.peek_non_space().kind, Kind::If | Kind::With) {
            self.expect(Kind::RightDelim, "else")?;
        }
        Ok(Piece::Else)
    }

    fn control(&mut self, context: &'static str, kind: Kind, make: fn(Branch) -> Node) -> Result<Branch> {
        let mark = self.scope().vars.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let ranges = usize::from(kind == Kind::Range);
        self.scope().ranges += ranges;
        let (list, end) = self.list()?;
        self.scope().ranges -= ranges;
        let mut otherwise = None;
        if matches!(end, Piece::Else) {
            if kind != Kind::Range && self.peek().kind == kind {
                // `else if` is an `if` inside `else` whose `end` serves both.
                self.next();
                self.enter()?;
                otherwise = Some(vec![make(self.control(context, kind, make)?)]);
                self.depth -= 1;
            } else {
                let (nodes, end) = self.list()?;
                if matches!(end, Piece::Else) {
                    return self.error("expected end; found {{else}}");
                }
                otherwise = Some(nodes);
            }
        }
        self.scope().vars.truncate(mark);
        Ok(Branch {
            pipe,
            list,
            otherwise,
        })
    }

    fn block(&mut self) -> Result<Node> {
        let token = self.next_non_space();
        let name = self.template_name(&token, "block clause")?;
        let pipe = self.pipeline("block clause", Kind::RightDelim)?;
        self.scopes.push(Scope::default());
        let (root, end) = self.list()?;
        if matches!(end, Piece::Else) {
            return self.error("unexpected {{else}} in block clause");
        }
        self.add(name.clone(), root)?;
        self.scopes.pop();
        Ok(Node::Template {
            pos: token.pos as u32,
            name,
            pipe: Some(pipe),
        })
    }

    fn template(&mut self) -> Result<Node> {
        let token = self.next_non_space();
        let name = self.template_name(&token, "template clause")?;
        let next = self.next_non_space();
        let pipe = if next.kind == Kind::RightDelim {
            None
        } else {
            self.back(next);
            Some(self.pipeline("template clause", Kind::RightDelim)?)
        };
        Ok(Node::Template {
            pos: token.pos as u32,
            name,
            pipe,
        })
    }

    fn template_name(&mut self, token: &Token<'_>, context: &str) -> Result<Rc<str>> {
        match token.kind {
            Kind::String | Kind::RawString => Ok(self.unquote(&token.text)?.text().into()),
            _ => self.unexpected(token, context),
        }
    }
}
