//! I/O: asks for the reconciliation of what a Receiver names, by an annotation on each object.

use super::{
    filter::Told,
    judge::Case,
    target::{Target, TargetError, Which},
    validate::Validated,
};
use crate::{
    fair::{Fair, Place},
    judges::Judges,
};
use crds::{meta::REQUESTED_AT, notification::Receiver};
use expr::EvaluateError;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    core::PartialObjectMeta,
};
use runtime::access::Access;
use serde_json::json;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use thiserror::Error;
use tracing::{info, warn};

/// The field manager (Flux).
const MANAGER: &str = "notification-controller";
/// So many objects are asked for at once, of all requests together.
const AT_ONCE: usize = 16;
/// So many of them for Receivers of one namespace.
const OF_ONE: usize = 8;
/// So many objects are listed with one request: each may have a quarter of a megabyte of annotations.
const PAGE: u32 = 50;
/// So many pages are held at once, of all requests together: from before they are asked for until their objects are chosen.
const PAGES: usize = 8;
/// So many more of entries without a filter: these are held for a moment only, and do not wait until others are judged.
const PLAIN_PAGES: usize = 4;
/// So many of either for Receivers of one namespace.
const PAGES_OF_ONE: usize = 2;

/// Asks for reconciliations.
#[derive(Clone)]
pub struct Effect {
    client: Client,
    access: Access,
    places: Arc<Fair>,
    pages: Arc<Fair>,
    plain_pages: Arc<Fair>,
    judges: Judges,
    begin: Instant,
}

/// Why an object is not asked to reconcile.
#[derive(Debug, Error)]
pub enum EffectError {
    /// The entry of the Receiver means nothing.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The objects cannot be read.
    #[error("unable to read {what}")]
    Read {
        /// Kind and name.
        what: String,
        /// What the API server says.
        #[source]
        source: kube::Error,
    },
    /// A filter has no value for the object.
    #[error("the filter fails for {what}")]
    Filter {
        /// Kind and name.
        what: String,
        /// Why.
        #[source]
        source: EvaluateError,
    },
    /// The filters have taken what they may for all objects together.
    #[error("the filters take too long for all objects together: those from {from} on were not judged")]
    TooMuch {
        /// Kind and name of the first.
        from: String,
    },
    /// The filters crashed.
    #[error("the filters crashed")]
    Crashed,
    /// The annotation cannot be written.
    #[error("failed to annotate {what}")]
    Annotate {
        /// Kind and name.
        what: String,
        /// What the API server says.
        #[source]
        source: kube::Error,
    },
}

/// What a request has filters judge by.
#[derive(Debug)]
pub struct Asked {
    /// The Receiver's filters, and whatever else it says.
    pub validated: Arc<Validated>,
    /// What they are told.
    pub told: Told,
}

/// A request that is carried out.
struct Call<'a> {
    /// Of the Receiver.
    namespace: &'a str,
    case: Case,
    /// What the annotation says.
    value: String,
    /// The objects that were asked for: API version, kind, namespace and name.
    asked: Mutex<HashSet<[String; 4]>>,
}

impl Call<'_> {
    /// Whether an object is asked for the first time, however many entries mean it.
    fn is_first(&self, target: &Target, name: &str) -> bool {
        let (resource, namespace) = (&target.resource, target.namespace.clone());
        let object = [
            resource.api_version.clone(),
            resource.kind.clone(),
            namespace,
            name.to_owned(),
        ];
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(object)
    }
}

/// Objects that wait to be chosen, and the place that they have.
pub struct Page {
    /// The objects.
    pub objects: Vec<PartialObjectMeta<DynamicObject>>,
    /// None needs one that holds nothing.
    pub place: Option<Place>,
}

impl Effect {
    /// Acts by this client, within these rules.
    pub fn new(client: Client, access: Access) -> Self {
        Self {
            client,
            access,
            places: Arc::new(Fair::new(AT_ONCE, OF_ONE)),
            pages: Arc::new(Fair::new(PAGES, PAGES_OF_ONE)),
            plain_pages: Arc::new(Fair::new(PLAIN_PAGES, PAGES_OF_ONE)),
            judges: Judges::default(),
            begin: Instant::now(),
        }
    }

    /// Who judges by expressions.
    pub fn judges(&self) -> &Judges {
        &self.judges
    }

    /// Asks for all that a Receiver names; what fails does not keep the rest from being asked for.
    pub async fn request(&self, receiver: &Receiver, asked: Arc<Asked>) -> Vec<EffectError> {
        self.carry_out(receiver, Case::new(asked)).await
    }

