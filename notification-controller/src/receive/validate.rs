//! PURE: what a Receiver says, checked as its definition has it, for API servers that did not check.

use super::{filter::Filters, oidc::Rules};
use crds::{
    meta::reason,
    notification::{Receiver, ReceiverSpec, ReceiverType, reason::VALIDATION_FAILED},
};
use expr::CompileError;
use thiserror::Error;

/// Why a Receiver cannot be worked with before it is changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Invalid {
    /// Fields contradict each other.
    #[error("{0}")]
    Fields(&'static str),
    /// An expression cannot be used.
    #[error("{field}: {source}")]
    Expression {
        /// The field it is in.
        field: String,
        /// Why.
        source: CompileError,
    },
}

impl Invalid {
    /// The reason in conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Fields(_) => VALIDATION_FAILED,
            Self::Expression { .. } => reason::INVALID_CEL_EXPRESSION,
        }
    }
}

/// Which state of a Receiver something is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// The object's uid.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
}

impl Version {
    /// That of a Receiver.
    pub fn of(receiver: &Receiver) -> Self {
        Self {
            uid: receiver.metadata.uid.clone().unwrap_or_default(),
            generation: receiver.metadata.generation.unwrap_or_default(),
        }
    }
}

/// A Receiver whose expressions are compiled.
#[derive(Debug)]
pub struct Validated {
    /// Which objects are meant.
    pub filters: Filters,
    /// What tokens have to say, by the place of the issuer in `oidcProviders`.
    pub rules: Vec<Rules>,
}

/// Checks a Receiver.
///
/// # Errors
/// What is wrong first.
pub fn validate(receiver: &Receiver) -> Result<Validated, Invalid> {
    let spec = &receiver.spec;
    fields(spec)?;
    Ok(Validated {
        filters: Filters::compile(spec)?,
        rules: spec
            .oidc_providers
            .iter()
            .enumerate()
            .map(|(n, provider)| Rules::compile(n, provider))
            .collect::<Result<_, _>>()?,
    })
}

/// So many objects, or selections of them, a Receiver may name.
const RESOURCES: usize = 1000;

/// So long may all expressions of a Receiver be together, in bytes: whoever asks for them waits until they are compiled.
const EXPRESSIONS: usize = 64 << 10;

fn fields(spec: &ReceiverSpec) -> Result<(), Invalid> {
    if expressions(spec) > EXPRESSIONS {
        return Err(Invalid::Fields(
            "all expressions together have more than 65536 bytes",
        ));
    }
    if spec.resources.len() > RESOURCES {
        return Err(Invalid::Fields("spec.resources has more than 1000 entries"));
    }
    let oidc = spec.type_ == ReceiverType::GenericOidc;
    let problem = match (oidc, spec.oidc_providers.is_empty(), spec.secret_ref.is_some()) {
        (true, true, _) => "the type 'generic-oidc' needs at least one of oidcProviders",
        (false, false, _) => "oidcProviders goes only with the type 'generic-oidc'",
        (true, _, true) => "secretRef does not go with the type 'generic-oidc'",
        (false, _, false) => "secretRef is required with any type but 'generic-oidc'",
        (true, false, false) | (false, true, true)
            if spec.oidc_providers.iter().any(|p| p.validations.is_empty()) =>
        {
            "each of oidcProviders needs at least one of validations"
        }
        (true, false, false) | (false, true, true) => return Ok(()),
    };
    Err(Invalid::Fields(problem))
}

/// How long all expressions are together.
fn expressions(spec: &ReceiverSpec) -> usize {
    let filters = spec.resources.iter().map(|resource| &resource.filter);
    let filters = filters.chain([&spec.resource_filter]).flatten().map(String::len);
    let tokens = spec.oidc_providers.iter().flat_map(|provider| {
        let variables = provider
            .variables
            .iter()
            .map(|variable| variable.expression.len());
        variables.chain(
            provider
                .validations
                .iter()
                .map(|validation| validation.expression.len()),
        )
    });
    filters.chain(tokens).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::{
        meta::LocalReference,
        notification::{OidcProvider, OidcValidation, OidcVariable, ReceiverResource},
    };

    fn receiver(change: impl FnOnce(&mut ReceiverSpec)) -> Receiver {
        let mut receiver = Receiver::new("hook", ReceiverSpec::default());
        receiver.spec.secret_ref = Some(LocalReference { name: "token".into() });
        change(&mut receiver.spec);
        receiver
    }

    fn issuer(validation: &str, variable: &str) -> OidcProvider {
        OidcProvider {
            issuer_url: "https://issuer.example".into(),
            validations: vec![OidcValidation {
                expression: validation.into(),
                message: "no".into(),
            }],
            variables: vec![OidcVariable {
                name: "a".into(),
                expression: variable.into(),
            }],
            ..OidcProvider::default()
        }
    }

    fn oidc(spec: &mut ReceiverSpec) {
        spec.type_ = ReceiverType::GenericOidc;
        spec.secret_ref = None;
        spec.oidc_providers = vec![issuer("vars.a == 'b'", "claims.sub")];
    }

    #[test]
    fn each_contradiction_has_its_reason() {
        assert!(validate(&receiver(|_| {})).is_ok());
        assert!(validate(&receiver(oidc)).is_ok());
        type Change = fn(&mut ReceiverSpec);
        let cases: [(Change, &str, &str); 10] = [
            (
                |s| s.secret_ref = None,
                "ValidationFailed",
                "secretRef is required",
            ),
            (
                |s| s.oidc_providers = vec![issuer("true", "1")],
                "ValidationFailed",
                "goes only with",
            ),
            (
                |s| {
                    oidc(s);
                    s.oidc_providers.clear()
                },
                "ValidationFailed",
                "needs at least one of oidcProviders",
            ),
            (
                |s| {
                    oidc(s);
                    s.secret_ref = Some(LocalReference { name: "a".into() })
                },
                "ValidationFailed",
                "does not go",
            ),
            (
                |s| {
                    oidc(s);
                    s.oidc_providers[0].validations.clear()
                },
                "ValidationFailed",
                "at least one of validations",
            ),
            (
                |s| s.resources = vec![ReceiverResource::default(); RESOURCES + 1],
                "ValidationFailed",
                "more than 1000",
            ),
            (
                |s| s.resource_filter = Some("res.".into()),
                "InvalidCELExpression",
                "spec.resourceFilter: ",
            ),
            (
                |s| s.resource_filter = Some("'text'".into()),
                "InvalidCELExpression",
                "expected bool",
            ),
            (
                |s| {
                    s.resources = vec![
                        ReceiverResource::default(),
                        ReceiverResource {
                            filter: Some("x == 1".into()),
                            ..Default::default()
                        },
                    ]
                },
                "InvalidCELExpression",
                "spec.resources[1].filter: ",
            ),
            (
                |s| {
                    oidc(s);
                    s.oidc_providers[0] = issuer("true", "vars.b");
                    s.oidc_providers[0].variables[0].expression = "nope.b".into()
                },
                "InvalidCELExpression",
                "spec.oidcProviders[0].variables[0].expression: ",
            ),
        ];
        for (change, reason, part) in cases {
            let invalid = validate(&receiver(change)).expect_err(part);
            assert_eq!(invalid.reason(), reason, "{invalid}");
            assert!(
                invalid.to_string().contains(part),
                "{invalid} does not say {part}"
            );
        }
    }
}
