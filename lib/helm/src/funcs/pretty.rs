//! Stub.
use crate::template::value::Value;
pub(crate) fn write(_: &Value) -> Result<String, String> {
    Err(String::new())
}
