//! Sprig's arithmetic.

use super::cast::{to_float, to_int};
use super::decimal::Decimal;
use super::{Answer, Call, Function, Ty, fixed, string, variadic};
use crate::template::error::Fault;
use crate::template::print;
use crate::template::value::{List, ListKind, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("atoi", &[Ty::Str], |c| {
        let text = c.text(0);
        let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
        let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let clamped = if text.starts_with('-') { i64::MIN } else { i64::MAX };
        Ok(Value::Int(if valid {
            text.strip_prefix('+').unwrap_or(&text).parse().unwrap_or(clamped)
        } else {
            0
        }))
    }),
    fixed("int64", &[Ty::Any], |c| Ok(Value::Int64(to_int(c.any(0))))),
    fixed("int", &[Ty::Any], |c| Ok(Value::Int(to_int(c.any(0))))),
    fixed("float64", &[Ty::Any], |c| Ok(Value::Float(to_float(c.any(0))))),
    fixed("toDecimal", &[Ty::Any], |c| {
        let text = String::from_utf8_lossy(&print::to_bytes(c.any(0))?).into_owned();
        Ok(Value::Int64(octal(&text)))
    }),
    fixed("add1", &[Ty::Any], |c| {
        Ok(Value::Int64(to_int(c.any(0)).wrapping_add(1)))
    }),
    variadic("add", &[Ty::Any], |c| {
        Ok(Value::Int64(c.args.iter().map(to_int).fold(0, i64::wrapping_add)))
    }),
    fixed("sub", &[Ty::Any, Ty::Any], |c| {
        Ok(Value::Int64(to_int(c.any(0)).wrapping_sub(to_int(c.any(1)))))
    }),
    fixed("div", &[Ty::Any, Ty::Any], |c| divide(c, i64::wrapping_div)),
    fixed("mod", &[Ty::Any, Ty::Any], |c| divide(c, i64::wrapping_rem)),
    variadic("mul", &[Ty::Any, Ty::Any], |c| {
        Ok(Value::Int64(c.args.iter().map(to_int).fold(1, i64::wrapping_mul)))
    }),
    fixed("randInt", &[Ty::Int, Ty::Int], |c| {
        let (min, max) = (c.int(0), c.int(1));
        let width = max.wrapping_sub(min);
        if width <= 0 {
            return Err("invalid argument to Intn".into());
        }
        let mut bytes = [0; 8];
        c.run.environment.random(&mut bytes);
        let value = u64::from_le_bytes(bytes) % width.unsigned_abs();
        Ok(Value::Int(min.wrapping_add(value as i64)))
    }),
    fixed("add1f", &[Ty::Any], |c| {
        let one = [Value::Int(1)];
        decimal(to_float(c.any(0)), &one, Decimal::add)
    }),
    variadic("addf", &[Ty::Any], |c| decimal(0.0, c.rest(0), Decimal::add)),
    variadic("subf", &[Ty::Any, Ty::Any], |c| {
        decimal(to_float(c.any(0)), c.rest(1), Decimal::sub)
    }),
    variadic("divf", &[Ty::Any, Ty::Any], |c| {
        decimal(to_float(c.any(0)), c.rest(1), Decimal::div)
    }),
    variadic("mulf", &[Ty::Any, Ty::Any], |c| {
        decimal(to_float(c.any(0)), c.rest(1), Decimal::mul)
    }),
    variadic("max", &[Ty::Any, Ty::Any], largest),
    variadic("biggest", &[Ty::Any, Ty::Any], largest),
    variadic("min", &[Ty::Any, Ty::Any], |c| {
        Ok(Value::Int64(c.args.iter().map(to_int).min().unwrap_or(0)))
    }),
    variadic("maxf", &[Ty::Any, Ty::Any], |c| {
        Ok(Value::Float(fold(&c.args, |a, b| {
            if a > b || a.is_nan() { a } else { b }
        })))
    }),
    variadic("minf", &[Ty::Any, Ty::Any], |c| {
        Ok(Value::Float(fold(&c.args, |a, b| {
            if a < b || a.is_nan() { a } else { b }
        })))
    }),
    fixed("ceil", &[Ty::Any], |c| {
        Ok(Value::Float(to_float(c.any(0)).ceil()))
    }),
    fixed("floor", &[Ty::Any], |c| {
        Ok(Value::Float(to_float(c.any(0)).floor()))
    }),
    variadic("round", &[Ty::Any, Ty::Int, Ty::Float], |c| {
        let on = match c.any(2) {
            Value::Float(on) => *on,
            _ => 0.5,
        };
        let pow = 10f64.powf(c.int(1) as f64);
        let digit = pow * to_float(c.any(0));
        let rounded = if digit.fract() >= on {
            digit.ceil()
        } else {
            digit.floor()
        };
        Ok(Value::Float(rounded / pow))
    }),
    fixed("until", &[Ty::Int], |c| {
        let count = c.int(0);
        range(c, 0, count, if count < 0 { -1 } else { 1 })
    }),
    fixed("untilStep", &[Ty::Int, Ty::Int, Ty::Int], |c| {
        let (start, stop, step) = (c.int(0), c.int(1), c.int(2));
        range(c, start, stop, step)
    }),
    variadic("seq", &[Ty::Int], seq),
];

