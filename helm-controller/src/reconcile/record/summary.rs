//! The Ready condition as the sum of the others.

use super::Draft;
use crate::{digests, spec};
use crds::{
    helm::{
        HelmReleaseSpec,
        condition::{RELEASED, REMEDIATED, TEST_SUCCESS},
    },
    meta::{Condition, ConditionStatus, READY, STALLED},
};
use runtime::conditions;

impl Draft<'_> {
    /// Copies the newest of what remediation, tests and release say to Ready; what was remediated is not ready.
    pub fn summarize(&mut self) {
        let tests = spec::tests(self.object);
        if !tests {
            self.conditions().remove(TEST_SUCCESS);
        }
        let heeds_tests = tests && !spec::ignores_test_failures(self.object);
        let order = [REMEDIATED, TEST_SUCCESS, RELEASED];
        let candidates = order.into_iter().filter(|t| *t != TEST_SUCCESS || heeds_tests);
        let mut newest: Option<&Condition> = None;
        for type_ in candidates {
            let Some(found) = conditions::find(&self.status.conditions, type_) else {
                continue;
            };
            if newest.is_none_or(|n| found.observed_generation > n.observed_generation) {
                newest = Some(found);
            }
        }
        let Some(newest) = newest.cloned() else { return };
        let status = match newest.type_.as_str() {
            REMEDIATED => ConditionStatus::False,
            _ => newest.status,
        };
        let mut conditions = self.conditions();
        match status {
            ConditionStatus::True => {
                conditions.remove(STALLED);
                conditions.mark_true(READY, &newest.reason, newest.message);
            }
            ConditionStatus::False => conditions.mark_false(READY, &newest.reason, newest.message),
            ConditionStatus::Unknown => conditions.mark_unknown(READY, &newest.reason, newest.message),
        }
    }

    /// Notes what a release was made of beside chart and values: of the spec that it was made for.
    pub(super) fn made_for(&mut self, spec: &HelmReleaseSpec) {
        let algorithm = self.settings.algorithm;
        self.status.observed_post_renderers_digest = digests::of_post_renderers(algorithm, spec);
        self.status.observed_common_metadata_digest = digests::of_common_metadata(algorithm, spec);
    }
}
