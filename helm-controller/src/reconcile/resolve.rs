//! PURE over what was last seen: the chart's source, the dependencies and the rules for health.

use super::step::Stop;
use crate::{context::Context, spec, storage};
use crds::{
    helm::{ChartReferenceKind, HelmRelease, reason as hr},
    meta::{Artifact, ConditionStatus, ObjectStatus as _, READY, reason},
};
use expr::{Expression, HealthCheck, HealthExpressions};
use runtime::{Key, conditions::TERMINAL, source::Found};

/// That the object asks for its chart in one way, also where the API server does not see to it.
pub fn one_chart(object: &HelmRelease) -> Result<(), Stop> {
    match object.spec.chart.is_some() == object.spec.chart_ref.is_some() {
        true => Err(terminal("invalid Chart reference")),
        false => Ok(()),
    }
}

/// That the names in the spec can be names: they become parts of requests, and of the status that a deletion goes by.
pub fn names(object: &HelmRelease) -> Result<(), Stop> {
    let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let namespace = |name: &str| !name.is_empty() && name.bytes().all(label);
    let wrong = if !storage::is_label(&spec::release_name(object)) {
        ("releaseName", spec::release_name(object))
    } else if !namespace(&spec::storage_namespace(object)) {
        ("storageNamespace", spec::storage_namespace(object))
    } else if !namespace(&spec::release_namespace(object)) {
        ("targetNamespace", spec::release_namespace(object))
    } else {
        return Ok(());
    };
    Err(Stop::Terminal {
        reason: hr::STATE_ERROR,
        message: format!("{TERMINAL}: spec.{}: '{}' cannot be a name", wrong.0, wrong.1),
        observed: true,
    })
}

/// Reads the spec's own rules for health; a rule that is no rule is for the user to mend.
pub fn health_expressions(object: &HelmRelease) -> Result<HealthExpressions, Stop> {
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
        observed: true,
    })
}

/// The artifact with the chart.
pub fn artifact(context: &Context, object: &HelmRelease, template: Option<&Key>) -> Result<Artifact, Stop> {
    let own = spec::namespace(object);
    let (kind, key) = match (&object.spec.chart_ref, template) {
        (Some(reference), _) => {
            let namespace = reference.namespace.as_deref().filter(|n| !n.is_empty());
            (
                reference.kind,
                Key::new(namespace.unwrap_or(&own), &reference.name),
            )
        }
        (None, Some(template)) => (ChartReferenceKind::HelmChart, template.clone()),
        (None, None) => return Err(terminal("invalid Chart reference")),
    };
    let word = kind.as_str();
    let denied = |message: String| Stop::Terminal {
        reason: reason::ACCESS_DENIED,
        message,
        observed: true,
    };
    context
        .settings
        .access
        .check(&own, word, &key.namespace, &key.name)
        .map_err(|e| denied(e.to_string()))?;
    let sight = context.sources.find(kind, &key);
    match sight.found {
        Found::Disabled => Err(denied(format!(
            "can't access '{word}/{key}', ExternalArtifact feature gate is disabled"
        ))),
        Found::Missing => Err(Stop::Failed {
            reason: hr::ARTIFACT_FAILED,
            message: format!(
                "could not get Source object: {word}.{} \"{}\" not found",
                crds::source::GROUP,
                key.name
            ),
            tells: false,
        }),
        Found::NoArtifact | Found::Artifact(_) if sight.unready.is_some() => Err(Stop::Waiting {
            reason: hr::SOURCE_NOT_READY,
            message: sight.unready.unwrap_or_default(),
            tells: false,
        }),
        Found::Artifact(artifact) => Ok(*artifact),
        Found::NoArtifact => Err(Stop::Waiting {
            reason: hr::SOURCE_NOT_READY,
            message: format!("{word} '{key}' is not ready: does not have an artifact"),
            tells: false,
        }),
    }
}

/// Dependencies are checked in their order; the first that is not ready is told.
pub fn dependencies(context: &Context, object: &HelmRelease) -> Result<(), Stop> {
    let own = spec::namespace(object);
    for dependency in &object.spec.depends_on {
        let namespace = dependency.namespace.as_deref().filter(|n| !n.is_empty());
        let key = Key::new(namespace.unwrap_or(&own), &dependency.name);
        let wait = |message: String| Stop::Waiting {
            reason: reason::DEPENDENCY_NOT_READY,
            message,
            tells: true,
        };
        let Some(found) = context.releases.get(&key) else {
            return Err(wait(format!(
                "unable to get '{key}' dependency: helmreleases.{} \"{}\" not found",
                crds::helm::GROUP,
                key.name
            )));
        };
        let expression = dependency.ready_expr.as_deref().filter(|e| !e.is_empty());
        if let Some(text) = expression {
            let expression =
                Expression::compile_checked(text, &["self", "dep"]).map_err(|e| Stop::Terminal {
                    reason: reason::INVALID_CEL_EXPRESSION,
                    message: format!("{TERMINAL}: failed to evaluate dependency {}: {e}", key.name),
                    observed: true,
                })?;
            let value = |o: &HelmRelease| serde_json::to_value(o).unwrap_or_default();
            match expression.evaluate(&[("self", &value(object)), ("dep", &value(&found))]) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(wait(format!(
                        "dependency '{key}' is not ready according to readyExpr eval"
                    )));
                }
                Err(error) => return Err(wait(format!("dependency '{key}' is not ready: {error}"))),
            }
        }
        if (expression.is_none() || context.settings.additive_ready_expr) && !is_ready(&found) {
            return Err(wait(format!("dependency '{key}' is not ready")));
        }
    }
    Ok(())
}

fn is_ready(object: &HelmRelease) -> bool {
    object.status.as_ref().is_some_and(|status| {
        let ready = status.condition(READY);
        Some(status.observed_generation) == object.metadata.generation
            && ready.is_some_and(|c| c.status == ConditionStatus::True)
    })
}

fn terminal(message: &str) -> Stop {
    Stop::Terminal {
        reason: hr::ARTIFACT_FAILED,
        message: message.to_owned(),
        observed: true,
    }
}
