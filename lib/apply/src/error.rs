//! Why an object cannot be applied, in Flux's words.

use crate::{discovery::DiscoveryError, id::ObjectRef};
use kube::core::Status;
use thiserror::Error;

/// Which of the two requests failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The dry run: nothing was written.
    DryRun,
    /// The write.
    Apply,
}

/// Why an object cannot be applied.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The API server refused it.
    #[error("{}", refusal(object, *phase, status))]
    Refused {
        /// The object.
        object: ObjectRef,
        /// When.
        phase: Phase,
        /// What the API server said.
        status: Box<Status>,
    },
    /// A namespaced object without a namespace.
    #[error("{object} namespace not specified: the server could not find the requested resource")]
    NoNamespace {
        /// The object.
        object: ObjectRef,
    },
    /// Its kind is not served, or nobody answers.
    #[error("{object} dry-run failed")]
    Kind {
        /// The object.
        object: ObjectRef,
        /// Why.
        #[source]
        source: DiscoveryError,
    },
    /// The API server could not be asked.
    #[error("{object} could not be applied")]
    Request {
        /// The object.
        object: ObjectRef,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// It was deleted to be replaced, and takes its time to go; its successor can be written when it has gone.
    #[error("{object} is being deleted to be replaced, waiting for it to be gone")]
    StillThere {
        /// The object.
        object: ObjectRef,
    },
}

impl ApplyError {
    /// The object's namespace is being deleted, or is not there: a later attempt may succeed by itself.
    pub fn awaits_namespace(&self) -> bool {
        let Self::Refused { status, object, .. } = self else {
            return false;
        };
        let causes = status.details.iter().flat_map(|d| &d.causes);
        let terminating = causes.into_iter().any(|c| c.reason == "NamespaceTerminating");
        let missing =
            status.code == 404 && !object.namespace.is_empty() && status.message.starts_with("namespaces ");
        terminating || missing
    }

    /// A field of the live object cannot be changed, so only a replacement helps.
    pub(crate) fn immutable(&self) -> bool {
        let Self::Refused { status, .. } = self else {
            return false;
        };
        let text = status.message.as_str();
        matches!(status.code, 409 | 422)
            && [
                "immutable",
                "may not change",
                "Forbidden: updates to",
                "are forbidden",
            ]
            .iter()
            .any(|t| text.contains(t))
    }
}

/// Flux's text for a refused object.
fn refusal(object: &ObjectRef, phase: Phase, status: &Status) -> String {
    if status.code == 404 {
        return format!("{object} not found: {}", status.message);
    }
    let what = match phase {
        Phase::DryRun => "dry-run failed",
        Phase::Apply => "apply failed",
    };
    let reason = if status.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", status.reason)
    };
    format!("{object} {what}{reason}: {}", status.message)
}

/// Why a request about an object failed.
pub(crate) fn failed(object: &ObjectRef, phase: Phase, error: kube::Error) -> ApplyError {
    match error {
        kube::Error::Api(status) => ApplyError::Refused {
            object: object.clone(),
            phase,
            status,
        },
        source => ApplyError::Request {
            object: object.clone(),
            source: Box::new(source),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(code: u16, reason: &str, message: &str) -> ApplyError {
        let status =
            serde_json::from_value(json!({"code": code, "reason": reason, "message": message})).unwrap();
        let object = ObjectRef {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: "n".into(),
            name: "a".into(),
        };
        ApplyError::Refused {
            object,
            phase: Phase::DryRun,
            status: Box::new(status),
        }
    }

    #[test]
    fn texts_are_flux_texts() {
        for (error, text) in [
            (
                refused(403, "Forbidden", "no"),
                "ConfigMap/n/a dry-run failed (Forbidden): no",
            ),
            (refused(500, "", "bad"), "ConfigMap/n/a dry-run failed: bad"),
            (
                refused(404, "NotFound", "namespaces \"n\" not found"),
                "ConfigMap/n/a not found: namespaces \"n\" not found",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn only_immutable_fields_call_for_replacement() {
        assert!(
            refused(
                422,
                "Invalid",
                "data: Forbidden: field is immutable when `immutable` is set"
            )
            .immutable()
        );
        assert!(
            refused(
                422,
                "Invalid",
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas'"
            )
            .immutable()
        );
        assert!(
            !refused(
                422,
                "Invalid",
                "spec.replicas: Invalid value: -1: must be greater than 0"
            )
            .immutable()
        );
        assert!(!refused(403, "Forbidden", "immutable").immutable());
        assert!(refused(404, "NotFound", "namespaces \"n\" not found").awaits_namespace());
    }
}
