//! A server that does not answer is asked less and less, so that those who wait for it hold up nobody else.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use thiserror::Error;
use tokio::time::Instant;

/// The pause after the first failure; it doubles with each one.
const FIRST: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether one server answers.
pub(super) struct Breaker {
    address: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    open: Option<(Instant, String)>,
}

/// A server did not answer, now or a moment ago; the words are the same, so that it is no news again and again.
#[derive(Debug, Error)]
#[error("{address} does not answer, and is asked again once a minute: {error}")]
pub(super) struct Away {
    address: String,
    error: String,
}

impl Breaker {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            state: Mutex::default(),
        }
    }

    /// Whether it may be asked now. After a pause one may ask, and whoever comes before there is an answer waits on.
    pub(super) fn check(&self) -> Result<(), Away> {
        let mut state = self.lock();
        let failures = state.failures;
        let Some((until, error)) = &mut state.open else {
            return Ok(());
        };
        let again = until.saturating_duration_since(Instant::now());
        if again.is_zero() {
            *until = Instant::now() + pause(failures);
            return Ok(());
        }
        Err(self.away(error.clone()))
    }

    /// Takes in that it answered.
    pub(super) fn answered(&self) {
        *self.lock() = State::default();
    }

    /// Takes in that it did not answer.
    pub(super) fn failed(&self, error: String) -> Away {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        state.open = Some((Instant::now() + pause(state.failures), error.clone()));
        self.away(error)
    }

    /// How long it is not asked; `None` if it answers.
    pub(super) fn pause(&self) -> Option<Duration> {
        let state = self.lock();
        let (until, _) = state.open.as_ref()?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    fn away(&self, error: String) -> Away {
        Away {
            address: self.address.clone(),
            error,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    FIRST.saturating_mul(doubled).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_asked_less() {
        let breaker = Breaker::new("https://spoke:6443");
        assert!(breaker.check().is_ok());
        for expected in [2, 4, 8, 16, 32, 60, 60] {
            let error = breaker.failed("refused".to_owned()).to_string();
            assert!(error.starts_with("https://spoke:6443 does not answer"), "{error}");
            assert_eq!(breaker.check().unwrap_err().to_string(), error);
            assert_eq!(breaker.pause(), Some(Duration::from_secs(expected)));
            tokio::time::advance(Duration::from_secs(expected) - Duration::from_millis(1)).await;
            assert!(breaker.check().is_err(), "{expected}");
            tokio::time::advance(Duration::from_millis(1)).await;
            // One asks, and the others wait for what comes of it.
            assert!(breaker.check().is_ok(), "{expected}");
            assert!(breaker.check().is_err(), "{expected}");
        }
        breaker.answered();
        assert_eq!(breaker.pause(), None);
        assert!(breaker.check().is_ok() && breaker.check().is_ok());
    }
}
