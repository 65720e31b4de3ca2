//! Who wants an event: by its object, by its text, and by the labels of its object.
//!
//! Patterns may take long, and whoever reads what has happened must not wait for many of them where others are to be told. So most are
//! met in place, and where a namespace has so many or such large ones that it would be felt, beside, two namespaces at once.

use super::Dispatch;
use crate::{
    event::Event,
    judges::Judges,
    route::{self, Route},
    transition::Happened,
};
use crds::notification::{ObjectSelector, reason};
use futures::future::join_all;
use kube::api::DynamicObject;
use runtime::events;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tracing::error;

/// For so long those wait for an object's labels who want the event whatever they are.
const ANSWER: Duration = Duration::from_secs(10);
/// So much effort the patterns of a namespace may be in place: half a millisecond at the most. Three usual lists have it for a text of
/// 150 bytes.
const IN_PLACE: usize = 3_000_000;

/// Routes with what goes with each.
type Chosen<T> = Vec<(Arc<Route>, T)>;

impl Dispatch {
    /// Has all told who want to know of an event about an object with these labels; those first whose patterns take no time.
    pub async fn tell(self: &Arc<Self>, happened: &Happened, labels: &BTreeMap<String, String>) {
        let wanting = self.routes(|route| {
            let wanted = route::labelled(route.candidates(&happened.event), labels);
            wanted.then_some(())
        });
        let (passing, namespaces) = in_place(wanting, &happened.event.message);
        for (route, ()) in passing {
            self.post(&route, happened);
        }
        if namespaces.is_empty() {
            return;
        }
        let text: &Arc<str> = &happened.event.message.as_str().into();
        let each = namespaces.into_iter().map(async |routes| {
            for (route, ()) in beside(&self.judges, routes, text).await {
                self.post(&route, happened);
            }
        });
        join_all(each).await;
    }

    /// As [`Self::tell`], where the object's labels have to be asked for.
    pub async fn tell_asking(self: &Arc<Self>, happened: &Happened) {
        let candidates = self.routes(|route| {
            let selectors = route.candidates(&happened.event);
            let selectors: Vec<ObjectSelector> = selectors.into_iter().cloned().collect();
            (!selectors.is_empty()).then_some(selectors)
        });
        let (mut candidates, namespaces) = in_place(candidates, &happened.event.message);
        let text: &Arc<str> = &happened.event.message.as_str().into();
        let each = namespaces
            .into_iter()
            .map(|routes| beside(&self.judges_of_strangers, routes, text));
        candidates.extend(join_all(each).await.into_iter().flatten());
        let unconditional = |selectors: &[ObjectSelector]| route::labelled(selectors, &BTreeMap::new());
        // Asked once, however many want to know, and before anybody is told: nothing of an event is told if this is not.
        let asked = match candidates.iter().all(|(_, selectors)| unconditional(selectors)) {
            true => Ok(None),
            false => self.labels(&happened.event).await,
        };
        for (route, selectors) in candidates {
            let wanted = match &asked {
                _ if unconditional(&selectors) => true,
                Ok(labels) => labels
                    .as_ref()
                    .is_some_and(|labels| route::labelled(&selectors, labels)),
                Err(error) => {
                    self.cannot_see(&route, &happened.event, error);
                    false
                }
            };
            if wanted {
                self.post(&route, happened);
            }
        }
    }

    /// The routes of which something is so, and what, in the order of their alerts. Nobody waits for the table meanwhile.
    fn routes<T>(&self, so: impl Fn(&Route) -> Option<T>) -> Chosen<T> {
        let chosen = self.routes.all().into_iter().filter_map(|route| {
            let what = so(&route)?;
            Some((route, what))
        });
        chosen.collect()
    }

    /// The labels that an event's object has now; none of what nobody can ask for.
    async fn labels(&self, event: &Event) -> Result<Option<BTreeMap<String, String>>, String> {
        let Some(kind) = crate::watched::Kind::named(event.kind()) else {
            return Ok(None);
        };
        let api: kube::Api<DynamicObject> =
            kube::Api::namespaced_with(self.client.clone(), event.namespace(), &kind.resource());
        let asked = tokio::time::timeout(ANSWER, api.get_metadata(event.name())).await;
        let object = asked.map_err(|_| format!("no answer within {ANSWER:?}"))?;
        let object = object.map_err(|error| error.to_string())?;
        Ok(Some(object.metadata.labels.unwrap_or_default()))
    }

