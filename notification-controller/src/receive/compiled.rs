//! The expressions of Receivers, compiled once for each state of them.

use super::validate::{Invalid, Validated, Version, validate};
use crds::notification::Receiver;
use runtime::Key;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What was compiled.
#[derive(Debug, Default)]
pub struct Compiled(Mutex<HashMap<Key, (Version, Arc<Validated>)>>);

/// Why there are none.
#[derive(Debug)]
pub enum Unusable {
    /// What the Receiver says is wrong.
    Invalid(Invalid),
    /// Nothing that it says should do this.
    Crashed,
}

impl Compiled {
    /// A Receiver's expressions, compiled beside everything else; kept if it is `still_there` when they are.
    ///
    /// # Errors
    /// When they cannot be used.
    pub async fn of(
        &self,
        receiver: &Arc<Receiver>,
        key: &Key,
        still_there: impl FnOnce() -> bool,
    ) -> Result<Arc<Validated>, Unusable> {
        let version = Version::of(receiver);
        if let Some((known, validated)) = self.lock().get(key)
            && *known == version
        {
            return Ok(validated.clone());
        }
        let spec = receiver.clone();
        let compiled = tokio::task::spawn_blocking(move || validate(&spec)).await;
        let compiled = compiled.map_err(|_| Unusable::Crashed)?;
        let validated = Arc::new(compiled.map_err(Unusable::Invalid)?);
        if still_there() {
            self.lock().insert(key.clone(), (version, validated.clone()));
        }
        Ok(validated)
    }

    /// Forgets a Receiver that is gone.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (Version, Arc<Validated>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
