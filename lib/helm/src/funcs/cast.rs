//! spf13/cast: any value as a number, zero if it is none.

use crate::template::number;
use crate::template::value::Value;

/// `cast.ToInt64`.
pub(crate) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(int) | Value::Int64(int) => *int,
        Value::Month(int) | Value::Weekday(int) => i64::from(*int),
        Value::Byte(byte) => i64::from(*byte),
        Value::Uint(uint) => *uint as i64,
        Value::Float(float) => truncate(*float),
        Value::Bool(truth) => i64::from(*truth),
        Value::Str(text) => number::signed(trim_zero_decimal(&text.text())).unwrap_or(0),
        _ => 0,
    }
}

/// `cast.ToFloat64`.
pub(crate) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(float) => *float,
        Value::Int(int) | Value::Int64(int) => *int as f64,
        Value::Byte(byte) => f64::from(*byte),
        Value::Uint(uint) => *uint as f64,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Str(text) => number::float(&text.text()).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Go's conversion on amd64: what does not fit is the smallest integer.
pub(crate) fn truncate(float: f64) -> i64 {
    if float >= i64::MIN as f64 && float < i64::MAX as f64 {
        float as i64
    } else {
        i64::MIN
    }
}

/// `10.0` is `10`; `10.5` stays.
fn trim_zero_decimal(text: &str) -> &str {
    match text.rfind('.') {
        Some(at) if at + 1 < text.len() && text[at + 1..].bytes().all(|b| b == b'0') => &text[..at],
        _ => text,
    }
}
