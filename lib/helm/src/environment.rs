//! What a template may know of the world, handed in by who renders.

use serde_json::{Map, Value};

/// The clock, the dice and the cluster.
pub trait Environment: Sync {
    /// Seconds and nanoseconds since 1970, UTC.
    fn now(&self) -> (i64, u32);

    /// The name of the local time zone in the IANA database.
    fn zone(&self) -> &str {
        "UTC"
    }

    /// Fills `bytes` with randomness fit for keys.
    fn random(&self, bytes: &mut [u8]);

    /// What `lookup` gives: the object, the list of objects if `name` is empty, or an empty map if there is none.
    ///
    /// # Errors
    /// Text of what went wrong, which fails the rendering.
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        let _ = (api_version, kind, namespace, name);
        Ok(Value::Object(Map::new()))
    }
}
