//! Which object is worked on next: one pass at a time per object, in turn between namespaces, later when told so.

mod figures;
#[cfg(test)]
mod tests;

use crate::Key;
pub use figures::Figures;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// A work queue of objects.
///
/// - An object is handed out to one worker at a time; added while it is worked on, it is handed out again after.
/// - Namespaces take turns, so that a tenant with a thousand objects does not delay a tenant with one.
/// - A delayed object is handed out when its time has come, or at once when it is added meanwhile.
/// - A namespace of which nothing is worked on can be asked for when it has waited for long: see [`Queue::overlooked`].
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    figures: Figures,
    entries: HashMap<Key, Entry>,
    /// Namespaces with something ready, in their turn, and what is ready in each.
    turns: VecDeque<String>,
    ready: HashMap<String, VecDeque<Key>>,
    /// How many objects of a namespace are worked on.
    running: HashMap<String, usize>,
    /// When delayed objects are due; the number keeps equal times apart.
    due: BTreeMap<(Instant, u64), Key>,
    sequence: u64,
    depth: usize,
}

#[derive(Debug, Default)]
struct Entry {
    /// Since when it waits for a worker.
    queued: Option<Instant>,
    /// Since when a worker has it.
    running: Option<Instant>,
    again: bool,
    /// The object went away while a worker has it: what that pass says is about nothing.
    gone: bool,
    due: Option<(Instant, u64)>,
    failures: u32,
}

impl Queue {
    /// Asks for a pass over an object as soon as a worker is free.
    pub fn add(&self, key: Key) {
        self.lock().add(key);
        self.changed.notify_one();
    }

    /// As [`Queue::add`], by somebody who is not to be trusted with more than a hint: an object whose passes fail keeps to its
    /// delay.
    pub fn hint(&self, key: Key) {
        let mut state = self.lock();
        if state.entries.get(&key).is_some_and(|entry| entry.failures > 0) {
            return;
        }
        state.add(key);
        drop(state);
        self.changed.notify_one();
    }

    /// Asks for a pass after `delay`; of several delays the earliest counts.
    pub fn add_after(&self, key: Key, delay: Duration) {
        self.lock().add_at(key, Instant::now() + delay);
        self.changed.notify_one();
    }

