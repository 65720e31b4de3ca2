//! `healthCheckExprs`: what its author says of an object's health, by Flux's RFC 0009.

use crate::error::CompileError;
use crate::expression::Expression;
use serde_json::Value;

/// One entry of `healthCheckExprs`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// `apiVersion` of the objects; its version does not matter.
    pub api_version: String,
    /// `kind` of the objects; without one, the entry is for the whole group.
    pub kind: Option<String>,
    /// When an object is as desired.
    pub current: String,
    /// When it is on its way.
    pub in_progress: Option<String>,
    /// When it will not get there.
    pub failed: Option<String>,
}

/// Why `healthCheckExprs` cannot be used. Flux does not try again before they are changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// An expression does not compile.
    #[error(
        "failed to create custom status evaluator for healthchecks[{index}]: failed to parse the expression {field}"
    )]
    Compile {
        /// Which entry, from 0.
        index: usize,
        /// `Current`, `InProgress` or `Failed`.
        field: &'static str,
        /// Why.
        #[source]
        source: CompileError,
    },
    /// `current` is empty.
    #[error(
        "failed to create custom status evaluator for healthchecks[{index}]: expression Current not specified"
    )]
    NoCurrent {
        /// Which entry, from 0.
        index: usize,
    },
    /// Two entries are for the same objects.
    #[error("duplicate healthchecks[{index}]: there is already one for group '{group}' and kind '{kind}'")]
    Duplicate {
        /// The later of the two, from 0.
        index: usize,
        /// The API group, empty for the core one.
        group: String,
        /// The kind, empty for the whole group.
        kind: String,
    },
}

/// All entries of one object's `healthCheckExprs`, compiled.
#[derive(Debug, Clone, Default)]
pub struct HealthExpressions {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    group: String,
    kind: Option<String>,
    expression: HealthExpression,
}

/// What decides on the health of the objects of one kind or group.
#[derive(Debug, Clone)]
pub struct HealthExpression {
    in_progress: Option<Expression>,
    failed: Option<Expression>,
    current: Expression,
}

/// What expressions say of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It is as desired.
    Current,
    /// It is on its way; so is what no expression is true for.
    InProgress,
    /// It will not get there.
    Failed,
    /// An expression could not be evaluated; the text says why.
    Unknown(String),
}

impl HealthExpressions {
    /// Compiles `entries`.
    ///
    /// # Errors
    /// The first entry that does not compile or is for the same objects as an earlier one.
    pub fn compile(entries: &[HealthCheck]) -> Result<Self, HealthError> {
        let mut compiled: Vec<Entry> = Vec::new();
        for (index, fields) in entries.iter().enumerate() {
            let group = fields.api_version.split_once('/').map_or("", |(group, _)| group);
            let kind = fields.kind.as_deref().filter(|k| !k.is_empty());
            if compiled
                .iter()
                .any(|e| e.group == group && e.kind.as_deref() == kind)
            {
                let kind = kind.unwrap_or_default().to_owned();
                return Err(HealthError::Duplicate {
                    index,
                    group: group.to_owned(),
                    kind,
                });
            }
            let expression = HealthExpression::compile(index, fields)?;
            compiled.push(Entry {
                group: group.to_owned(),
                kind: kind.map(str::to_owned),
                expression,
            });
        }
        Ok(Self { entries: compiled })
    }

    /// The entry for objects of this API group (empty for the core one) and kind: one for the kind before one for
    /// its group.
    pub fn for_object(&self, group: &str, kind: &str) -> Option<&HealthExpression> {
        let find = |wanted: Option<&str>| {
            self.entries
                .iter()
                .find(|e| e.group == group && e.kind.as_deref() == wanted)
        };
        find(Some(kind)).or_else(|| find(None)).map(|e| &e.expression)
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl HealthExpression {
    /// The health of `object`, a whole Kubernetes object, whose top-level fields are the variables.
    ///
    /// In this order: a `status.observedGeneration` other than `metadata.generation` means on its way; then
    /// `inProgress`, `failed` and `current` are asked, and the first that is true decides.
    pub fn judge(&self, object: &Value) -> Judgement {
        let number = |path: &str| object.pointer(path).and_then(Value::as_i64);
        if let (Some(observed), Some(generation)) = (
            number("/status/observedGeneration"),
            number("/metadata/generation"),
        ) && observed != generation
        {
            return Judgement::InProgress;
        }
        let fields = object.as_object().into_iter().flatten();
        let variables: Vec<(&str, &Value)> = fields.map(|(name, value)| (name.as_str(), value)).collect();
        let questions = [
            (self.in_progress.as_ref(), Judgement::InProgress),
            (self.failed.as_ref(), Judgement::Failed),
            (Some(&self.current), Judgement::Current),
        ];
        for (expression, answer) in questions {
            match expression.map(|e| e.evaluate(&variables)) {
                None | Some(Ok(false)) => {}
                Some(Ok(true)) => return answer,
                Some(Err(error)) => return Judgement::Unknown(error.to_string()),
            }
        }
        Judgement::InProgress
    }

    fn compile(index: usize, fields: &HealthCheck) -> Result<Self, HealthError> {
        if fields.current.is_empty() {
            return Err(HealthError::NoCurrent { index });
        }
        let one = |field: &'static str, text: &str| {
            Expression::compile(text).map_err(|source| HealthError::Compile { index, field, source })
        };
        let optional = |field: &'static str, text: Option<&str>| {
            text.filter(|t| !t.is_empty()).map(|t| one(field, t)).transpose()
        };
        Ok(Self {
            current: one("Current", &fields.current)?,
            failed: optional("Failed", fields.failed.as_deref())?,
            in_progress: optional("InProgress", fields.in_progress.as_deref())?,
        })
    }
}
