//! Numbers as Go's `encoding/json` and `strconv` read and print them.

use crate::resolve::{integer, without_underscores};
use crate::{Error, Tag};
use serde_json::Number;

/// The JSON number that the text of an `!!int` or `!!float` scalar stands for.
///
/// # Errors
/// `.nan` and `.inf`, which JSON has not.
pub fn json_number(text: &str, tag: Tag) -> Result<Number, Error> {
    let plain = without_underscores(text);
    if tag == Tag::Int
        && let Some(value) = integer(&plain)
    {
        if let Ok(value) = i64::try_from(value) {
            return Ok(value.into());
        }
        if let Ok(value) = u64::try_from(value) {
            return Ok(value.into());
        }
    }
    let float = plain
        .parse::<f64>()
        .ok()
        .or_else(|| integer(&plain).map(|i| i as f64));
    float.and_then(from_float).ok_or_else(|| {
        let lower = text.to_ascii_lowercase();
        let shown = match lower.as_str() {
            ".nan" => "NaN",
            "-.inf" => "-Inf",
            _ => "+Inf",
        };
        Error::NotJson(shown.to_string())
    })
}

/// Go prints an integral float below 1e21 as its shortest digits and zeros, and that is read back as an integer.
fn from_float(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() < 1e21 {
        let text = if value == 0.0 {
            "0".to_string()
        } else {
            value.to_string()
        };
        if let Ok(value) = text.parse::<i64>() {
            return Some(value.into());
        }
        if let Ok(value) = text.parse::<u64>() {
            return Some(value.into());
        }
    }
    Number::from_f64(value)
}

/// How go-yaml prints the number: integers bare, floats in Go's shortest `%g`.
pub(crate) fn print(number: &Number) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    let Some(value) = number.as_f64() else {
        return number.to_string();
    };
    if let Some(whole) = from_float(value).filter(|n| !n.is_f64()) {
        return whole.to_string();
    }
    shortest(value)
}

/// How go-yaml writes a float: Go's `strconv.FormatFloat(value, 'g', -1, 64)`, so the exponent form below 1e-4 and from 1e6, with at least two
/// digits of exponent.
pub fn shortest(value: f64) -> String {
    general(&format!("{value:e}"), || value.to_string())
}

/// The same with the precision of 32 bits, in which `sigs.k8s.io/yaml` writes keys.
pub(crate) fn shortest_single(value: f64) -> String {
    let value = value as f32;
    general(&format!("{value:e}"), || value.to_string())
}

/// Go's `%g`, from the shortest digits with an exponent, and without one.
fn general(scientific: &str, plain: impl Fn() -> String) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific.to_owned();
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return plain();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
