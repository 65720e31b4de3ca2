//! What an action came to, in the status: history, counters, conditions, events.

mod observed;
mod remediation;

use super::{Draft, about, pass::End, succeeded, with_facts};
use crate::{
    digests, history,
    next::Action,
    release::job::{ActionError, Ended},
    spec::{self, Remediation},
};
use crds::{
    helm::{
        AttemptedAction, ReleaseAction,
        condition::{RELEASED, REMEDIATED, TEST_SUCCESS},
        reason as hr,
    },
    meta::READY,
};
use runtime::events::Event;

impl Draft<'_> {
    /// Takes in what an action came to; gives how the pass ends, if it does.
    pub fn ended(&mut self, ended: Ended) -> Option<End> {
        let own = self.generation;
        let made_for = ended.job.object.clone();
        // What it says, it says of what it was begun for.
        self.generation = ended.job.inputs.generation;
        let canceled = matches!(ended.result, Err(ActionError::Canceled));
        let action = ended.job.action.clone();
        let end = match action {
            Action::Install => self.released(&ended, AttemptedAction::Install),
            Action::Upgrade => self.released(&ended, AttemptedAction::Upgrade),
            Action::Test => self.tested(&ended),
            Action::Rollback(to) => self.rolled_back(&ended, to),
            Action::UninstallRemediation => self.undone(&ended),
            Action::Uninstall => self.uninstalled(&ended),
            Action::Unlock => None,
        };
        let outdated = self.generation != own;
        self.generation = own;
        if action != Action::Uninstall {
            self.made_for(&made_for.spec);
        }
        if canceled {
            self.conditions().mark_false(
                READY,
                hr::HEALTH_CHECK_CANCELED,
                "New reconciliation triggered, the action under way was given up",
            );
            return Some(End::Again);
        }
        // Whatever pause it would bring, something newer is asked for.
        end.map(|end| if outdated { End::Again } else { end })
    }

    fn released(&mut self, ended: &Ended, of: AttemptedAction) -> Option<End> {
        let (action, word, well, badly) = match of {
            AttemptedAction::Install => {
                self.status.history.clear();
                (
                    ReleaseAction::Install,
                    "install",
                    hr::INSTALL_SUCCEEDED,
                    hr::INSTALL_FAILED,
                )
            }
            AttemptedAction::Upgrade => (
                ReleaseAction::Upgrade,
                "upgrade",
                hr::UPGRADE_SUCCEEDED,
                hr::UPGRADE_FAILED,
            ),
        };
        self.status.last_attempted_release_action = Some(of);
        self.status.last_attempted_release_action_duration = Some(crds::meta::Duration::from(ended.took));
        let mut conditions = self.conditions();
        conditions.remove(TEST_SUCCESS);
        conditions.remove(REMEDIATED);
        self.observe(&ended.observed, action);
        self.take_inventory(ended);
        match &ended.result {
            Ok(()) => {
                self.made(word, well);
                let retries = spec::retry(self.object, of, self.settings.retry_by_default);
                if retries.is_some() {
                    self.clear_failures();
                }
                self.summarize();
                None
            }
            Err(error) => {
                let chart = ended.job.chart.as_ref();
                let metadata = chart.map(|c| &c.metadata);
                let version = metadata.map(|m| m.version.clone()).unwrap_or_default();
                let message = format!(
                    "Helm {word} failed for release {}/{} with chart {}@{version}: {}",
                    spec::release_namespace(self.object),
                    ended.job.name,
                    chart.map_or("", |c| c.name()),
                    error.to_string().trim()
                );
                self.status.failures += 1;
                self.conditions().mark_false(RELEASED, badly, message.clone());
                let event = with_facts(
                    Event::warning(badly, with_log(&message, &ended.log)),
                    &version,
                    &digests::of_values(self.settings.algorithm, &ended.job.values),
                    metadata.map(|m| m.app_version.as_str()),
                    self.status.last_attempted_revision_digest.clone().as_deref(),
                );
                self.events.push(event);
                let end = match ended.observed.is_empty() {
                    true => Some(self.nothing_stored(error)),
                    false => {
                        Remediation::of(self.object, of).count(&mut self.status);
                        None
                    }
                };
                self.summarize();
                end
            }
        }
    }

    fn made(&mut self, word: &str, reason: &str) {
        let Some(latest) = self.latest() else { return };
        let message = succeeded(word, &latest);
        self.conditions().mark_true(RELEASED, reason, message.clone());
        if spec::tests(self.object) && !history::is_tested(&latest) {
            let waiting = format!(
                "Helm release {} with chart {} is awaiting tests",
                history::full_name(&latest),
                history::versioned_chart(&latest)
            );
            self.conditions()
                .mark_unknown(TEST_SUCCESS, hr::AWAITING_TESTS, waiting);
        }
        self.events.push(about(Event::normal(reason, message), &latest));
    }

    /// An action that changed nothing in storage is tried again, and counts for no retry.
    fn nothing_stored(&mut self, error: &ActionError) -> End {
        match spec::active_retry(self.object, &self.status, self.settings.retry_by_default) {
            Some(pause) => End::RetryAfter(pause, Some(error.to_string())),
            None => End::Failed(error.to_string()),
        }
    }

    fn tested(&mut self, ended: &Ended) -> Option<End> {
        let filters = self.object.spec.test.as_ref().and_then(|t| t.filters.clone());
        history::latest(&mut self.status.history);
        let algorithm = self.settings.algorithm;
        for seen in &ended.observed {
            if let Some(latest) = self
                .status
                .history
                .first_mut()
                .filter(|s| history::is_of(s, &seen.release))
            {
                let mut tested =
                    history::snapshot(algorithm, &seen.release, latest.oci_digest.as_deref(), None);
                tested.action = latest.action.clone();
                tested.test_hooks = Some(history::tests(
                    &seen.release,
                    filters.as_deref().unwrap_or_default(),
                ));
                *latest = tested;
            }
        }
        let latest = self.latest()?;
        let (name, chart) = (history::full_name(&latest), history::versioned_chart(&latest));
        let end = match &ended.result {
            Ok(()) => {
                let count = latest
                    .test_hooks
                    .as_ref()
                    .map_or(0, std::collections::BTreeMap::len);
                let hooks = match count {
                    0 => "no test hooks".to_owned(),
                    1 => "1 test hook completed successfully".to_owned(),
                    n => format!("{n} test hooks completed successfully"),
                };
                let message = format!("Helm test succeeded for release {name} with chart {chart}: {hooks}");
                self.conditions()
                    .mark_true(TEST_SUCCESS, hr::TEST_SUCCEEDED, message.clone());
                self.events
                    .push(about(Event::normal(hr::TEST_SUCCEEDED, message), &latest));
                None
            }
            Err(error) => {
                let text = error.to_string();
                let message = format!(
                    "Helm test failed for release {name} with chart {chart}: {}",
                    text.trim()
                );
                self.status.failures += 1;
                self.conditions()
                    .mark_false(TEST_SUCCESS, hr::TEST_FAILED, message.clone());
                self.events
                    .push(about(Event::warning(hr::TEST_FAILED, message), &latest));
                match history::is_tested(&latest) {
                    true => {
                        let rules = Remediation::active(self.object, &self.status);
                        if let Some(rules) = rules.filter(|r| !r.ignores_tests) {
                            rules.count(&mut self.status);
                        }
                        None
                    }
                    false => Some(self.nothing_stored(error)),
                }
            }
        };
        self.summarize();
        end
    }

    /// The release was moved away from where it was.
    fn uninstalled(&mut self, ended: &Ended) -> Option<End> {
        self.observe_uninstall(&ended.observed, ReleaseAction::Uninstall);
        match self.farewell(ended) {
            None => {
                self.moved();
                Some(End::Again)
            }
            Some(error) => Some(End::Retry(error)),
        }
    }

    /// What is told of an uninstall; what failed, if it did.
    pub fn farewell(&mut self, ended: &Ended) -> Option<String> {
        let Some(latest) = self.latest() else {
            // Of a release that nobody recorded, there is only a failure to tell.
            return match &ended.result {
                Ok(()) | Err(ActionError::NotFound(_) | ActionError::AlreadyDeleted(_)) => None,
                Err(error) => {
                    let (text, job) = (error.to_string(), &ended.job);
                    let message = format!(
                        "Helm uninstall failed for release {}/{}: {}",
                        job.namespace,
                        job.name,
                        text.trim()
                    );
                    let event = Event::warning(hr::UNINSTALL_FAILED, with_log(&message, &ended.log));
                    self.events.push(event);
                    Some(text)
                }
            };
        };
        let (name, chart) = (history::full_name(&latest), history::versioned_chart(&latest));
        match &ended.result {
            Ok(()) => {
                let message = format!("Helm uninstall succeeded for release {name} with chart {chart}");
                self.status.inventory = None;
                self.conditions()
                    .mark_false(RELEASED, hr::UNINSTALL_SUCCEEDED, message.clone());
                self.events
                    .push(about(Event::normal(hr::UNINSTALL_SUCCEEDED, message), &latest));
                None
            }
            Err(ActionError::NotFound(_)) => {
                let message = format!("Release {name} was not found, assuming it is uninstalled");
                self.conditions()
                    .mark_false(RELEASED, hr::UNINSTALL_SUCCEEDED, message);
                None
            }
            Err(ActionError::AlreadyDeleted(_)) => {
                let message = format!("Release {name} was already uninstalled");
                self.conditions()
                    .mark_false(RELEASED, hr::UNINSTALL_SUCCEEDED, message);
                None
            }
            Err(error) => {
                let text = error.to_string();
                let message = format!(
                    "Helm uninstall failed for release {name} with chart {chart}: {}",
                    text.trim()
                );
                self.status.failures += 1;
                self.conditions()
                    .mark_false(RELEASED, hr::UNINSTALL_FAILED, message.clone());
                let event = Event::warning(hr::UNINSTALL_FAILED, with_log(&message, &ended.log));
                self.events.push(about(event, &latest));
                self.summarize();
                Some(message)
            }
        }
    }
}

fn with_log(message: &str, log: &[String]) -> String {
    match log.is_empty() {
        true => message.to_owned(),
        false => format!("{message}\n\nLast Helm logs:\n\n{}", log.join("\n")),
    }
}
