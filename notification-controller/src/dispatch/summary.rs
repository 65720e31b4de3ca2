//! Digests in time: gathered as messages come, told when an alert's period is over.
//!
//! An alert that is suspended or deleted wants nothing told, and what was gathered for it is dropped. What its spec says counts as it
//! is now: another period moves the end, none ends it at once, and another Provider is the one that is told.

use super::{Dispatch, Marks, Route, can_be_put_together};
use crate::{
    digest::{self, Digest},
    message::wants,
    outbox::Item,
    transition::Happened,
};
use jiff::Timestamp;
use runtime::Key;
use std::{sync::Arc, time::Duration};

impl Dispatch {
    /// Puts what happened to what is gathered for an alert. Whether it is done with by that: it is not if it has to be told at once.
    pub(super) fn gather(self: &Arc<Self>, route: &Route, happened: &Happened) -> bool {
        if route.digest.is_none() || !digest::may_wait(happened) {
            return false;
        }
        if let Some(kind) = self.kind(&route.provider) {
            if !can_be_put_together(kind) {
                return false;
            }
            let marks = Marks::of(&happened.event);
            if wants(kind, &happened.event, marks, happened.ends_failure).is_some() {
                return true;
            }
        }
        let add = |digest: &mut Digest| {
            digest.add(happened);
        };
        if self
            .digests
            .gather(&route.alert, &route.uid, Timestamp::now(), add)
        {
            self.await_end(route.uid.clone());
        }
        true
    }

    /// Goes on with what an earlier process gathered.
    pub fn resume_digest(self: &Arc<Self>, saved: Digest) {
        let (alert, uid, since) = (saved.alert(), saved.alert_uid.clone(), saved.since);
        if self
            .digests
            .gather(&alert, &uid, since, |digest| digest.absorb(saved))
        {
            self.await_end(uid);
        }
    }

    /// Waits beside all else until what is gathered for an alert is to be told, or nobody wants it any more.
    fn await_end(self: &Arc<Self>, uid: String) {
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                // Before the look, so that no change falls between the two.
                let changed = this.rerouted.notified();
                let Some((alert, since)) = this.digests.begun(&uid) else {
                    return;
                };
                let Some(route) = this.route(&alert).filter(|route| route.uid == uid) else {
                    return this.digests.settle(&uid, |_| {});
                };
                let left = left(since, route.digest, Timestamp::now());
                if left.is_zero() {
                    return this
                        .digests
                        .settle(&uid, |digest| this.tell_digest(&route, digest));
                }
                let _ = tokio::time::timeout(left, changed).await;
            }
        });
    }

    fn tell_digest(self: &Arc<Self>, route: &Route, digest: &Digest) {
        let now = Timestamp::now();
        // What an alert and a digest say of themselves contradicts nothing that its owner could put right.
        let (event, _) = route.dressed(&digest.event(now, ""));
        let item = Item {
            key: digest.key(),
            ends_failure: false,
            marks: Marks::default(),
            causes: Vec::new(),
            held: false,
            alert_namespace: digest.alert_namespace.clone(),
            alert_name: digest.alert_name.clone(),
            alert_uid: digest.alert_uid.clone(),
            event,
            since: now,
        };
        // A process that ended between the two saves has left both.
        if !self.outbox.holds(&route.provider, &item.key) {
            self.put(&route.provider, [(item, None)]);
        }
    }

    pub(super) fn route(&self, alert: &Key) -> Option<Arc<Route>> {
        self.routes.get(alert)
    }
}

/// How long it is until what was begun is told; without a period, no longer.
pub(super) fn left(since: Timestamp, period: Option<Duration>, now: Timestamp) -> Duration {
    let passed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    period.unwrap_or_default().saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_when_it_has_passed_since_the_first_message() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let period = Some(Duration::from_secs(60));
        for (period, now, expected) in [
            (period, 100, 60),
            (period, 130, 30),
            (period, 160, 0),
            (period, 9000, 0),
            // A clock that was put back.
            (period, 50, 60),
            (None, 100, 0),
        ] {
            assert_eq!(
                left(at(100), period, at(now)),
                Duration::from_secs(expected),
                "{now}"
            );
        }
    }
}
