//! Which paths of its variables an expression reads.

use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use cel::parser::Expression;

/// A path as written: `data.labels['a'].b` reads `data.labels.a.b` of the variable `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub variable: String,
    pub path: String,
}

/// The attributes of `expression` in the order they are written; not those of variables that macros bind.
pub(crate) fn attributes(expression: &Expression) -> Vec<Attribute> {
    let mut walk = Walk {
        found: Vec::new(),
        bound: Vec::new(),
    };
    walk.visit(expression);
    walk.found
}

struct Walk<'e> {
    found: Vec<Attribute>,
    bound: Vec<&'e str>,
}

impl<'e> Walk<'e> {
    fn visit(&mut self, expression: &'e Expression) {
        if let Some(path) = path(expression) {
            let variable = path.first().copied().unwrap_or_default();
            if !self.bound.contains(&variable) {
                self.found.push(Attribute {
                    variable: variable.to_owned(),
                    path: path.join("."),
                });
            }
            return;
        }
        match &expression.expr {
            Expr::Call(call) => {
                let namespace = call
                    .target
                    .as_ref()
                    .and_then(|t| crate::functions::namespace(&t.expr));
                call.target
                    .iter()
                    .filter(|_| namespace.is_none())
                    .for_each(|t| self.visit(t));
                call.args.iter().for_each(|a| self.visit(a));
            }
            Expr::Comprehension(c) => {
                self.visit(&c.iter_range);
                self.visit(&c.accu_init);
                let before = self.bound.len();
                self.bound.extend([c.iter_var.as_str(), c.accu_var.as_str()]);
                self.bound.extend(c.iter_var2.as_deref());
                self.visit(&c.loop_cond);
                self.visit(&c.loop_step);
                self.visit(&c.result);
                self.bound.truncate(before);
            }
            Expr::List(list) => list.elements.iter().for_each(|e| self.visit(e)),
            Expr::Map(map) => map.entries.iter().for_each(|e| self.entry(&e.expr)),
            Expr::Struct(s) => s.entries.iter().for_each(|e| self.entry(&e.expr)),
            Expr::Select(select) => self.visit(&select.operand),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &'e EntryExpr) {
        match entry {
            EntryExpr::MapEntry(e) => {
                self.visit(&e.key);
                self.visit(&e.value);
            }
            EntryExpr::StructField(f) => self.visit(&f.value),
        }
    }
}

/// The names in `a.b`, `has(a.b)`, `a['b']`, `a.?b` and their like, if it is nothing else.
fn path(expression: &Expression) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut at = expression;
    loop {
        match &at.expr {
            Expr::Ident(name) => {
                names.push(name.as_str());
                names.reverse();
                return Some(names);
            }
            Expr::Select(select) => {
                names.push(&select.field);
                at = &select.operand;
            }
            Expr::Call(call) => {
                let index = [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT];
                let ([operand, key], true) = (call.args.as_slice(), index.contains(&call.func_name.as_str()))
                else {
                    return None;
                };
                let Expr::Literal(LiteralValue::String(name)) = &key.expr else {
                    return None;
                };
                names.push(name.inner());
                at = operand;
            }
            _ => return None,
        }
    }
}
