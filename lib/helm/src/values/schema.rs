//! Stub
use crate::dependencies::Node;
use crate::template::value::Map;
pub(crate) fn validate(_: &Node<'_>, _: &Map) -> Result<(), String> {
    Ok(())
}
