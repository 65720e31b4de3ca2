//! A price for every step, so that no expression can run for long or hold much memory.
//!
//! The interpreter has no budget of its own. Before the first evaluation an expression is therefore rewritten: every
//! value that goes into a function, every list that is walked and every element that is gathered passes through a
//! call that weighs it and takes its weight from the budget of this evaluation.

use crate::functions;
use cel::common::ast::{CallExpr, EntryExpr, Expr, operators};
use cel::common::types::{CelBytes, CelList, CelMap, CelOptional, CelString};
use cel::common::value::Val;
use cel::parser::Expression;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The function that weighs; no expression can name it.
pub(crate) const WEIGH: &str = "@weigh";

/// In weights: some two million values held, or four hundred thousand steps, or a text of one megabyte searched
/// thirty times.
const BUDGET: usize = 32 << 20;

/// What a value weighs besides its text, in bytes that it takes in memory at least.
const VALUE: usize = 16;

/// What a step weighs besides its values: its time, in the time of passing by a byte.
const CALL: usize = 64;

/// An expression may be nested so deep; its evaluation needs a piece of the stack for every level.
const DEPTH: usize = 200;

/// The expression is nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooDeep;

/// What several evaluations may take together, each of them no more than one alone.
#[derive(Debug, Clone)]
pub struct Allowance(Budget);

impl Allowance {
    /// As much as so many evaluations may take at the most. What their variables hold is made theirs each time, and counts here.
    pub fn of(evaluations: usize) -> Self {
        Self(Budget::with(BUDGET.saturating_mul(evaluations)))
    }

    /// Whether there is nothing left.
    pub fn is_spent(&self) -> bool {
        self.0.is_spent()
    }

    /// What the next evaluation may spend.
    pub(crate) fn budget(&self) -> Budget {
        Budget::with(self.0.left().min(BUDGET))
    }

    pub(crate) fn spend_on_input(&self, value: &dyn Val) {
        self.0.spend_on(value);
    }

    /// Takes what an evaluation has spent.
    pub(crate) fn spend_what_is_gone(&self, budget: &Budget) {
        self.0.spend(budget.given.saturating_sub(budget.left()));
    }
}

/// What one evaluation may still spend.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    left: Arc<AtomicUsize>,
    given: usize,
}

impl Budget {
    fn with(given: usize) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(given)),
            given,
        }
    }

    /// Takes `amount`; `false` when there is not that much left, after which nothing is left.
    pub(crate) fn spend(&self, amount: usize) -> bool {
        let mut enough = false;
        let rest = |left: usize| {
            enough = left >= amount;
            Some(left.saturating_sub(amount))
        };
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        enough
    }

    /// Takes what `value` weighs, and what it takes to come to weigh it.
    pub(crate) fn spend_on(&self, value: &dyn Val) -> bool {
        self.spend(CALL.saturating_add(weight(value, self.left())))
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.left() == 0
    }

    fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

/// Counting ends somewhere above `limit`.
fn weight(value: &dyn Val, limit: usize) -> usize {
    let mut total = VALUE;
    let mut add = |part: &dyn Val| {
        let fits = total <= limit;
        total += if fits { weight(part, limit - total) } else { 0 };
        fits
    };
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        total += text.inner().len();
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        total += bytes.inner().len();
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        let _all = list.inner().iter().all(|v| add(v.as_ref()));
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let _all = map.inner().iter().all(|(k, v)| add(k.inner()) && add(v.as_ref()));
    } else if let Some(inner) = value
        .downcast_ref::<CelOptional<'_>>()
        .and_then(CelOptional::inner)
    {
        add(inner);
    }
    total
}

/// Puts the scales into `expression`.
pub(crate) fn meter(expression: &mut Expression) -> Result<(), TooDeep> {
    visit(expression, 0)
}

fn visit(expression: &mut Expression, depth: usize) -> Result<(), TooDeep> {
    if depth > DEPTH {
        return Err(TooDeep);
    }
    let deeper = depth + 1;
    match &mut expression.expr {
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        Expr::Select(select) => visit(&mut select.operand, deeper)?,
        Expr::List(list) => list.elements.iter_mut().try_for_each(|e| visit(e, deeper))?,
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .try_for_each(|e| entry(&mut e.expr, deeper))?,
        Expr::Struct(s) => s
            .entries
            .iter_mut()
            .try_for_each(|e| entry(&mut e.expr, deeper))?,
        Expr::Comprehension(c) => {
            visit(&mut c.iter_range, deeper)?;
            weigh(&mut c.iter_range);
            visit(&mut c.accu_init, deeper)?;
            if !step(&mut c.loop_step, &c.accu_var, deeper)? {
                visit(&mut c.loop_cond, deeper)?;
                weigh(&mut c.loop_cond);
            }
            visit(&mut c.result, deeper)?;
        }
        Expr::Call(call) => {
            call.args.iter_mut().try_for_each(|a| visit(a, deeper))?;
            let namespaced = call
                .target
                .as_ref()
                .is_some_and(|t| functions::namespace(&t.expr).is_some());
            if let Some(target) = call.target.as_deref_mut().filter(|_| !namespaced) {
                visit(target, deeper)?;
            }
            functions::redirect(call);
            if let Some(target) = call.target.as_deref_mut().filter(|_| !namespaced) {
                weigh(target);
            }
            match call.func_name.as_str() {
                operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | operators::CONDITIONAL
                | operators::NOT_STRICTLY_FALSE
                | operators::INDEX => {}
                // These copy what they find.
                operators::OPT_INDEX | operators::OPT_SELECT => weigh(expression),
                _ => call.args.iter_mut().for_each(weigh),
            }
        }
    }
    Ok(())
}

/// The step of a loop. The interpreter gathers the results of `map` and `filter` in place if it knows their steps by
/// their form, so that the form has to stay; `true` when the price of a round is within it.
fn step(expression: &mut Expression, accumulator: &str, depth: usize) -> Result<bool, TooDeep> {
    let gathers = |e: &Expression| matches!(&e.expr, Expr::Ident(name) if name == accumulator);
    if let Expr::Call(call) = &mut expression.expr {
        match (call.func_name.as_str(), call.args.as_mut_slice()) {
            (operators::CONDITIONAL, [guard, then, otherwise]) if gathers(otherwise) => {
                visit(guard, depth + 1)?;
                weigh(guard);
                step(then, accumulator, depth + 1)?;
                return Ok(true);
            }
            (operators::ADD, [first, added]) if gathers(first) => {
                visit(added, depth + 1)?;
                if let Expr::List(list) = &mut added.expr {
                    list.elements.iter_mut().for_each(weigh);
                    return Ok(true);
                }
                return Ok(false);
            }
            _ => {}
        }
    }
    visit(expression, depth)?;
    Ok(false)
}

fn entry(entry: &mut EntryExpr, depth: usize) -> Result<(), TooDeep> {
    match entry {
        EntryExpr::MapEntry(e) => {
            visit(&mut e.key, depth)?;
            visit(&mut e.value, depth)
        }
        EntryExpr::StructField(f) => visit(&mut f.value, depth),
    }
}

fn weigh(expression: &mut Expression) {
    let inner = mem::take(expression);
    expression.id = inner.id;
    expression.expr = Expr::Call(CallExpr {
        func_name: WEIGH.to_owned(),
        target: None,
        args: vec![inner],
    });
}
