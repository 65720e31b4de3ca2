//! I/O: where the cluster differs from what the release says, and how it is brought back.

use super::step::Stop;
use crate::{
    context::Context,
    ledger::{self, Good, Memory},
    release::{
        objects::{self, Item},
        write::{MANAGER, create, migrate, words},
    },
};
use ::apply::{
    ignore::{self, IgnoreRules},
    view::{Live, Scope, State, Watch},
};
use crds::{
    helm::{DriftMode, HelmRelease, reason as hr},
    meta::{DISABLED, DRIFT_DETECTION, IgnoreRule},
};
use futures::{StreamExt as _, stream};
use helm::release::Release;
use json_patch::{PatchOperation, diff};
use kube::{
    Client,
    api::{Patch, PatchParams, ValidationDirective},
};
use runtime::{Key, client::Identity, telemetry::chain};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How long a new watch may take to show what is there.
const FIRST_SIGHT: Duration = Duration::from_secs(5);
/// So many objects of a release are asked about, or corrected, at once.
const AT_ONCE: usize = 8;

/// One object that differs.
#[derive(Debug)]
pub struct Difference {
    item: Item,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// It is not there.
    Removed,
    /// It is otherwise.
    Changed(json_patch::Patch),
}

impl Difference {
    /// When it is corrected: those with the same turn at once.
    fn turn(&self) -> (bool, (usize, String)) {
        let (at, kind) = helm::manifest::rank(&self.item.object.kind, helm::manifest::INSTALL_ORDER);
        match self.kind {
            Kind::Removed => (false, (at, kind.to_owned())),
            Kind::Changed(_) => (true, (0, String::new())),
        }
    }

    /// Makes or changes the object; a line about what was done, or what was not.
    async fn correct(&self, client: &Client) -> Result<String, String> {
        let (item, name) = (&self.item, self.item.object.to_string());
        let patch = match &self.kind {
            Kind::Removed => {
                let made = create(client, item).await;
                return made
                    .map(|_| format!("{name} created"))
                    .map_err(|e| format!("{name} creation failure: {}", words(&e)));
            }
            Kind::Changed(patch) => Patch::Json::<()>(patch.clone()),
        };
        let api = item.resource.api(client.clone(), &item.object.namespace);
        let params = PatchParams {
            field_manager: Some(MANAGER.into()),
            ..PatchParams::default()
        };
        let changed = api.patch(&item.object.name, &params, &patch).await;
        changed
            .map(|_| format!("{name} configured"))
            .map_err(|e| format!("{name} patch failure: {}", masked(item, &e)))
    }

    fn summary(&self) -> String {
        let name = &self.item.object;
        let Kind::Changed(patch) = &self.kind else {
            return format!("{name} removed");
        };
        let count = |is: fn(&PatchOperation) -> bool| patch.0.iter().filter(|o| is(o)).count();
        format!(
            "{name} changed ({} additions, {} changes, {} removals)",
            count(|o| matches!(o, PatchOperation::Add(_))),
            count(|o| matches!(o, PatchOperation::Replace(_))),
            count(|o| matches!(o, PatchOperation::Remove(_)))
        )
    }
}

