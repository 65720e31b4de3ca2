//! PURE over what was last seen: the source, its artifact, and the dependencies.

use super::step::{Again, Resolved, Stop};
use crate::{
    context::Context,
    sources::{Found, SourceKey},
};
use crds::{
    kustomize::Kustomization,
    meta::{Artifact, ConditionStatus, ObjectStatus as _, READY, REQUESTED_AT, reason},
};
use expr::{Expression, HealthCheck, HealthExpressions};
use kube::ResourceExt as _;
use runtime::{Key, conditions::TERMINAL};
use std::{sync::Arc, time::Duration};

/// The shortest timeout, as Flux has it.
const MIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Finds what the object refers to.
pub fn run(context: &Context, object: &Kustomization) -> Result<Resolved, Stop> {
    let health = Arc::new(health_expressions(object)?);
    let artifact = artifact(context, object)?;
    dependencies(context, object, &artifact)?;
    let asked = asked(object);
    Ok(Resolved {
        timeout: timeout(object),
        attentive: asked || attentive(object, &artifact),
        asked,
        artifact,
        health,
    })
}

/// Reads the spec's own rules for health; a rule that is no rule is for the user to mend.
fn health_expressions(object: &Kustomization) -> Result<HealthExpressions, Stop> {
    let checks = object.spec.health_check_exprs.iter().map(|check| HealthCheck {
        api_version: check.api_version.clone(),
        kind: check.kind.clone(),
        current: check.current.clone(),
        in_progress: check.in_progress.clone(),
        failed: check.failed.clone(),
    });
    HealthExpressions::compile(&checks.collect::<Vec<_>>()).map_err(|e| Stop::Terminal {
        reason: reason::INVALID_CEL_EXPRESSION,
        message: format!("{TERMINAL}: {}", runtime::telemetry::chain(&e)),
    })
}

/// The object's effective timeout: what it says, or its interval less half a minute, but never less than that.
pub fn timeout(object: &Kustomization) -> Duration {
    let own = object.spec.timeout.as_ref().and_then(|t| t.get().ok());
    own.unwrap_or_else(|| interval(object).saturating_sub(Duration::from_secs(30)))
        .max(MIN_TIMEOUT)
}

/// The object's interval; an hour where it cannot be read, so that it is not for ever.
pub fn interval(object: &Kustomization) -> Duration {
    object
        .spec
        .interval
        .get()
        .ok()
        .filter(|i| !i.is_zero())
        .unwrap_or(Duration::from_secs(3600))
}

/// How long to wait after a failure.
pub fn retry_interval(object: &Kustomization) -> Duration {
    let own = object
        .spec
        .retry_interval
        .as_ref()
        .and_then(|t| t.get().ok())
        .filter(|i| !i.is_zero());
    own.unwrap_or_else(|| interval(object))
}

fn artifact(context: &Context, object: &Kustomization) -> Result<Artifact, Stop> {
    let own = object.namespace().unwrap_or_default();
    let reference = &object.spec.source_ref;
    let kind = reference.kind.as_str();
    let namespace = reference
        .namespace
        .as_deref()
        .filter(|n| !n.is_empty())
        .unwrap_or(&own);
    let denied = |e: &dyn std::fmt::Display| Stop::Terminal {
        reason: reason::ACCESS_DENIED,
        message: e.to_string(),
    };
    context
        .settings
        .access
        .check(&own, kind, namespace, &reference.name)
        .map_err(|e| denied(&e))?;
    match context.sources.find(&SourceKey {
        kind: reference.kind,
        key: Key::new(namespace, &reference.name),
    }) {
        Found::Artifact(artifact) => Ok(*artifact),
        Found::Missing => Err(Stop::NoSource {
            message: format!("{kind}.{} \"{}\" not found", crds::source::GROUP, reference.name),
            again: Again::Retry,
        }),
        Found::NoArtifact => Err(Stop::NoSource {
            message: format!(
                "Source artifact not found, retrying in {}",
                crds::meta::format_go(context.settings.requeue_dependency)
            ),
            again: Again::Dependency,
        }),
        Found::Disabled => Err(denied(&format!(
            "can't access '{kind}/{namespace}/{}', ExternalArtifact feature gate is disabled",
            reference.name
        ))),
    }
}

