//! Which of many objects a request is about: its filters at work, fairly, and within what they may take for all objects together.

use super::{
    effect::{Asked, EffectError, Page, what},
    target::Target,
};
use crate::judges::Judges;
use expr::Allowance;
use kube::{ResourceExt as _, api::DynamicObject, core::PartialObjectMeta};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::info;

/// For all objects of a request filters may take together what so many evaluations may take at the most.
const TOGETHER: usize = 32;
/// So long after a request filters begin with no further object; the request itself ends soon after.
const IN_TIME: Duration = Duration::from_secs(30);
/// So long filters are at work until they let others go before them.
const SLICE: Duration = Duration::from_millis(200);

/// A request that is judged.
#[derive(Debug, Clone)]
pub struct Case {
    /// What filters are told of it, and the filters.
    pub asked: Arc<Asked>,
    allowance: Allowance,
    until: Instant,
    slice: Duration,
}

impl Case {
    /// One of now.
    pub fn new(asked: Arc<Asked>) -> Self {
        Self {
            asked,
            allowance: Allowance::of(TOGETHER),
            until: Instant::now() + IN_TIME,
            slice: SLICE,
        }
    }

    /// One for which there is no time left.
    #[cfg(test)]
    pub fn late(asked: Arc<Asked>) -> Self {
        Self {
            until: Instant::now(),
            ..Self::new(asked)
        }
    }
}

/// What came of judging.
#[derive(Debug, Default)]
struct Judged {
    /// The names of those that are selected.
    names: Vec<String>,
    /// Why others could not be judged.
    errors: Vec<EffectError>,
    /// So many were looked at.
    seen: usize,
}

impl Judges {
    /// The names of the objects of the `n`th entry that the filters select, and why others could not be judged. Whoever has many, or dear
    /// filters, lets others go before again and again. The objects keep their place until the end, though nobody waits for it any more.
    pub async fn judge(
        &self,
        namespace: &str,
        (n, target): (usize, &Target),
        mut page: Page,
        case: &Case,
    ) -> (Vec<String>, Vec<EffectError>) {
        let mut judged = Judged::default();
        while judged.seen < page.objects.len() {
            let (case, target) = (case.clone(), target.clone());
            let slice = move || {
                judge(n, &target, &page.objects, &case, &mut judged);
                (page, judged)
            };
            (page, judged) = match self.at_work(namespace, slice).await {
                Some(done) => done,
                None => return (Vec::new(), vec![EffectError::Crashed]),
            };
        }
        (judged.names, judged.errors)
    }
}

/// Judges at least one of those that were not looked at, and as many as there is time for.
fn judge(
    n: usize,
    target: &Target,
    objects: &[PartialObjectMeta<DynamicObject>],
    case: &Case,
    judged: &mut Judged,
) {
    let (asked, begin) = (&case.asked, Instant::now());
    for object in &objects[judged.seen..] {
        let name = object.name_any();
        if case.allowance.is_spent() || Instant::now() >= case.until {
            judged.errors.push(EffectError::TooMuch {
                from: what(target, &name),
            });
            judged.seen = objects.len();
            return;
        }
        judged.seen += 1;
        let seen = as_seen(target, object);
        match asked
            .validated
            .filters
            .select(n, &seen, &asked.told, &case.allowance)
        {
            Ok(true) => judged.names.push(name),
            Ok(false) => info!(
                "resource '{}' not annotated: the filters do not select it",
                what(target, &name)
            ),
            Err(source) => judged.errors.push(EffectError::Filter {
                what: what(target, &name),
                source,
            }),
        }
        if begin.elapsed() >= case.slice {
            return;
        }
    }
}