/// A line for each object that differs.
pub fn summary(differences: &[Difference]) -> String {
    differences
        .iter()
        .map(Difference::summary)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Takes in that objects were found to differ, so that the same ones again and again are looked at ever less often.
pub fn note(differences: &[Difference], memory: &Mutex<Memory>) {
    let (mut memory, now) = (ledger::lock(memory), Instant::now());
    for difference in differences {
        memory.fights.corrected(&difference.item.object.id(), now);
    }
}

/// Looks for objects that are not as the release says. What the live view shows untouched is not asked about again.
pub async fn find(
    context: &Context,
    object: &HelmRelease,
    identity: &Identity,
    release: &Release,
    memory: &Mutex<Memory>,
) -> Result<Vec<Difference>, Stop> {
    let failed = |message: String| Stop::Failed {
        reason: hr::STATE_ERROR,
        message: format!("Could not determine release state: unable to determine cluster state: {message}"),
        tells: false,
    };
    let rules = object
        .spec
        .drift_detection
        .as_ref()
        .map_or(&[][..], |d| d.ignore.as_slice());
    // An empty path takes the whole object out.
    let (whole, parts): (Vec<_>, Vec<_>) = rules
        .iter()
        .cloned()
        .partition(|r| r.paths.iter().any(String::is_empty));
    let whole: Vec<_> = whole
        .into_iter()
        .map(|rule| IgnoreRule {
            paths: vec!["/metadata".to_owned()],
            ..rule
        })
        .collect();
    let whole = IgnoreRules::new(&whole).map_err(|e| failed(chain(&e)))?;
    let parts = IgnoreRules::new(&parts).map_err(|e| failed(chain(&e)))?;
    let mut items = objects::build(
        &context.discovery.of(identity),
        &release.manifest,
        &release.namespace,
    )
    .await
    .map_err(|e| failed(chain(&e)))?;
    for item in &mut items {
        objects::own(&mut item.manifest, &release.name, &release.namespace);
    }
    let watches = watches(context, identity, &items).await;
    let client = context.clients.of(identity);
    let (mut differences, mut good) = (Vec::new(), HashMap::new());
    let known = {
        let memory = ledger::lock(memory);
        if memory.good_for == release.version {
            memory.good.clone()
        } else {
            HashMap::new()
        }
    };
    let (mut asked, mut errors) = (Vec::new(), Vec::new());
    for item in items {
        if !whole.of(&item.manifest).is_empty() || is_excluded(&item.manifest) {
            continue;
        }
        let id = item.object.id();
        let live = sight(&watches, &item);
        if let (Some(now), Some(before)) = (live.as_deref().map(good_of), known.get(&id))
            && now == *before
        {
            good.insert(id, now);
            continue;
        }
        asked.push((id, item));
    }
    let overrides = &context.settings.overrides;
    let answers: Vec<_> = asked
        .iter()
        .map(|(_, item)| one(&client, item, &parts, overrides))
        .collect();
    let answers: Vec<_> = stream::iter(answers).buffered(AT_ONCE).collect().await;
    for ((id, item), answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(Look::Ours) => {
                if let Some(now) = sight(&watches, &item).as_deref().map(good_of) {
                    good.insert(id, now);
                }
            }
            Ok(Look::Same) => {}
            Ok(Look::Differs(kind)) => differences.push(Difference { item, kind }),
            Err(error) => errors.push(error),
        }
    }
    if differences.is_empty() && !errors.is_empty() {
        return Err(failed(errors.join(", ")));
    }
    let mut memory = ledger::lock(memory);
    memory.good = good;
    memory.good_for = release.version;
    memory.watches = watches;
    Ok(differences)
}

/// Brings the cluster back: what is gone is made, kind after kind, and then what differs is changed; several objects at a
/// time. One failure does not stop the others.
pub async fn correct(client: &Client, mut differences: Vec<Difference>) -> (Vec<String>, Vec<String>) {
    differences.sort_by(|a, b| {
        let name = |d: &Difference| (d.item.object.namespace.clone(), d.item.object.name.clone());
        (a.turn(), name(a)).cmp(&(b.turn(), name(b)))
    });
    let (mut corrected, mut failures) = (Vec::new(), Vec::new());
    for together in differences.chunk_by(|a, b| a.turn() == b.turn()) {
        let corrections: Vec<_> = together.iter().map(|d| d.correct(client)).collect();
        let done: Vec<_> = stream::iter(corrections).buffered(AT_ONCE).collect().await;
        for answer in done {
            match answer {
                Ok(line) => corrected.push(line),
                Err(line) => failures.push(line),
            }
        }
    }
    (corrected, failures)
}

/// Whether drift is looked for at all.
pub fn is_watched(object: &HelmRelease) -> bool {
    crate::spec::drift_mode(object) != DriftMode::Disabled
}

/// What an object is compared with what the release says.
enum Look {
    /// As it says, and every field of it is ours: when somebody changes one, our own entry says so.
    Ours,
    /// As it says, but somebody else holds some of it, whose edits our entry does not tell of: it is looked at again each time.
    Same,
    /// Otherwise.
    Differs(Kind),
}

