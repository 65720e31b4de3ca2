//! How fast services take messages: so many at once, and then one after a while. Who is sent no more than he takes refuses none, and
//! one alert's storm does not make a service refuse those of all who use it.

use crds::notification::ProviderType::{self, *};
use runtime::Key;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How fast a service takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So many at once, if there were none for long enough.
    burst: u32,
    /// One more each time that this has passed.
    every: Duration,
}

const fn pace(burst: u32, every: u64) -> Option<Pace> {
    Some(Pace {
        burst,
        every: Duration::from_millis(every),
    })
}

impl Pace {
    /// That of a type of service, as far as it is documented for every account: what each line keeps within is beside it. Of the
    /// others, their owner decides (servers of one's own) or the contract; they say 429 when it is too much.
    pub fn of(kind: ProviderType) -> Option<Self> {
        match kind {
            // One a second, with short bursts (rate limits, posting messages).
            Slack => pace(4, 1000),
            // Five in two seconds for a webhook, thirty in a minute in the long run.
            Discord => pace(4, 2000),
            // Four a second for a channel (incoming webhooks).
            MsTeams => pace(2, 500),
            // Sixty writes a minute in a space, shared by all webhooks in it (usage limits).
            GoogleChat => pace(1, 1000),
            // Twenty a minute in a group, one a second in a chat with short bursts (Bots FAQ).
            Telegram => pace(5, 4000),
            // A hundred a minute and five a second for a bot (custom bots).
            Lark => pace(3, 625),
            // A hundred and twenty requests a minute for an integration key (Events API); what went well is two.
            PagerDuty => pace(5, 1100),
            // Two hundred requests a minute for a user, by default (HTTP headers).
            Zulip => pace(20, 334),
            // Eighty requests a minute that make content, and a second between them (REST API, secondary limits, best practices).
            GitHub | GitHubDispatch | GitHubPullRequestComment => pace(20, 1000),
            // Sixty notes a minute (rate limit on note creation).
            GitLabMergeRequestComment => pace(5, 1100),
            // A thousand requests an hour for a user; a status is two.
            Bitbucket => pace(50, 8000),
            Alertmanager
            | AzureDevOps
            | AzureEventHub
            | BitbucketServer
            | Datadog
            | Generic
            | GenericHmac
            | Gitea
            | GiteaPullRequestComment
            | GitLab
            | GooglePubSub
            | Grafana
            | IncidentIo
            | Matrix
            | Nats
            | Opsgenie
            | Otel
            | Rocket
            | Sentry
            | Webex
            | Zoom => None,
        }
    }
}

/// When each Provider will have been sent nothing for long enough to take as much as at first.
#[derive(Debug, Default)]
pub struct Paces(Mutex<HashMap<Key, Instant>>);

impl Paces {
    /// Takes a Provider's turn, if it has one now; else the time when it has.
    ///
    /// # Errors
    /// The time to come back at.
    pub fn turn(&self, provider: &Key, pace: Pace, now: Instant) -> Result<(), Instant> {
        let mut rested = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = rested.get(provider).copied().unwrap_or(now).max(now) + pace.every;
        // So much may be owed with all of the burst spent.
        let turn = at - pace.every * pace.burst;
        if turn > now {
            return Err(turn);
        }
        if !rested.contains_key(provider) {
            rested.retain(|_, rested| *rested > now);
        }
        rested.insert(provider.clone(), at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink() -> Key {
        Key::new("team", "sink")
    }

    /// When so many messages are sent that are all there at the beginning, in milliseconds.
    async fn sent(paces: &Paces, pace: Pace, messages: usize) -> Vec<u128> {
        let (begin, mut times) = (Instant::now(), Vec::new());
        while times.len() < messages {
            match paces.turn(&sink(), pace, Instant::now()) {
                Ok(()) => times.push(begin.elapsed().as_millis()),
                Err(turn) => tokio::time::sleep_until(turn).await,
            }
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_one_after_the_other() {
        let (paces, slack) = (Paces::default(), Pace::of(Slack).unwrap());
        assert_eq!(sent(&paces, slack, 7).await, [0, 0, 0, 0, 1000, 2000, 3000]);
        // What was rested counts, and not more than a burst.
        tokio::time::advance(Duration::from_millis(2500)).await;
        assert_eq!(sent(&paces, slack, 4).await, [0, 0, 500, 1500]);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(sent(&paces, slack, 6).await, [0, 0, 0, 0, 1000, 2000]);
        let other = Key::new("team", "other");
        assert_eq!(
            paces.turn(&other, slack, Instant::now()),
            Ok(()),
            "each has its own"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_rested_is_forgotten() {
        let (paces, slack) = (Paces::default(), Pace::of(Slack).unwrap());
        for n in 0..1000 {
            let provider = Key::new("team", n.to_string());
            assert_eq!(paces.turn(&provider, slack, Instant::now()), Ok(()));
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(paces.turn(&sink(), slack, Instant::now()), Ok(()));
        assert_eq!(paces.0.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_services_document_is_kept() {
        for (kind, within, most) in [
            (Discord, 2, 5),
            (Discord, 60, 34),
            (MsTeams, 1, 4),
            (GoogleChat, 60, 61),
            (Telegram, 60, 20),
            (Lark, 1, 5),
            (Lark, 60, 100),
            (PagerDuty, 60, 60),
            (Zulip, 60, 200),
            (GitHub, 60, 80),
            (GitLabMergeRequestComment, 60, 60),
            (Bitbucket, 3600, 500),
        ] {
            let times = sent(&Paces::default(), Pace::of(kind).unwrap(), 600).await;
            let counts = times.iter().enumerate().map(|(n, first)| {
                times[n..]
                    .iter()
                    .take_while(|time| **time < first + within * 1000)
                    .count()
            });
            assert!(
                counts.max() <= Some(most),
                "{kind:?}: more than {most} in {within} s"
            );
        }
    }
}
