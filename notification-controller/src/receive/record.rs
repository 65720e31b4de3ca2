//! PURE: what a pass over a Receiver found, as its status.

use super::validate::Invalid;
use crds::{
    meta::{ObjectStatus as _, READY, RECONCILING, STALLED, format_go, reason},
    notification::{ReceiverStatus, reason::TOKEN_NOT_FOUND},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{
    conditions::{Conditions, TERMINAL},
    events::Event,
    reconciler::Outcome,
    requeue::Requeue,
};
use std::time::Duration;

/// What a pass found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The address.
    Path(String),
    /// There is no token to make an address of.
    NoToken(String),
    /// Whether there is one cannot be known.
    Unread(String),
    /// What the Receiver says cannot be worked with.
    Invalid(Invalid),
}

/// The status after a pass over an object of this generation.
pub fn record(
    old: ReceiverStatus,
    generation: i64,
    found: Found,
    interval: Duration,
    now: Time,
) -> Outcome<ReceiverStatus> {
    let mut status = old;
    let mut events = Vec::new();
    let failed = |text: &str| Event::warning(reason::FAILED, text);
    let (requeue, error) = match found {
        Found::Path(path) => {
            let mut conditions = Conditions::new(&mut status.conditions, generation, now);
            conditions.remove(RECONCILING);
            conditions.remove(STALLED);
            let message = format!("Receiver initialized for path: {path}");
            conditions.mark_true(READY, reason::SUCCEEDED, message);
            status.set_observed_generation(generation);
            status.webhook_path = Some(path);
            let message = format!("Reconciliation finished, next run in {}", format_go(interval));
            // No alert can be about a Receiver: it is an Event, and nothing to be passed on.
            events.push(Event::trace(reason::SUCCEEDED, message));
            (Requeue::After(interval), None)
        }
        Found::NoToken(problem) => {
            let mut conditions = Conditions::new(&mut status.conditions, generation, now);
            conditions.reconciling(reason::PROGRESSING, "Reconciliation in progress");
            conditions.mark_false(READY, TOKEN_NOT_FOUND, problem.clone());
            conditions.note_retry();
            status.webhook_path = None;
            events.push(failed(&problem));
            (Requeue::Backoff, Some(problem))
        }
        // What was true is not untrue because the API server is away.
        Found::Unread(problem) => {
            events.push(failed(&problem));
            (Requeue::Backoff, Some(problem))
        }
        Found::Invalid(invalid) => {
            let message = format!("{TERMINAL}: {invalid}");
            let mut conditions = Conditions::new(&mut status.conditions, generation, now);
            conditions.stalled(invalid.reason(), message.clone());
            conditions.mark_false(READY, invalid.reason(), message.clone());
            status.set_observed_generation(generation);
            events.push(Event::warning(invalid.reason(), message.clone()));
            (Requeue::Never, Some(message))
        }
    };
    Outcome {
        status,
        events,
        requeue,
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::conditions::now;

    fn after(old: ReceiverStatus, found: Found) -> Outcome<ReceiverStatus> {
        record(old, 2, found, Duration::from_secs(600), now())
    }

    fn said(status: &ReceiverStatus) -> Vec<String> {
        let conditions = status.conditions.iter();
        conditions
            .map(|c| format!("{} {:?} {}: {}", c.type_, c.status, c.reason, c.message))
            .collect()
    }

    #[test]
    fn a_token_lost_takes_the_address_and_found_brings_it_back() {
        let ready = after(ReceiverStatus::default(), Found::Path("/hook/a".into()));
        assert_eq!(
            said(&ready.status),
            ["Ready True Succeeded: Receiver initialized for path: /hook/a"]
        );
        assert_eq!(
            ready.events,
            [Event::trace(
                "Succeeded",
                "Reconciliation finished, next run in 10m0s"
            )]
        );
        assert_eq!(
            (ready.requeue, ready.status.observed_generation),
            (Requeue::After(Duration::from_secs(600)), 2)
        );

        let lost = after(ready.status, Found::NoToken("no token".into()));
        let mut told = said(&lost.status);
        told.sort();
        assert_eq!(
            told,
            [
                "Ready False TokenNotFound: no token",
                "Reconciling True ProgressingWithRetry: Reconciliation in progress",
            ]
        );
        assert_eq!(
            (lost.status.webhook_path.clone(), lost.requeue),
            (None, Requeue::Backoff)
        );
        assert_eq!(lost.events, [Event::warning("Failed", "no token")]);

        let back = after(lost.status, Found::Path("/hook/b".into()));
        assert_eq!(
            said(&back.status),
            ["Ready True Succeeded: Receiver initialized for path: /hook/b"]
        );
    }

    #[test]
    fn an_unread_secret_changes_nothing() {
        let ready = after(ReceiverStatus::default(), Found::Path("/hook/a".into())).status;
        let away = after(ready.clone(), Found::Unread("away".into()));
        assert_eq!((away.status, away.requeue), (ready, Requeue::Backoff));
    }

    #[test]
    fn what_is_invalid_waits_for_a_change() {
        let stalled = after(ReceiverStatus::default(), Found::Invalid(Invalid::Fields("no")));
        let message = "Reconciliation failed terminally due to configuration error: no";
        let mut told = said(&stalled.status);
        told.sort();
        assert_eq!(
            told,
            [
                format!("Ready False ValidationFailed: {message}"),
                format!("Stalled True ValidationFailed: {message}")
            ]
        );
        assert_eq!(stalled.requeue, Requeue::Never);
    }
}