async fn one(
    client: &Client,
    item: &Item,
    rules: &IgnoreRules,
    overrides: &[String],
) -> Result<Look, String> {
    let api = item.resource.api(client.clone(), &item.object.namespace);
    let live = api.get_opt(&item.object.name).await.map_err(|e| words(&e))?;
    let Some(live) = live else {
        return Ok(Look::Differs(Kind::Removed));
    };
    let live = serde_json::to_value(live).unwrap_or_default();
    if is_excluded(&live) {
        return Ok(Look::Ours);
    }
    if !overrides.is_empty() {
        migrate(client, item, live.clone(), overrides).await?;
    }
    let params = PatchParams {
        dry_run: true,
        force: true,
        field_manager: Some(MANAGER.into()),
        field_validation: Some(ValidationDirective::Ignore),
    };
    let wanted = api
        .patch(&item.object.name, &params, &Patch::Apply(&item.manifest))
        .await
        .map_err(|e| format!("{}: {}", item.object, masked(item, &e)))?;
    let wanted = serde_json::to_value(wanted).unwrap_or_default();
    let ignored = rules.of(&item.manifest);
    let reduce = |value: &Value| ignore::without(&comparable(value, &item.manifest), &ignored);
    let patch = diff(&reduce(&live), &reduce(&wanted));
    Ok(match patch.0.is_empty() {
        false => Look::Differs(Kind::Changed(patch)),
        true if own_fields(&live) == own_fields(&wanted) => Look::Ours,
        true => Look::Same,
    })
}

/// The fields that are ours, by what we applied and by what we corrected.
fn own_fields(object: &Value) -> Value {
    let entries = object["metadata"]["managedFields"].as_array();
    let is_own = |entry: &&Value| entry["manager"] == MANAGER && entry["subresource"].is_null();
    let mut own = json!({});
    for entry in entries.into_iter().flatten().filter(is_own) {
        add_fields(&mut own, &entry["fieldsV1"]);
    }
    own
}

fn add_fields(own: &mut Value, more: &Value) {
    let (Some(own), Some(more)) = (own.as_object_mut(), more.as_object()) else {
        return;
    };
    for (name, below) in more {
        add_fields(own.entry(name.as_str()).or_insert_with(|| json!({})), below);
    }
}

/// What is compared of an object: labels and annotations that the manifest names, and everything but metadata and status.
fn comparable(value: &Value, manifest: &Value) -> Value {
    let mut reduced = value.clone();
    let Some(object) = reduced.as_object_mut() else {
        return reduced;
    };
    object.remove("status");
    let mut metadata = json!({});
    for map in ["labels", "annotations"] {
        let named = manifest["metadata"][map].as_object();
        let live = value["metadata"][map].as_object();
        let kept: serde_json::Map<String, Value> = live
            .into_iter()
            .flatten()
            .filter(|(key, _)| named.is_some_and(|n| n.contains_key(*key)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        // An object that has lost the whole map must get it back as one.
        if live.is_some() {
            metadata[map] = Value::Object(kept);
        }
    }
    object.insert("metadata".to_owned(), metadata);
    reduced
}

fn is_excluded(object: &Value) -> bool {
    ["labels", "annotations"].iter().any(|map| {
        let value = object
            .get("metadata")
            .and_then(|m| m.get(map))
            .and_then(|m| m.get(DRIFT_DETECTION));
        value
            .and_then(Value::as_str)
            .is_some_and(|v| v.eq_ignore_ascii_case(DISABLED))
    })
}

/// What the API server says of an object; of a Secret, without the values that it may quote.
fn masked(item: &Item, error: &kube::Error) -> String {
    let text = words(error);
    match item.object.kind == "Secret" {
        true => text.rsplit(':').next().unwrap_or_default().trim().to_owned(),
        false => text,
    }
}

fn good_of(live: &Live) -> Good {
    Good {
        uid: live.uid.clone(),
        fields: live.owners.fingerprint,
    }
}

fn sight(watches: &[Arc<Watch>], item: &Item) -> Option<Arc<Live>> {
    let key = Key::new(&item.object.namespace, &item.object.name);
    let mut fitting = watches
        .iter()
        .filter(|w| w.scope().resource == item.resource && w.state() == State::Synced)
        .filter(|w| {
            w.scope()
                .namespace
                .as_ref()
                .is_none_or(|n| *n == item.object.namespace)
        });
    fitting.find_map(|w| w.get(&key))
}

async fn watches(context: &Context, identity: &Identity, items: &[Item]) -> Vec<Arc<Watch>> {
    let mut watches: Vec<Arc<Watch>> = Vec::new();
    for item in items {
        let one = item.resource.namespaced && *identity != Identity::Controller;
        let scope = Scope {
            identity: identity.clone(),
            resource: item.resource.clone(),
            namespace: one.then(|| item.object.namespace.clone()),
            name: None,
        };
        if !watches.iter().any(|w| *w.scope() == scope) {
            watches.push(context.view.watch(scope));
        }
    }
    for watch in &watches {
        watch.ready(FIRST_SIGHT).await;
    }
    watches
}
