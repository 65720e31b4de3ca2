//! The revisions that an action left in storage, in the status's history.

use super::Draft;
use crate::{
    history,
    release::job::{Ended, Observed},
};
use crds::helm::{ReleaseAction, Snapshot};

impl Draft<'_> {
    pub(super) fn take_inventory(&mut self, ended: &Ended) {
        if let Some(inventory) = &ended.inventory {
            self.status.inventory = Some(inventory.clone());
        }
    }

    /// The newest revision becomes the latest snapshot; of the older ones that were written, the newest is renewed.
    pub(super) fn observe(&mut self, observed: &[Observed], action: ReleaseAction) {
        let mut sorted: Vec<&Observed> = observed.iter().collect();
        sorted.sort_by_key(|o| std::cmp::Reverse(o.release.version));
        let Some((newest, older)) = sorted.split_first() else {
            return;
        };
        let algorithm = self.settings.algorithm;
        let oci = self.status.last_attempted_revision_digest.clone();
        let snapshot = history::snapshot(algorithm, &newest.release, oci.as_deref(), Some(action));
        self.status.history.insert(0, snapshot);
        for seen in older {
            if let Some(known) = self
                .status
                .history
                .iter_mut()
                .find(|s| history::is_of(s, &seen.release))
            {
                *known = renewed(
                    known,
                    history::snapshot(algorithm, &seen.release, known.oci_digest.as_deref(), None),
                );
                return;
            }
        }
    }

    pub(super) fn observe_rollback(&mut self, observed: &[Observed]) {
        let algorithm = self.settings.algorithm;
        for seen in observed {
            let action = Some(ReleaseAction::Rollback);
            match self
                .status
                .history
                .iter_mut()
                .find(|s| history::is_of(s, &seen.release))
            {
                Some(known) => {
                    *known = renewed(
                        known,
                        history::snapshot(algorithm, &seen.release, known.oci_digest.as_deref(), action),
                    );
                }
                None => {
                    // Flux knows the action of a revision only from its second write on.
                    let action = action.filter(|_| seen.writes > 1);
                    self.status
                        .history
                        .insert(0, history::snapshot(algorithm, &seen.release, None, action));
                }
            }
        }
        history::latest(&mut self.status.history);
    }

    pub(super) fn observe_uninstall(&mut self, observed: &[Observed], action: ReleaseAction) {
        let algorithm = self.settings.algorithm;
        for seen in observed {
            if let Some(known) = self
                .status
                .history
                .iter_mut()
                .find(|s| history::is_of(s, &seen.release))
            {
                *known = renewed(
                    known,
                    history::snapshot(
                        algorithm,
                        &seen.release,
                        known.oci_digest.as_deref(),
                        Some(action),
                    ),
                );
            }
        }
    }
}

/// A snapshot made anew keeps what tests came to.
fn renewed(known: &Snapshot, mut snapshot: Snapshot) -> Snapshot {
    snapshot.test_hooks = known.test_hooks.clone();
    snapshot
}
