//! The routes of all alerts, and how large their patterns may be together, so that nobody's alerts take what all need.

use super::Route;
use runtime::Key;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

/// So large may the patterns of all alerts of a namespace be when they are compiled, in bytes,
pub const NAMESPACE_BYTES: usize = 1 << 20;
/// and those of all there are,
const ALL_BYTES: usize = 16 << 20;
/// but those of a namespace that needs no more than this: what others have does not keep it out.
const FEW_BYTES: usize = 64 << 10;

/// The routes of all alerts, for everybody to read.
#[derive(Debug, Default)]
pub struct Table(RwLock<Routes>);

impl Table {
    /// Puts in the route that an alert has now, and those of others that were left out and for which this made room, `compiled` anew:
    /// that takes its time, and nobody waits for it. Whether there is room for the alert's own.
    pub fn set(&self, alert: &Key, route: Option<Route>, compiled: impl Fn(&Key) -> Option<Route>) -> bool {
        let has_room = self.write(|routes| routes.set(alert, route));
        while let Some((other, turn)) = self.read(Routes::next_with_room) {
            let route = compiled(&other);
            if !self.write(|routes| routes.let_in(&other, turn, route)) {
                break;
            }
        }
        has_room
    }

    /// The route of an alert.
    pub fn get(&self, alert: &Key) -> Option<Arc<Route>> {
        self.read(|routes| routes.all.get(alert).cloned())
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Route>> {
        self.read(|routes| routes.all.values().cloned().collect())
    }

    fn read<T>(&self, look: impl FnOnce(&Routes) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Routes) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// PURE: what is in the table, and what is not.
#[derive(Debug, Default)]
struct Routes {
    all: BTreeMap<Key, Arc<Route>>,
    /// How heavy those are for which there is no room, and when they were left out.
    left_out: BTreeMap<Key, (usize, Turn)>,
    turns: Turn,
    /// How heavy those of each namespace are, and all.
    of: HashMap<String, usize>,
    sum: usize,
}

/// Counts how often something was left out.
type Turn = u64;

impl Routes {
    /// Puts in the route that an alert has now; whether there is room for it.
    fn set(&mut self, alert: &Key, route: Option<Route>) -> bool {
        let before = self.all.remove(alert).map_or(0, |route| route.weight());
        self.weigh(alert, before, 0);
        self.left_out.remove(alert);
        let Some(route) = route else {
            return true;
        };
        let weight = route.weight();
        // Who is in stays in.
        if weight > before && !self.has_room(alert, weight) {
            self.turns += 1;
            self.left_out.insert(alert.clone(), (weight, self.turns));
            return false;
        }
        self.weigh(alert, 0, weight);
        self.all.insert(alert.clone(), Arc::new(route));
        true
    }

    fn weigh(&mut self, alert: &Key, less: usize, more: usize) {
        if less == more {
            return;
        }
        self.sum = self.sum - less + more;
        let own = self.of.entry(alert.namespace.clone()).or_default();
        *own = *own - less + more;
        if *own == 0 {
            self.of.remove(&alert.namespace);
        }
    }

    /// An alert that was left out and for which there is room now, and when that was.
    fn next_with_room(&self) -> Option<(Key, Turn)> {
        let mut left_out = self.left_out.iter();
        let fits = left_out.find(|(alert, (weight, _))| self.has_room(alert, *weight));
        fits.map(|(alert, (_, turn))| (alert.clone(), *turn))
    }

    /// Puts in what was left out, unless the alert has changed since: what it was then says nothing now. Whether others may have room.
    fn let_in(&mut self, alert: &Key, turn: Turn, route: Option<Route>) -> bool {
        match self.left_out.get(alert) {
            Some((_, latest)) if *latest == turn => self.set(alert, route),
            _ => true,
        }
    }

    fn has_room(&self, alert: &Key, weight: usize) -> bool {
        // Most alerts have no patterns.
        if weight == 0 {
            return true;
        }
        let own = self.of.get(&alert.namespace).copied().unwrap_or_default() + weight;
        let all = self.sum + weight;
        own <= NAMESPACE_BYTES && (all <= ALL_BYTES || own <= FEW_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::notification::{Alert, AlertSpec};
    use kube::api::ObjectMeta;
    use runtime::access::Access;

    fn route(alert: &Key, pattern: &str) -> Option<Route> {
        let alert = Alert {
            metadata: ObjectMeta {
                name: Some(alert.name.clone()),
                namespace: Some(alert.namespace.clone()),
                ..Default::default()
            },
            spec: AlertSpec {
                inclusion_list: vec![pattern.to_owned()],
                ..Default::default()
            },
            status: None,
        };
        Route::of(&alert, Access::default()).0
    }

    #[test]
    fn a_namespace_has_room_for_so_much_and_others_have_theirs() {
        let (mut routes, heavy) = (Routes::default(), "[a-z]{500}");
        let key = |n: usize| Key::new("greedy", format!("{n:03}"));
        let weight = route(&key(0), heavy).unwrap().weight();
        let fit = NAMESPACE_BYTES / weight;
        for n in 0..fit + 3 {
            assert_eq!(routes.set(&key(n), route(&key(n), heavy)), n < fit, "{n}");
        }
        assert_eq!(routes.all.len(), fit);
        assert!(routes.set(&key(0), route(&key(0), heavy)), "the same again");
        assert_eq!(routes.next_with_room(), None);
        // Where one goes, the next is let in.
        assert!(routes.set(&key(0), None));
        assert_eq!(routes.next_with_room().map(|(alert, _)| alert), Some(key(fit)));
        assert!(routes.set(&key(fit), route(&key(fit), heavy)));
        assert_eq!(routes.next_with_room(), None);
        for tenant in 0..40 {
            for n in 0..fit {
                let key = Key::new(format!("greedy-{tenant}"), format!("{n:03}"));
                routes.set(&key, route(&key, heavy));
            }
        }
        let all: usize = routes.all.values().map(|route| route.weight()).sum();
        assert!(all <= ALL_BYTES + 40 * FEW_BYTES, "{all}");
        let other = Key::new("team", "all");
        assert!(routes.set(&other, route(&other, "waiting")), "another has room");
        assert!(routes.set(&key(1), route(&key(1), heavy)), "who is in stays in");
    }

    #[test]
    fn others_read_while_a_route_is_compiled_and_a_later_change_wins() {
        let (table, heavy) = (Table::default(), "[a-z]{500}");
        let key = |n: usize| Key::new("greedy", format!("{n:03}"));
        let none = |_: &Key| None;
        let fit = (0..)
            .take_while(|n| table.set(&key(*n), route(&key(*n), heavy), none))
            .count();
        let left_out = key(fit);
        let compiled = |alert: &Key| {
            assert!(table.0.try_read().is_ok(), "somebody waits for the table");
            // It changes meanwhile: first to what has no room either, then to what is light.
            assert!(!table.set(alert, route(alert, "[a-z]{1000}"), none));
            assert!(table.set(alert, route(alert, "later"), none));
            route(alert, heavy)
        };
        assert!(table.set(&key(0), None, compiled));
        let weight = |alert: &Key| table.get(alert).map(|route| route.weight());
        assert!(weight(&left_out) < weight(&key(1)), "what it was before has won");
        assert!(weight(&left_out).is_some());
    }
}
