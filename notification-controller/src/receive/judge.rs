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

/// A request that is judged.
#[derive(Debug, Clone)]
pub struct Case {
    /// What filters are told of it, and the filters.
    pub asked: Arc<Asked>,
    allowance: Allowance,
    until: Instant,
}

impl Case {
    /// One of now.
    pub fn new(asked: Arc<Asked>) -> Self {
        Self {
            asked,
            allowance: Allowance::of(TOGETHER),
            until: Instant::now() + IN_TIME,
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

impl Judges {
    /// The names of the objects of the `n`th entry that the filters select, and why others could not be judged. The objects keep their
    /// place until then, though nobody waits for it any more.
    pub async fn judge(
        &self,
        namespace: &str,
        (n, target): (usize, &Target),
        page: Page,
        case: &Case,
    ) -> (Vec<String>, Vec<EffectError>) {
        let (case, target) = (case.clone(), target.clone());
        let judged = self
            .at_work(namespace, move || {
                let Page {
                    objects,
                    place: _place,
                } = page;
                judge(n, &target, &objects, &case)
            })
            .await;
        judged.unwrap_or_else(|| (Vec::new(), vec![EffectError::Crashed]))
    }
}

fn judge(
    n: usize,
    target: &Target,
    objects: &[PartialObjectMeta<DynamicObject>],
    case: &Case,
) -> (Vec<String>, Vec<EffectError>) {
    let (asked, mut names, mut errors) = (&case.asked, Vec::new(), Vec::new());
    for object in objects {
        let name = object.name_any();
        if case.allowance.is_spent() || Instant::now() >= case.until {
            errors.push(EffectError::TooMuch {
                from: what(target, &name),
            });
            break;
        }
        let seen = as_seen(target, object);
        match asked
            .validated
            .filters
            .select(n, &seen, &asked.told, &case.allowance)
        {
            Ok(true) => names.push(name),
            Ok(false) => info!(
                "resource '{}' not annotated: the filters do not select it",
                what(target, &name)
            ),
            Err(source) => errors.push(EffectError::Filter {
                what: what(target, &name),
                source,
            }),
        }
    }
    (names, errors)
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

    /// Spends all that one evaluation has, every time.
    const ENDLESS: &str = "req.l.all(x, req.l.all(y, req.l.all(z, req.l.all(w, true))))";

    fn objects() -> Vec<PartialObjectMeta<DynamicObject>> {
        let of = |n: usize| {
            serde_json::from_value(
                json!({"metadata": {"name": format!("app-{n}"), "labels": {"odd": (n % 2 == 1).to_string()}}}),
            )
        };
        (0..500).map(|n| of(n).unwrap()).collect()
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
        let (names, errors) = judge(
            0,
            &target(),
            &objects(),
            &case("res.metadata.labels.odd == 'true'"),
        );
        assert_eq!((names.len(), errors.len()), (250, 0));
        // What all may take together is spent after some, and that is said once.
        let mut costly = case(ENDLESS);
        costly.allowance = Allowance::of(3);
        let (names, errors) = judge(0, &target(), &objects(), &costly);
        assert!(names.is_empty() && errors.len() <= 4, "{}", errors.len());
        assert!(
            matches!(errors.last(), Some(EffectError::TooMuch { .. })),
            "{errors:?}"
        );
        // The time counts as well, for cheap filters too.
        let mut late = case("true");
        late.until = Instant::now();
        let (names, errors) = judge(0, &target(), &objects(), &late);
        assert!(
            names.is_empty() && matches!(errors[..], [EffectError::TooMuch { .. }]),
            "{errors:?}"
        );
    }
}
