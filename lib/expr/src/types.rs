//! As much of CEL's type check as Flux's users meet: names that are not there, and results that are no boolean.

use crate::attributes::Attribute;
use crate::functions::namespace;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::parser::Expression;

/// What an expression yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Always this type, in the words of CEL.
    Known(&'static str),
    /// A field of a variable: no type until it is there. cel-go does not take it for a boolean.
    Dynamic,
    /// cel-go could tell; we cannot.
    Unknown,
}

/// Names of types, which are values too.
const TYPES: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "uint",
];

/// What functions yield, whatever they are given; operators and `sets.*` apart.
const FUNCTIONS: [(&[&str], Type); 9] = [
    (
        &[
            "contains",
            "endsWith",
            "startsWith",
            "matches",
            "hasValue",
            "bool",
        ],
        Type::Known("bool"),
    ),
    (
        &[
            "size",
            "int",
            "indexOf",
            "lastIndexOf",
            "getFullYear",
            "getMonth",
            "getDayOfYear",
            "getDayOfMonth",
            "getDate",
            "getDayOfWeek",
            "getHours",
            "getMinutes",
            "getSeconds",
            "getMilliseconds",
        ],
        Type::Known("int"),
    ),
    (
        &[
            "string",
            "charAt",
            "join",
            "lowerAscii",
            "upperAscii",
            "replace",
            "substring",
            "trim",
            "format",
            "reverse",
            "quote",
            "encode",
        ],
        Type::Known("string"),
    ),
    (&["bytes", "decode"], Type::Known("bytes")),
    (&["double"], Type::Known("double")),
    (&["uint"], Type::Known("uint")),
    (&["dyn"], Type::Dynamic),
    (&["split"], Type::Known("list(string)")),
    (
        &[
            "type",
            "timestamp",
            "duration",
            "first",
            "last",
            "of",
            "none",
            "ofNonZeroValue",
            "or",
            "value",
            "orValue",
        ],
        Type::Unknown,
    ),
];

/// The type that `expression` yields; or the first name in it that is neither of `variables` nor CEL's own.
pub(crate) fn check(
    expression: &Expression,
    attributes: &[Attribute],
    variables: &[&str],
) -> Result<Type, String> {
    let known = |name: &str| variables.contains(&name) || TYPES.contains(&name) || name == "type";
    if let Some(attribute) = attributes.iter().find(|a| !known(&a.variable)) {
        return Err(attribute.variable.clone());
    }
    match unknown_function(expression) {
        Some(name) => Err(name.to_owned()),
        None => Ok(output(expression, variables)),
    }
}

fn output(expression: &Expression, variables: &[&str]) -> Type {
    match &expression.expr {
        Expr::Literal(literal) => Type::Known(match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::Null => "null_type",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
        }),
        Expr::Ident(name) if variables.contains(&name.as_str()) => Type::Known("map(string, dyn)"),
        Expr::Select(select) if select.test => Type::Known("bool"),
        Expr::Select(select) => field(output(&select.operand, variables)),
        Expr::List(_) => Type::Known("list"),
        Expr::Map(_) => Type::Known("map"),
        Expr::Comprehension(c) => match &c.result.expr {
            Expr::Ident(name) if *name == c.accu_var => output(&c.accu_init, variables),
            _ => output(&c.result, variables),
        },
        Expr::Call(call) => call_output(call, variables),
        Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => Type::Unknown,
    }
}

fn call_output(call: &CallExpr, variables: &[&str]) -> Type {
    let of = |e: &Expression| output(e, variables);
    match (call.func_name.as_str(), call.args.as_slice()) {
        (
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::IN
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::NOT_STRICTLY_FALSE,
            _,
        ) => Type::Known("bool"),
        (operators::CONDITIONAL, [_, then, otherwise]) => match (of(then), of(otherwise)) {
            (Type::Dynamic, _) | (_, Type::Dynamic) => Type::Dynamic,
            (then, otherwise) if then == otherwise => then,
            _ => Type::Unknown,
        },
        (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [operand, _]) => field(of(operand)),
        (operators::NEGATE, [operand]) => of(operand),
        (
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO,
            [left, right],
        ) => match (of(left), of(right)) {
            (Type::Known(name), _) | (_, Type::Known(name)) => Type::Known(name),
            (Type::Dynamic, Type::Dynamic) => Type::Dynamic,
            _ => Type::Unknown,
        },
        ("value" | "orValue", args) => match (call.target.as_deref(), args) {
            (Some(target), _) if is_optional(target) => of(target),
            // cel-go takes the type of the default for that of the optional.
            (Some(_), [default]) => of(default),
            _ => Type::Unknown,
        },
        (name, _) => match call.target.as_ref().and_then(|t| namespace(&t.expr)) {
            Some("sets") => Type::Known("bool"),
            _ => function(name).unwrap_or(Type::Unknown),
        },
    }
}

/// Is it `a.?b` or `a[?b]`, whose type is that of the field?
fn is_optional(expression: &Expression) -> bool {
    let operators = [operators::OPT_SELECT, operators::OPT_INDEX];
    matches!(&expression.expr, Expr::Call(call) if operators.contains(&call.func_name.as_str()))
}

/// A member of something. We do not look into literals.
fn field(of: Type) -> Type {
    match of {
        Type::Known("map(string, dyn)") | Type::Dynamic => Type::Dynamic,
        Type::Known(_) | Type::Unknown => Type::Unknown,
    }
}

fn function(name: &str) -> Option<Type> {
    FUNCTIONS
        .iter()
        .find(|(names, _)| names.contains(&name))
        .map(|(_, result)| *result)
}

fn unknown_function(expression: &Expression) -> Option<&str> {
    match &expression.expr {
        Expr::Call(call) => {
            let target = call.target.as_deref();
            let sets = target.is_some_and(|t| namespace(&t.expr) == Some("sets"));
            let set = sets && ["contains", "equivalent", "intersects"].contains(&call.func_name.as_str());
            // Operators have signs in their names.
            let operator = !call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
            if !set && !operator && function(&call.func_name).is_none() {
                return Some(&call.func_name);
            }
            target.into_iter().chain(&call.args).find_map(unknown_function)
        }
        Expr::Comprehension(c) => [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
            .into_iter()
            .find_map(unknown_function),
        Expr::Select(select) => unknown_function(&select.operand),
        Expr::List(list) => list.elements.iter().find_map(unknown_function),
        Expr::Map(_) | Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => None,
    }
}
