//! The expressions of Receivers, compiled once for each state of them.

use super::validate::{Invalid, Validated, Version, validate};
use crate::judges::Judges;
use crds::notification::Receiver;
use runtime::Key;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What was compiled, and who compiles.
#[derive(Debug, Default)]
pub struct Compiled {
    judges: Judges,
    known: Mutex<HashMap<Key, Known>>,
}

#[derive(Debug)]
struct Known {
    version: Version,
    outcome: Result<Arc<Validated>, Invalid>,
}

/// Why there are none.
#[derive(Debug)]
pub enum Unusable {
    /// What the Receiver says is wrong.
    Invalid(Invalid),
    /// Nothing that it says should do this.
    Crashed,
}

impl Compiled {
    /// A Receiver's expressions. They are compiled once, however many ask, when its namespace's turn has come; and kept if it is
    /// `still_there` then.
    ///
    /// # Errors
    /// When they cannot be used.
    pub async fn of(
        self: &Arc<Self>,
        receiver: &Arc<Receiver>,
        key: &Key,
        still_there: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<Arc<Validated>, Unusable> {
        let version = Version::of(receiver);
        let outcome = match self.known(key, &version) {
            Some(outcome) => Some(outcome),
            None => {
                let (this, spec, own) = (self.clone(), receiver.clone(), key.clone());
                let compile = move || {
                    // Another may have asked before.
                    if let Some(outcome) = this.known(&own, &version) {
                        return outcome;
                    }
                    let outcome = validate(&spec).map(Arc::new);
                    this.keep(own, version, outcome.clone(), still_there);
                    outcome
                };
                self.judges.at_work(&key.namespace, compile).await
            }
        };
        outcome.ok_or(Unusable::Crashed)?.map_err(Unusable::Invalid)
    }

    fn known(&self, key: &Key, version: &Version) -> Option<Result<Arc<Validated>, Invalid>> {
        let known = self.lock();
        let known = known.get(key).filter(|known| known.version == *version)?;
        Some(known.outcome.clone())
    }

    /// Under the lock, so that whoever forgets it does so after this, or it is not there any more.
    fn keep(
        &self,
        key: Key,
        version: Version,
        outcome: Result<Arc<Validated>, Invalid>,
        still_there: impl FnOnce() -> bool,
    ) {
        let mut known = self.lock();
        if still_there() {
            known.insert(key, Known { version, outcome });
        }
    }

    /// Forgets a Receiver that is gone.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use serde_json::json;

    fn receiver(filter: &str) -> Arc<Receiver> {
        let spec =
            json!({"type": "generic", "secretRef": {"name": "s"}, "resources": [], "resourceFilter": filter});
        let object = json!({"metadata": {"namespace": "team", "name": "hook", "uid": filter, "generation": 1}, "spec": spec});
        Arc::new(serde_json::from_value(object).unwrap())
    }

    #[tokio::test]
    async fn expressions_are_compiled_in_their_turn_and_once() {
        let judges = Judges::default();
        let own = Compiled {
            judges: judges.clone(),
            ..Compiled::default()
        };
        let (compiled, key) = (Arc::new(own), Key::new("team", "hook"));
        let (good, bad) = (receiver("true"), receiver("("));
        let busy = judges.engage("team").await;
        let mut first = Box::pin(compiled.of(&good, &key, || true));
        let mut second = Box::pin(compiled.of(&good, &key, || panic!("it is known by then")));
        assert!((&mut first).now_or_never().is_none(), "another's turn");
        assert!((&mut second).now_or_never().is_none());
        drop(busy);
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        // What is wrong is known as well.
        for still_there in [true, false] {
            let told = compiled.of(&bad, &key, move || still_there).await;
            assert!(matches!(told, Err(Unusable::Invalid(_))), "{told:?}");
        }
        assert!(compiled.of(&bad, &key, || true).now_or_never().is_some());
        // Of one that went meanwhile, nothing is kept.
        compiled.forget(&key);
        compiled.of(&good, &key, || false).await.unwrap();
        assert!(compiled.lock().is_empty());
    }
}
