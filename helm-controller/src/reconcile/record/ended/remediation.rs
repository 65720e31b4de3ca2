//! What a remediation came to, be it a rollback or an uninstall, and whether it was the last.

use super::super::pass::End;
use super::{Draft, about, with_facts, with_log};
use crate::{
    digests, history,
    release::job::{ActionError, Ended},
    spec::{self, Remediation},
};
use crds::helm::{AttemptedAction, ReleaseAction, condition::REMEDIATED, reason as hr};
use runtime::events::Event;

impl Draft<'_> {
    pub(super) fn rolled_back(&mut self, ended: &Ended, to: i64) -> Option<End> {
        let before = self.latest()?;
        let target = self.status.history.iter().find(|s| s.version == to)?.clone();
        self.observe_rollback(&ended.observed);
        self.take_inventory(ended);
        let (name, chart) = (history::full_name(&target), history::versioned_chart(&target));
        let words = format!("Helm rollback to previous release {name} with chart {chart}");
        let token = digests::of_values(self.settings.algorithm, &ended.job.values);
        let facts = |event| {
            with_facts(
                event,
                &target.chart_version,
                &token,
                target.app_version.as_deref(),
                target.oci_digest.as_deref(),
            )
        };
        let end = match &ended.result {
            Ok(()) => {
                let message = format!("{words} succeeded");
                self.conditions()
                    .mark_true(REMEDIATED, hr::ROLLBACK_SUCCEEDED, message.clone());
                self.events
                    .push(facts(Event::normal(hr::ROLLBACK_SUCCEEDED, message)));
                self.remediated()
            }
            Err(error) => {
                let message = format!("{words} failed: {}", error.to_string().trim());
                self.status.failures += 1;
                self.conditions()
                    .mark_false(REMEDIATED, hr::ROLLBACK_FAILED, message.clone());
                let event = Event::warning(hr::ROLLBACK_FAILED, with_log(&message, &ended.log));
                self.events.push(facts(event));
                match self.latest().is_some_and(|s| s.digest != before.digest) {
                    true => self.remediated(),
                    false => self.nothing_stored(error),
                }
            }
        };
        self.summarize();
        Some(end)
    }

    pub(super) fn undone(&mut self, ended: &Ended) -> Option<End> {
        let before = self.latest()?;
        self.observe_uninstall(&ended.observed, ReleaseAction::UninstallRemediation);
        let latest = self.latest()?;
        let stored = latest.digest != before.digest;
        let (name, chart) = (history::full_name(&latest), history::versioned_chart(&latest));
        let words = format!("Helm uninstall remediation for release {name} with chart {chart}");
        let error = match &ended.result {
            Err(error) => Some(error.to_string()),
            Ok(()) if !stored => {
                Some("uninstall completed with error: release not updated in Helm storage".to_owned())
            }
            Ok(()) => None,
        };
        let end = match error {
            None => {
                let message = format!("{words} succeeded");
                self.conditions()
                    .mark_true(REMEDIATED, hr::UNINSTALL_SUCCEEDED, message.clone());
                self.events
                    .push(about(Event::normal(hr::UNINSTALL_SUCCEEDED, message), &latest));
                self.remediated()
            }
            Some(error) => {
                let message = format!("{words} failed: {}", error.trim());
                self.status.failures += 1;
                self.conditions()
                    .mark_false(REMEDIATED, hr::UNINSTALL_FAILED, message.clone());
                let event = Event::warning(hr::UNINSTALL_FAILED, with_log(&message, &ended.log));
                self.events.push(about(event, &latest));
                match stored {
                    true => self.remediated(),
                    false => self.nothing_stored(&ActionError::Helm(error)),
                }
            }
        };
        // Ready goes on to tell of the failure, as in Flux.
        Some(end)
    }

    /// After a remediation the round is over.
    fn remediated(&mut self) -> End {
        let status = &self.status;
        if let Some(pause) = spec::active_retry(self.object, status, self.settings.retry_by_default) {
            return End::RetryAfter(pause, None);
        }
        let rules = Remediation::active(self.object, status);
        let reinstalls = rules.is_some_and(|r| {
            r.of == AttemptedAction::Upgrade && r.strategy == crds::helm::RemediationStrategy::Uninstall
        });
        match rules.is_some_and(|r| r.exhausted(status)) && !reinstalls {
            true => self.retries_exceeded(),
            false => End::Retry("the release was remediated, it is tried again".to_owned()),
        }
    }
}