fn largest(call: &mut Call<'_, '_>) -> Answer {
    Ok(Value::Int64(call.args.iter().map(to_int).max().unwrap_or(0)))
}

fn fold(args: &[Value], pick: fn(f64, f64) -> f64) -> f64 {
    args.iter().map(to_float).reduce(pick).unwrap_or(0.0)
}

fn divide(call: &mut Call<'_, '_>, operation: fn(i64, i64) -> i64) -> Answer {
    let (a, b) = (to_int(call.any(0)), to_int(call.any(1)));
    if b == 0 {
        return Err("runtime error: integer divide by zero".into());
    }
    Ok(Value::Int64(operation(a, b)))
}

fn decimal(
    first: f64,
    others: &[Value],
    operation: fn(&Decimal, &Decimal) -> Result<Decimal, String>,
) -> Answer {
    let mut result = Decimal::from_float(first)?;
    for other in others {
        result = operation(&result, &Decimal::from_float(to_float(other))?)?;
        if result.digits() > 100_000 {
            return Err(Fault::Limit(
                "decimal numbers have more than 100000 digits".into(),
            ));
        }
    }
    Ok(Value::Float(result.to_float()))
}

/// Go's `ParseInt(text, 8, 64)`.
fn octal(text: &str) -> i64 {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.starts_with(['+', '-']) {
        return 0;
    }
    let magnitude = i128::from_str_radix(digits, 8).unwrap_or(0);
    i64::try_from(if negative { -magnitude } else { magnitude }).unwrap_or(0)
}

fn steps(start: i64, stop: i64, step: i64) -> Option<usize> {
    let forwards = stop >= start;
    if forwards && step <= 0 || !forwards && step >= 0 {
        return Some(0);
    }
    let distance = stop.abs_diff(start);
    usize::try_from(distance.div_ceil(step.unsigned_abs())).ok()
}

fn range(call: &mut Call<'_, '_>, start: i64, stop: i64, step: i64) -> Answer {
    let count = steps(start, stop, step).unwrap_or(usize::MAX);
    call.step(count)?;
    call.run.spend(count.saturating_mul(16))?;
    let items = (0..count as i64)
        .map(|i| Value::Int(start.wrapping_add(step.wrapping_mul(i))))
        .collect();
    Ok(List::of(ListKind::Int, items))
}

fn seq(call: &mut Call<'_, '_>) -> Answer {
    let params: Vec<i64> = (0..call.args.len()).map(|i| call.int(i)).collect();
    let direction = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, stop, step) = match *params.as_slice() {
        [end] => (1, end.wrapping_add(direction(1, end)), direction(1, end)),
        [start, end] => (
            start,
            end.wrapping_add(direction(start, end)),
            direction(start, end),
        ),
        [start, step, end] => {
            if end < start && step > 0 {
                return string("");
            }
            (start, end.wrapping_add(direction(start, end)), step)
        }
        _ => return string(""),
    };
    let count = steps(start, stop, step).unwrap_or(usize::MAX);
    call.step(count)?;
    call.run.spend(count.saturating_mul(4))?;
    let numbers: Vec<String> = (0..count as i64)
        .map(|i| start.wrapping_add(step.wrapping_mul(i)).to_string())
        .collect();
    string(numbers.join(" "))
}