/// An object as filters see it: `res.metadata` and what it is.
fn as_seen(target: &Target, object: &PartialObjectMeta<DynamicObject>) -> Value {
    let mut metadata = object.metadata.clone();
    metadata.managed_fields = None;
    json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": metadata,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::{filter::Told, validate::validate};
    use crds::{
        meta::LocalReference,
        notification::{ObjectKind, ObjectSelector, Receiver, ReceiverResource, ReceiverSpec},
    };
    use runtime::access::Access;
    use std::sync::Mutex;

    /// Spends all that one evaluation has, every time.
    const ENDLESS: &str = "req.l.all(x, req.l.all(y, req.l.all(z, req.l.all(w, true))))";

    fn objects(number: usize) -> Vec<PartialObjectMeta<DynamicObject>> {
        let of = |n: usize| {
            serde_json::from_value(
                json!({"metadata": {"name": format!("app-{n}"), "labels": {"odd": (n % 2 == 1).to_string()}}}),
            )
        };
        (0..number).map(|n| of(n).unwrap()).collect()
    }

    /// What becomes of five hundred objects, without letting anybody go before.
    fn at_once(mut case: Case) -> (Vec<String>, Vec<EffectError>) {
        let mut judged = Judged::default();
        case.slice = Duration::MAX;
        judge(0, &target(), &objects(500), &case, &mut judged);
        assert_eq!(judged.seen, 500);
        (judged.names, judged.errors)
    }

    fn target() -> Target {
        let selector = ObjectSelector {
            kind: ObjectKind::GitRepository,
            name: "app".into(),
            ..Default::default()
        };
        Target::new("team", &selector, Access::default()).unwrap()
    }

    fn case(filter: &str) -> Case {
        let spec = ReceiverSpec {
            resource_filter: Some(filter.into()),
            resources: vec![ReceiverResource::default()],
            secret_ref: Some(LocalReference { name: "token".into() }),
            ..Default::default()
        };
        let validated = Arc::new(validate(&Receiver::new("hook", spec)).unwrap());
        let told = Told {
            req: json!({"l": (0..1000).collect::<Vec<_>>()}),
            claims: Value::Null,
        };
        Case::new(Arc::new(Asked { validated, told }))
    }

    #[test]
    fn five_hundred_objects_are_judged_or_the_rest_is_left() {
        let (names, errors) = at_once(case("res.metadata.labels.odd == 'true'"));
        assert_eq!((names.len(), errors.len()), (250, 0));
        // What all may take together is spent after some, and that is said once.
        let mut costly = case(ENDLESS);
        costly.allowance = Allowance::of(3);
        let (names, errors) = at_once(costly);
        assert!(names.is_empty() && errors.len() <= 4, "{}", errors.len());
        assert!(
            matches!(errors.last(), Some(EffectError::TooMuch { .. })),
            "{errors:?}"
        );
        // The time counts as well, for cheap filters too.
        let mut late = case("true");
        late.until = Instant::now();
        let (names, errors) = at_once(late);
        assert!(
            names.is_empty() && matches!(errors[..], [EffectError::TooMuch { .. }]),
            "{errors:?}"
        );
    }

    #[tokio::test]
    async fn who_has_many_lets_others_go_before_again_and_again() {
        let judges = &Judges::default();
        let ended = &Mutex::new(Vec::new());
        let request = async |namespace: &'static str, number: usize| {
            let mut case = case("res.metadata.labels.odd == 'true'");
            case.slice = Duration::ZERO;
            let page = Page {
                objects: objects(number),
                place: None,
            };
            let (names, errors) = judges.judge(namespace, (0, &target()), page, &case).await;
            assert!(errors.is_empty(), "{errors:?}");
            ended.lock().unwrap().push((namespace, names.len()));
        };
        // Those who come last have the least, and wait for a few slices, not for all of the others' objects.
        tokio::join!(
            request("many", 50),
            request("more", 80),
            request("some", 9),
            request("few", 2)
        );
        let ended = ended.lock().unwrap();
        assert_eq!(ended[..2], [("few", 1), ("some", 4)], "{ended:?}");
        assert!(
            ended.contains(&("many", 25)) && ended.contains(&("more", 40)),
            "{ended:?}"
        );
    }
}