    async fn carry_out(&self, receiver: &Receiver, case: Case) -> Vec<EffectError> {
        let namespace = receiver.metadata.namespace.as_deref().unwrap_or_default();
        let value = go_time(Timestamp::now(), self.begin.elapsed().as_nanos());
        let call = Call {
            namespace,
            case,
            value,
            asked: Mutex::default(),
        };
        // What is said twice is meant once.
        let mut seen = HashSet::new();
        let mut entries: Vec<_> = receiver.spec.resources.iter().enumerate().collect();
        entries.retain(|(_, entry)| seen.insert(*entry));
        let each = entries.into_iter().map(|(n, entry)| {
            let call = &call;
            async move {
                match Target::new(namespace, &entry.objects, self.access) {
                    Ok(target) => self.entry(n, &target, call).await,
                    Err(error) => vec![error.into()],
                }
            }
        });
        // Boxed: the compiler does not see otherwise that it may be sent.
        let outcomes: Vec<Vec<EffectError>> = stream::iter(each)
            .buffer_unordered(AT_ONCE)
            .boxed()
            .collect()
            .await;
        outcomes.into_iter().flatten().collect()
    }

    async fn entry(&self, n: usize, target: &Target, call: &Call<'_>) -> Vec<EffectError> {
        let is_filtered = call.case.asked.validated.filters.any_for(n);
        let pages = if is_filtered {
            &self.pages
        } else {
            &self.plain_pages
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &target.namespace, &target.resource);
        match &target.which {
            Which::Named(name) if !is_filtered => self
                .annotate(&api, target, name, call)
                .await
                .err()
                .into_iter()
                .collect(),
            Which::Named(name) => {
                let read = |source| EffectError::Read {
                    what: what(target, name),
                    source,
                };
                let place = pages.take(call.namespace).await;
                match api.get_metadata(name).await.map_err(read) {
                    Ok(object) => {
                        let objects = vec![object];
                        self.page((n, target), &api, Page { objects, place }, call).await
                    }
                    Err(error) => vec![error],
                }
            }
            Which::Labelled(selector) => {
                let mut params = ListParams::default().labels(selector).limit(PAGE);
                let (mut errors, mut found) = (Vec::new(), 0);
                loop {
                    let place = pages.take(call.namespace).await;
                    let list = match api.list_metadata(&params).await {
                        Ok(list) => list,
                        Err(source) => {
                            errors.push(EffectError::Read {
                                what: what(target, selector),
                                source,
                            });
                            break;
                        }
                    };
                    found += list.items.len();
                    let more = list.metadata.continue_.filter(|more| !more.is_empty());
                    let objects = list.items;
                    let problems = self.page((n, target), &api, Page { objects, place }, call).await;
                    let is_over = problems.iter().any(|p| matches!(p, EffectError::TooMuch { .. }));
                    errors.extend(problems);
                    match more.filter(|_| !is_over) {
                        Some(more) => params = params.continue_token(&more),
                        None => break,
                    }
                }
                if found == 0 {
                    warn!(
                        kind = target.resource.kind,
                        namespace = target.namespace,
                        selector,
                        "no objects have these labels"
                    );
                }
                errors
            }
        }
    }

    async fn page(
        &self,
        (n, target): (usize, &Target),
        api: &Api<DynamicObject>,
        page: Page,
        call: &Call<'_>,
    ) -> Vec<EffectError> {
        // Names are all that is left of the objects after this.
        let (names, mut errors): (Vec<String>, _) = match call.case.asked.validated.filters.any_for(n) {
            true => {
                self.judges
                    .judge(call.namespace, (n, target), page, &call.case)
                    .await
            }
            false => {
                let Page {
                    objects,
                    place: _place,
                } = page;
                (objects.iter().map(ResourceExt::name_any).collect(), Vec::new())
            }
        };
        let each = names.iter().map(|name| self.annotate(api, target, name, call));
        let written: Vec<Result<(), EffectError>> = stream::iter(each)
            .buffer_unordered(AT_ONCE)
            .boxed()
            .collect()
            .await;
        errors.extend(written.into_iter().filter_map(Result::err));
        errors
    }

    async fn annotate(
        &self,
        api: &Api<DynamicObject>,
        target: &Target,
        name: &str,
        call: &Call<'_>,
    ) -> Result<(), EffectError> {
        if !call.is_first(target, name) {
            return Ok(());
        }
        let _place = self.places.take(call.namespace).await;
        let change = json!({"metadata": {"annotations": {REQUESTED_AT: call.value}}});
        let params = PatchParams {
            field_manager: Some(MANAGER.into()),
            ..PatchParams::default()
        };
        let written = api.patch_metadata(name, &params, &Patch::Merge(&change)).await;
        let what = what(target, name);
        written.map_err(|source| EffectError::Annotate {
            what: what.clone(),
            source,
        })?;
        info!("resource '{what}' annotated");
        Ok(())
    }
}

/// An object in words.
pub fn what(target: &Target, name: &str) -> String {
    format!("{}/{name}.{}", target.resource.kind, target.namespace)
}

/// A time as Go prints it, with the nanoseconds since the process began: what Flux writes into the annotation.
fn go_time(now: Timestamp, running: u128) -> String {
    let fraction = format!("{:09}", now.subsec_nanosecond());
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let (seconds, nanos) = (running / 1_000_000_000, running % 1_000_000_000);
    format!(
        "{}{dot}{fraction} +0000 UTC m=+{seconds}.{nanos:09}",
        now.strftime("%Y-%m-%d %H:%M:%S")
    )
}

#[cfg(test)]
mod tests;
