//! Fields that may differ (`spec.ignore`): whether somebody changed more than those, and what to write without touching them.

use super::{super::step::Stop, Target, Writer};
use crate::ledger::{self, Planned};
use ::apply::{ignore, plan::Action};
use serde_json::Value;

impl<'w> Writer<'w> {
    /// Looks at the live objects that have such fields. Those of which nothing else was changed need no write; the manifests
    /// of the others take over what the fields are now.
    pub(super) async fn heed_ignored<'t>(
        &mut self,
        due: Vec<&'t Target<'t>>,
    ) -> Result<Vec<&'t Target<'t>>, Stop> {
        let mut still_due = Vec::with_capacity(due.len());
        for target in due {
            if !target.planned.ignored.is_empty() && self.is_settled(target).await? {
                continue;
            }
            still_due.push(target);
        }
        Ok(still_due)
    }

    async fn is_settled(&mut self, target: &Target<'_>) -> Result<bool, Stop> {
        let (planned, object) = (target.planned, &target.planned.object);
        let live = self.applier.live(object, &target.resource).await;
        let Some(live) = live.map_err(|e| self.failed(&e))? else {
            return Ok(false);
        };
        let beside = self.beside(&live, planned);
        if let Action::Correct { .. } = target.action {
            let mut memory = ledger::lock(self.memory);
            let same = |w: &ledger::Written| {
                w.desired == planned.fingerprint
                    && w.beside == beside
                    && live["metadata"]["uid"] == w.uid.as_str()
            };
            if memory.written.get(&object.id()).is_some_and(same) {
                let fields = self.context.ownership.read(&live).fingerprint;
                memory.settle(&object.id(), fields);
                return Ok(true);
            }
        }
        let manifest = self.manifests.as_mut().and_then(|m| m.get_mut(&object.id()));
        if let Some(manifest) = manifest {
            ignore::yield_to(
                &mut manifest.value,
                &live,
                &planned.ignored,
                &self.context.ownership,
            );
        }
        Ok(false)
    }

    /// The fingerprint of an object's fields beside those that may differ.
    pub(super) fn beside(&self, live: &Value, planned: &Planned) -> u64 {
        let ownership = &self.context.ownership;
        match planned.ignored.as_slice() {
            [] => ownership.read(live).fingerprint,
            ignored => ownership.read(&ignore::beside(live, ignored)).fingerprint,
        }
    }
}