    fn cannot_see(&self, route: &Route, event: &Event, error: &str) {
        if let Some(alert) = self.alerts.get(&route.alert) {
            let text = format!(
                "error getting source {}/{}/{}: {error}",
                event.kind(),
                event.namespace(),
                event.name()
            );
            let event = events::Event::warning(reason::SOURCE_FETCH_FAILED, text);
            self.standing.complain(&alert, event);
        }
    }
}

/// PURE: the routes that let a text pass, as far as that can be found in place; and by namespace those where it takes too long.
fn in_place<T>(routes: Chosen<T>, text: &str) -> (Chosen<T>, Vec<Chosen<T>>) {
    let mut namespaces: BTreeMap<String, (usize, Chosen<T>)> = BTreeMap::new();
    let mut passing = Vec::new();
    for (route, what) in routes {
        let effort = route.effort(text);
        if effort == 0 {
            passing.extend(route.passes(text).then_some((route, what)));
            continue;
        }
        let (sum, own) = namespaces.entry(route.alert.namespace.clone()).or_default();
        *sum += effort;
        own.push((route, what));
    }
    let (small, large): (Vec<_>, Vec<_>) = namespaces.into_values().partition(|(sum, _)| *sum <= IN_PLACE);
    let small = small.into_iter().flat_map(|(_, routes)| routes);
    passing.extend(small.filter(|(route, _)| route.passes(text)));
    (passing, large.into_iter().map(|(_, routes)| routes).collect())
}

/// Those of a namespace's routes that let a text pass; each is asked when the namespace has its turn.
async fn beside<T>(judges: &Judges, routes: Chosen<T>, text: &Arc<str>) -> Chosen<T> {
    let mut passing = Vec::new();
    for (route, what) in routes {
        let (asked, text) = (route.clone(), text.clone());
        let passes = judges
            .at_work(&route.alert.namespace, move || asked.passes(&text))
            .await;
        // What could not be found out is told.
        if passes.unwrap_or_else(|| {
            error!(alert = %route.alert, "the search for its patterns crashed");
            true
        }) {
            passing.push((route, what));
        }
    }
    passing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::notification::{Alert, AlertSpec};
    use futures::FutureExt as _;
    use runtime::access::Access;

    /// As many states as a list may have, and a text that reaches all of them.
    const WORST: &str = "[ab]*a[ab]{850}c";

    fn route(namespace: &str, exclusion: Option<&str>) -> (Arc<Route>, &'static str) {
        let spec = AlertSpec {
            exclusion_list: exclusion.map(str::to_owned).into_iter().collect(),
            ..Default::default()
        };
        let mut alert = Alert::new("alert", spec);
        alert.metadata.namespace = Some(namespace.into());
        (Arc::new(Route::of(&alert, Access::default()).0.unwrap()), "kept")
    }

    fn names(routes: &Chosen<&'static str>) -> Vec<String> {
        routes
            .iter()
            .map(|(route, _)| route.alert.namespace.clone())
            .collect()
    }

    #[tokio::test]
    async fn what_takes_long_is_done_beside_and_keeps_nobody_waiting() {
        let words = "waiting for .*|no match( at all)?";
        let all = || {
            vec![
                route("dear", Some(WORST)),
                route("none", None),
                route("small", Some(words)),
                route("out", Some("ab")),
            ]
        };
        let text: Arc<str> = "abba".repeat(2000).into();
        let (passing, namespaces) = in_place(all(), &text[..50]);
        assert_eq!(
            (names(&passing), namespaces.len()),
            (["none", "dear", "small"].map(String::from).to_vec(), 0),
            "a short text takes no time"
        );
        let (passing, mut namespaces) = in_place(all(), &text);
        assert_eq!(names(&passing)[0], "none");
        let dear = namespaces.iter().position(|routes| names(routes) == ["dear"]);
        let dear = namespaces.remove(dear.unwrap());
        let judges = Judges::default();
        let mut beside = Box::pin(beside(&judges, dear, &text));
        assert!(beside.as_mut().now_or_never().is_none(), "it is not done here");
        assert_eq!(names(&beside.await), ["dear"]);
        // Many that are small are large together.
        let many: Chosen<_> = (0..100)
            .map(|_| route("team", Some(words)))
            .chain([route("none", None)])
            .collect();
        let (passing, namespaces) = in_place(many, &text[..500]);
        assert_eq!((names(&passing), namespaces.len()), (vec!["none".to_owned()], 1));
        assert_eq!(
            super::beside(&judges, namespaces.into_iter().next().unwrap(), &text)
                .await
                .len(),
            100
        );
    }
}
