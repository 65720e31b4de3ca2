//! PURE: the routes of all alerts, and how large their patterns may be together, so that nobody's alerts take what all need.

use super::Route;
use runtime::Key;
use std::{collections::BTreeMap, sync::Arc};

/// So large may the patterns of all alerts of a namespace be when they are compiled, in bytes,
pub const NAMESPACE_BYTES: usize = 2 << 20;
/// and those of all there are,
const ALL_BYTES: usize = 32 << 20;
/// but those of a namespace that needs no more than this: what others have does not keep it out.
const FEW_BYTES: usize = 64 << 10;

/// The routes of all alerts.
#[derive(Debug, Default)]
pub struct Routes {
    all: BTreeMap<Key, Arc<Route>>,
    /// How heavy those are for which there is no room.
    left_out: BTreeMap<Key, usize>,
}

impl Routes {
    /// Puts in the route that an alert has now; whether there is room for it.
    pub fn set(&mut self, alert: &Key, route: Option<Route>) -> bool {
        self.all.remove(alert);
        self.left_out.remove(alert);
        let Some(route) = route else {
            return true;
        };
        if !self.has_room(alert, route.weight()) {
            self.left_out.insert(alert.clone(), route.weight());
            return false;
        }
        self.all.insert(alert.clone(), Arc::new(route));
        true
    }

    /// An alert that was left out and for which there is room now.
    pub fn next_with_room(&self) -> Option<Key> {
        let mut left_out = self.left_out.iter();
        let fits = left_out.find(|(alert, weight)| self.has_room(alert, **weight));
        fits.map(|(alert, _)| alert.clone())
    }

    /// The route of an alert.
    pub fn get(&self, alert: &Key) -> Option<Arc<Route>> {
        self.all.get(alert).cloned()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.all.values()
    }

    fn has_room(&self, alert: &Key, weight: usize) -> bool {
        // Most alerts have no patterns.
        if weight == 0 {
            return true;
        }
        let (mut own, mut all) = (weight, weight);
        for (key, route) in &self.all {
            all += route.weight();
            if key.namespace == alert.namespace {
                own += route.weight();
            }
        }
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
        let (mut routes, heavy) = (Routes::default(), "[a-z]{2000}");
        let key = |n: usize| Key::new("greedy", format!("{n:03}"));
        let weight = route(&key(0), heavy).unwrap().weight();
        let fit = NAMESPACE_BYTES / weight;
        for n in 0..fit + 3 {
            assert_eq!(routes.set(&key(n), route(&key(n), heavy)), n < fit, "{n}");
        }
        assert_eq!(routes.all().count(), fit);
        for tenant in 0..40 {
            for n in 0..fit {
                let key = Key::new(format!("greedy-{tenant}"), format!("{n:03}"));
                routes.set(&key, route(&key, heavy));
            }
        }
        let all: usize = routes.all().map(|route| route.weight()).sum();
        assert!(all <= ALL_BYTES + 40 * FEW_BYTES, "{all}");
        let other = Key::new("team", "all");
        assert!(routes.set(&other, route(&other, "waiting")), "another has room");
        assert!(routes.set(&key(0), route(&key(0), heavy)), "the same again");
        assert_eq!(routes.next_with_room(), None);
        // Where one goes, the next is let in.
        assert!(routes.set(&key(0), None));
        assert_eq!(routes.next_with_room(), Some(key(fit)));
        assert!(routes.set(&key(fit), route(&key(fit), heavy)));
        assert_eq!(routes.next_with_room(), None);
    }
}