/// Dependencies are checked in their order; the first that is not ready is told.
fn dependencies(context: &Context, object: &Kustomization, artifact: &Artifact) -> Result<(), Stop> {
    let own = object.namespace().unwrap_or_default();
    for dependency in &object.spec.depends_on {
        let key = Key::new(
            dependency
                .namespace
                .as_deref()
                .filter(|n| !n.is_empty())
                .unwrap_or(&own),
            &dependency.name,
        );
        let wait = |message: String| Stop::Dependency {
            message,
            revision: artifact.revision.clone(),
        };
        let Some(found) = context.kustomizations.get(&key) else {
            return Err(wait(format!(
                "dependency '{key}' not found: kustomizations.{} \"{}\" not found",
                crds::kustomize::GROUP,
                key.name
            )));
        };
        let expression = dependency.ready_expr.as_deref().filter(|e| !e.is_empty());
        if let Some(text) = expression {
            let expression =
                Expression::compile_checked(text, &["self", "dep"]).map_err(|e| Stop::Terminal {
                    reason: reason::INVALID_CEL_EXPRESSION,
                    message: format!("{TERMINAL}: failed to parse readyExpr of dependency '{key}': {e}"),
                })?;
            let (this, that) = (to_value(object), to_value(&*found));
            match expression.evaluate(&[("self", &this), ("dep", &that)]) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(wait(format!(
                        "dependency '{key}' is not ready according to readyExpr eval"
                    )));
                }
                Err(error) => return Err(wait(format!("dependency '{key}' is not ready: {error}"))),
            }
        }
        if expression.is_none() || context.settings.additive_ready_expr {
            built_in_check(object, &found, &key, artifact).map_err(wait)?;
        }
    }
    Ok(())
}

fn built_in_check(
    object: &Kustomization,
    dependency: &Kustomization,
    key: &Key,
    artifact: &Artifact,
) -> Result<(), String> {
    let status = dependency.status.as_ref();
    let ready = status
        .and_then(|s| s.condition(READY))
        .is_some_and(|c| c.status == ConditionStatus::True);
    let current = status.is_some_and(|s| Some(s.observed_generation) == dependency.metadata.generation);
    if !ready || !current {
        return Err(format!("dependency '{key}' is not ready"));
    }
    let source = |k: &Kustomization| {
        let reference = &k.spec.source_ref;
        let namespace = reference
            .namespace
            .clone()
            .filter(|n| !n.is_empty())
            .or_else(|| k.namespace());
        (reference.kind, namespace, reference.name.clone())
    };
    let applied = status.and_then(|s| s.last_applied_revision.as_deref());
    if source(object) == source(dependency) && applied != Some(&artifact.revision) {
        return Err(format!("dependency '{key}' revision is not up to date"));
    }
    Ok(())
}

/// Whether the pass answers something that a user did or waits for.
fn attentive(object: &Kustomization, artifact: &Artifact) -> bool {
    let Some(status) = &object.status else { return true };
    let ready = status
        .condition(READY)
        .is_some_and(|c| c.status == ConditionStatus::True);
    !ready
        || Some(status.observed_generation) != object.metadata.generation
        || status.last_applied_revision.as_deref() != Some(&artifact.revision)
}

/// Whether `reconcile.fluxcd.io/requestedAt` has a value that was not yet handled.
fn asked(object: &Kustomization) -> bool {
    let handled = object
        .status
        .as_ref()
        .and_then(|s| s.last_handled_reconcile_at.as_ref());
    object
        .annotations()
        .get(REQUESTED_AT)
        .is_some_and(|requested| Some(requested) != handled)
}

fn to_value<T: serde::Serialize>(object: &T) -> serde_json::Value {
    serde_json::to_value(object).unwrap_or_default()
}
