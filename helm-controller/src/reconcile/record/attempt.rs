//! What an attempt is for, and what users ask for by annotation.

use super::Draft;
use crate::{digests, spec, state::Desired};
use crds::meta::{FORCE_AT, REQUESTED_AT, RESET_AT};
use kube::ResourceExt as _;

impl Draft<'_> {
    /// An attempt begins: what it is for; failures of another attempt no longer count.
    pub fn attempt(&mut self, desired: &Desired, oci_digest: Option<&str>) {
        let reset = self.take_request(RESET_AT);
        let status = &mut self.status;
        status.storage_namespace = Some(spec::storage_namespace(self.object));
        let known = status.last_attempted_config_digest.clone();
        let differs = status.last_attempted_generation != self.generation
            || status.last_attempted_revision.as_deref() != Some(&desired.chart_version)
            || known.is_some_and(|known| !digests::are_values(&known, &desired.values));
        if differs || reset {
            self.clear_failures();
        }
        let status = &mut self.status;
        status.last_attempted_generation = self.generation;
        status.last_attempted_revision = Some(desired.chart_version.clone());
        status.last_attempted_revision_digest = oci_digest.map(str::to_owned);
        status.last_attempted_config_digest =
            Some(digests::of_values(self.settings.algorithm, &desired.values));
        status.last_attempted_values_checksum = None;
        status.last_release_revision = 0;
    }

    /// Whether the user asks, by annotation, for a release whatever the state; counts as handled from now on.
    pub fn forced(&mut self) -> bool {
        self.take_request(FORCE_AT)
    }

    /// A request counts when it comes with a request to reconcile of the same value, and was not handled before.
    fn take_request(&mut self, key: &str) -> bool {
        let annotations = self.object.annotations();
        let Some(value) = annotations.get(key) else {
            return false;
        };
        let handled = match key {
            FORCE_AT => &mut self.status.last_handled_force_at,
            _ => &mut self.status.last_handled_reset_at,
        };
        let fresh = handled.as_ref() != Some(value);
        *handled = Some(value.clone());
        let requested = annotations.get(REQUESTED_AT);
        fresh && requested == Some(value) && self.status.last_handled_reconcile_at.as_ref() != requested
    }
}
