//! Functions of ours: the scales, `sets.*`, which the interpreter lacks, and those whose result could be far larger
//! than their arguments.

use crate::meter::{Budget, WEIGH};
use cel::common::ast::{CallExpr, Expr};
use cel::common::types::{CelBool, CelInt, CelList, CelOptional, CelString};
use cel::common::value::{CowVal, Val};
use cel::{Context, ExecutionError, FunctionContext};
use regex::Regex;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

type Item<'v> = Box<dyn Val + 'v>;
type Outcome<'c, 'v> = Result<CowVal<'c, 'v>, ExecutionError>;
type Function = Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Outcome<'c, 'v> + Send + Sync>;
type Body = for<'c, 'v> fn(&Evaluation, &mut FunctionContext<'c, 'v>) -> Outcome<'c, 'v>;

/// What the calls of one evaluation share.
struct Evaluation {
    budget: Budget,
    /// Reading a pattern costs far more than matching it.
    patterns: Mutex<HashMap<String, Regex>>,
}

/// So many patterns are kept.
const PATTERNS: usize = 16;

/// Names with a meaning before a dot.
const NAMESPACES: [&str; 4] = ["base64", "optional", "sets", "strings"];

/// Ours, by the name that a rewritten expression calls them by.
const FUNCTIONS: [(&str, Body); 9] = [
    (WEIGH, weigh),
    ("@sets.contains", |b, c| sets(b, c, |x, y| covers(x, y))),
    ("@sets.equivalent", |b, c| {
        sets(b, c, |x, y| covers(x, y) && covers(y, x))
    }),
    ("@sets.intersects", |b, c| {
        sets(b, c, |x, y| y.iter().any(|item| holds(x, item.as_ref())))
    }),
    ("@join", join),
    ("@replace", replace),
    ("@matches", matches),
    ("@first", |_, c| end(c, |items| items.first())),
    ("@last", |_, c| end(c, |items| items.last())),
];

/// The namespace that `target.function()` calls a function of.
pub(crate) fn namespace(target: &Expr) -> Option<&str> {
    match target {
        Expr::Ident(name) => NAMESPACES.into_iter().find(|n| n == name),
        _ => None,
    }
}

/// Makes a call of one of [`FUNCTIONS`] find it.
pub(crate) fn redirect(call: &mut CallExpr) {
    let name = match call.target.as_ref().map(|t| namespace(&t.expr)) {
        Some(Some("sets")) => format!("@sets.{}", call.func_name),
        Some(Some(_)) => return,
        Some(None) => format!("@{}", call.func_name),
        None if call.func_name == "matches" => "@matches".to_owned(),
        None => return,
    };
    if FUNCTIONS.iter().any(|(ours, _)| *ours == name) {
        call.func_name = name;
        // A method's target is its first argument.
        let target = call.target.take().filter(|t| namespace(&t.expr).is_none());
        call.args.splice(0..0, target.map(|t| *t));
    }
}

/// Makes our functions known, at the expense of `budget`.
pub(crate) fn declare(context: &mut Context<'_, '_>, budget: &Budget) -> Result<(), cel::DeclarationError> {
    let evaluation = Arc::new(Evaluation {
        budget: budget.clone(),
        patterns: Mutex::default(),
    });
    for (name, body) in FUNCTIONS {
        let evaluation = Arc::clone(&evaluation);
        let function: Function = Box::new(move |call| body(&evaluation, call));
        context.add_function(name, function)?;
    }
    Ok(())
}

fn weigh<'c, 'v>(evaluation: &Evaluation, call: &mut FunctionContext<'c, 'v>) -> Outcome<'c, 'v> {
    let value = call.args.pop().ok_or_else(no_overload)?;
    if evaluation.budget.spend_on(value.as_ref()) {
        Ok(value)
    } else {
        Err(spent())
    }
}

/// Two lists, compared each with each.
fn sets<'c, 'v>(
    evaluation: &Evaluation,
    call: &mut FunctionContext<'c, 'v>,
    judge: fn(&[Item<'v>], &[Item<'v>]) -> bool,
) -> Outcome<'c, 'v> {
    let [left, right] = call.args.as_slice() else {
        return Err(no_overload());
    };
    let left = left
        .downcast_ref::<CelList<'v>>()
        .ok_or_else(no_overload)?
        .inner();
    let right = right
        .downcast_ref::<CelList<'v>>()
        .ok_or_else(no_overload)?
        .inner();
    // Unequal values tell themselves apart early; equal ones end the search.
    if !evaluation
        .budget
        .spend(left.len().saturating_mul(right.len()).saturating_mul(2))
    {
        return Err(spent());
    }
    Ok(CowVal::owned(CelBool::from(judge(left, right))))
}