    /// The next object to work on. Must be followed by [`Queue::done`] for it.
    pub async fn next(&self) -> Key {
        loop {
            let next_due = {
                let mut state = self.lock();
                state.release(Instant::now());
                if let Some(key) = state.take() {
                    return key;
                }
                state.due.first_key_value().map(|((at, _), _)| *at)
            };
            match next_due {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// An object of a namespace of which nothing is worked on, if it has waited for so long: others have all workers, and
    /// keep them. Must be followed by [`Queue::done`] as well.
    pub fn overlooked(&self, patience: Duration) -> Option<Key> {
        self.lock().take_overlooked(Instant::now(), patience)
    }

    /// Ends the pass over an object that [`Queue::next`] handed out.
    pub fn done(&self, key: &Key) {
        self.lock().done(key);
        self.changed.notify_one();
    }

    /// Counts a failed pass and gives the number of failures in a row. One over an object that went away meanwhile is not counted.
    pub fn failed(&self, key: &Key) -> u32 {
        let mut state = self.lock();
        state.figures.retries.inc();
        let entry = state.entries.entry(key.clone()).or_default();
        if entry.gone {
            return 1;
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.failures
    }

    /// Ends a row of failures.
    pub fn succeeded(&self, key: &Key) {
        if let Some(entry) = self.lock().entries.get_mut(key) {
            entry.failures = 0;
        }
    }

    /// Forgets an object that is gone, and whatever a pass over it that has not ended will ask for: one of the same name begins
    /// afresh, with the pass that it is added for.
    pub fn forget(&self, key: &Key) {
        self.lock().forget(key);
    }

    /// How many objects are ready and wait for a worker.
    pub fn depth(&self) -> usize {
        self.lock().depth
    }

    /// How long the longest pass that is under way has been so.
    pub fn longest(&self) -> Duration {
        let state = self.lock();
        let begun = state.entries.values().filter_map(|entry| entry.running).min();
        begun.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How long all passes that are under way have been so, together.
    pub fn unfinished(&self) -> Duration {
        let state = self.lock();
        let begun = state.entries.values().filter_map(|entry| entry.running);
        begun.map(|since| since.elapsed()).sum()
    }

    /// What was done so far.
    pub fn figures(&self) -> Figures {
        self.lock().figures.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // No code panics while it holds the lock; if one did, the state is still consistent enough to go on.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, key: Key) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.running.is_some() {
            entry.again = true;
            return;
        }
        if entry.queued.is_some() {
            return;
        }
        entry.queued = Some(Instant::now());
        if let Some(due) = entry.due.take() {
            self.due.remove(&due);
        }
        let line = self.ready.entry(key.namespace.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(key.namespace.clone());
        }
        line.push_back(key);
        self.depth += 1;
        self.figures.adds.inc();
    }

    fn add_at(&mut self, key: Key, at: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.gone || entry.queued.is_some() || entry.due.is_some_and(|(due, _)| due <= at) {
            return;
        }
        if let Some(due) = entry.due.take() {
            self.due.remove(&due);
        }
        self.sequence += 1;
        entry.due = Some((at, self.sequence));
        self.due.insert((at, self.sequence), key);
    }

    fn release(&mut self, now: Instant) {
        while let Some(first) = self.due.first_entry() {
            if first.key().0 > now {
                return;
            }
            let key = first.remove();
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.due = None;
            }
            self.add(key);
        }
    }

    fn take(&mut self) -> Option<Key> {
        let namespace = self.turns.pop_front()?;
        self.take_of(namespace)
    }

    fn take_overlooked(&mut self, now: Instant, patience: Duration) -> Option<Key> {
        self.release(now);
        let waits = |namespace: &String| {
            let first = self.ready.get(namespace).and_then(VecDeque::front);
            let since = first.and_then(|key| self.entries.get(key)?.queued);
            since.is_some_and(|since| now.duration_since(since) >= patience)
        };
        let is_overlooked = |namespace: &String| !self.running.contains_key(namespace) && waits(namespace);
        let place = self.turns.iter().position(is_overlooked)?;
        let namespace = self.turns.remove(place)?;
        self.take_of(namespace)
    }

    fn take_of(&mut self, namespace: String) -> Option<Key> {
        let line = self.ready.get_mut(&namespace)?;
        let key = line.pop_front()?;
        if line.is_empty() {
            self.ready.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        self.depth -= 1;
        let entry = self.entries.entry(key.clone()).or_default();
        let now = Instant::now();
        if let Some(since) = entry.queued.take() {
            self.figures.waited.observe((now - since).as_secs_f64());
        }
        entry.running = Some(now);
        *self.running.entry(key.namespace.clone()).or_default() += 1;
        Some(key)
    }

    fn done(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let again = std::mem::take(&mut entry.again);
        entry.gone = false;
        if let Some(since) = entry.running.take() {
            self.figures.worked.observe(since.elapsed().as_secs_f64());
            if let Some(running) = self.running.get_mut(&key.namespace) {
                *running -= 1;
                if *running == 0 {
                    self.running.remove(&key.namespace);
                }
            }
        }
        if again {
            self.add(key.clone());
        } else if entry.is_idle() {
            self.entries.remove(key);
        }
    }

    fn forget(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if let Some(due) = entry.due.take() {
            self.due.remove(&due);
        }
        entry.failures = 0;
        entry.gone = entry.running.is_some();
        if entry.is_idle() {
            self.entries.remove(key);
        }
    }
}

impl Entry {
    /// Whether it says no more than none would.
    fn is_idle(&self) -> bool {
        self.running.is_none() && self.queued.is_none() && self.due.is_none() && self.failures == 0
    }
}