fn covers<'v>(all: &[Item<'v>], some: &[Item<'v>]) -> bool {
    some.iter().all(|item| holds(all, item.as_ref()))
}

fn holds<'v>(list: &[Item<'v>], item: &(dyn Val + 'v)) -> bool {
    list.iter().any(|other| other.equals(item))
}

/// `list.first()`, `list.last()`: an optional, which the interpreter lacks.
fn end<'c, 'v>(
    call: &mut FunctionContext<'c, 'v>,
    choose: for<'l> fn(&'l [Item<'v>]) -> Option<&'l Item<'v>>,
) -> Outcome<'c, 'v> {
    let [list] = call.args.as_slice() else {
        return Err(no_overload());
    };
    let list = list
        .downcast_ref::<CelList<'v>>()
        .ok_or_else(no_overload)?
        .inner();
    let item = choose(list).map(|item| item.clone_as_boxed());
    Ok(CowVal::owned(CelOptional::from(item)))
}

/// `list.join()`, `list.join(separator)`
fn join<'c, 'v>(evaluation: &Evaluation, call: &mut FunctionContext<'c, 'v>) -> Outcome<'c, 'v> {
    let (list, separator) = match call.args.as_slice() {
        [list] => (list, ""),
        [list, separator] => (list, text(separator)?),
        _ => return Err(no_overload()),
    };
    let list = list
        .downcast_ref::<CelList<'v>>()
        .ok_or_else(no_overload)?
        .inner();
    if !evaluation
        .budget
        .spend(separator.len().saturating_mul(list.len()))
    {
        return Err(spent());
    }
    let invalid = || ExecutionError::function_error("join", "join: invalid input");
    let texts: Option<Vec<&str>> = list
        .iter()
        .map(|v| v.downcast_ref::<CelString<'_>>().map(CelString::inner))
        .collect();
    Ok(CowVal::owned(CelString::from(
        texts.ok_or_else(invalid)?.join(separator),
    )))
}

/// `text.replace(old, new)`, `text.replace(old, new, limit)`
fn replace<'c, 'v>(evaluation: &Evaluation, call: &mut FunctionContext<'c, 'v>) -> Outcome<'c, 'v> {
    let (whole, old, new, limit) = match call.args.as_slice() {
        [whole, old, new] => (whole, old, new, -1),
        [whole, old, new, limit] => {
            let limit = limit.downcast_ref::<CelInt>().ok_or_else(no_overload)?;
            (whole, old, new, *limit.inner())
        }
        _ => return Err(no_overload()),
    };
    let (whole, old, new) = (text(whole)?, text(old)?, text(new)?);
    // A negative limit is none.
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let times = whole.matches(old).count().min(limit);
    if !evaluation.budget.spend(times.saturating_mul(new.len())) {
        return Err(spent());
    }
    Ok(CowVal::owned(CelString::from(whole.replacen(old, new, limit))))
}

/// `text.matches(pattern)`, `matches(text, pattern)`
fn matches<'c, 'v>(evaluation: &Evaluation, call: &mut FunctionContext<'c, 'v>) -> Outcome<'c, 'v> {
    let [whole, pattern] = call.args.as_slice() else {
        return Err(no_overload());
    };
    let (whole, pattern) = (text(whole)?, text(pattern)?);
    let mut patterns = evaluation.patterns.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = patterns.get(pattern) {
        return Ok(CowVal::owned(CelBool::from(regex.is_match(whole))));
    }
    // Repetitions are written out before they are matched: `x{100}` is a hundred times `x`.
    let each = if pattern.contains('{') { 1 << 16 } else { 1 << 8 };
    if !evaluation.budget.spend(pattern.len().saturating_mul(each)) {
        return Err(spent());
    }
    let regex = re2::compile_within(pattern, 1 << 20);
    let regex = regex.map_err(|_| ExecutionError::function_error("matches", "error parsing regexp"))?;
    let outcome = regex.is_match(whole);
    if patterns.len() < PATTERNS {
        patterns.insert(pattern.to_owned(), regex);
    }
    Ok(CowVal::owned(CelBool::from(outcome)))
}

fn text<'b>(value: &'b CowVal<'_, '_>) -> Result<&'b str, ExecutionError> {
    value
        .downcast_ref::<CelString<'_>>()
        .map(CelString::inner)
        .ok_or_else(no_overload)
}

fn no_overload() -> ExecutionError {
    ExecutionError::no_such_overload("", Vec::new())
}

/// Nobody reads this: an evaluation that spent its budget is reported as such, whatever it returned.
fn spent() -> ExecutionError {
    ExecutionError::function_error(WEIGH, "the budget is spent")
}
