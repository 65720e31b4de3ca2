//! PURE: what a token has to say, in the words of a Receiver: variables first, then validations, all of them true.

use super::{sender::Refused, validate::Invalid};
use crds::notification::OidcProvider;
use expr::{Allowance, Expression};
use serde_json::{Map, Value};

/// What expressions may name: the claims, and the values of the variables before.
const VARIABLES: [&str; 2] = ["claims", "vars"];

/// All expressions of an issuer may take together what so many may take at the most.
const TOGETHER: usize = 8;

/// The rules for tokens of one issuer.
#[derive(Debug)]
pub struct Rules {
    variables: Vec<(String, Expression)>,
    validations: Vec<(Expression, String)>,
}

impl Rules {
    /// Compiles the `n`th of `spec.oidcProviders`.
    ///
    /// # Errors
    /// The field whose expression cannot be used.
    pub fn compile(n: usize, provider: &OidcProvider) -> Result<Self, Invalid> {
        let at = |list: &str, m: usize| format!("spec.oidcProviders[{n}].{list}[{m}].expression");
        let variables = provider.variables.iter().enumerate().map(|(m, variable)| {
            let compiled = Expression::compile_declared(&variable.expression, &VARIABLES);
            let compiled = compiled.map_err(|source| Invalid::Expression {
                field: at("variables", m),
                source,
            })?;
            Ok((variable.name.clone(), compiled))
        });
        let validations = provider.validations.iter().enumerate().map(|(m, validation)| {
            let compiled = Expression::compile_checked(&validation.expression, &VARIABLES);
            let compiled = compiled.map_err(|source| Invalid::Expression {
                field: at("validations", m),
                source,
            })?;
            Ok((compiled, validation.message.clone()))
        });
        Ok(Self {
            variables: variables.collect::<Result<_, Invalid>>()?,
            validations: validations.collect::<Result<_, Invalid>>()?,
        })
    }

    /// Gives the claims back if they are as they have to be.
    ///
    /// # Errors
    /// The message of the first validation that is not true, or why an expression has no value.
    pub fn judge(&self, claims: Map<String, Value>) -> Result<Map<String, Value>, Refused> {
        if self.validations.is_empty() {
            return Err(Refused("no validation says who is let in".into()));
        }
        let claims = Value::Object(claims);
        let mut vars = Value::Object(Map::new());
        let allowance = Allowance::of(TOGETHER);
        let refused = |error: expr::EvaluateError| Refused(error.to_string());
        for (name, expression) in &self.variables {
            let value = expression
                .evaluate_value(&allowance, &[("claims", &claims), ("vars", &vars)])
                .map_err(refused)?;
            vars[name.as_str()] = value;
        }
        for (expression, message) in &self.validations {
            if !expression
                .evaluate_within(&allowance, &[("claims", &claims), ("vars", &vars)])
                .map_err(refused)?
            {
                return Err(Refused(format!("the token is refused: {message}")));
            }
        }
        match claims {
            Value::Object(claims) => Ok(claims),
            _ => Ok(Map::new()),
        }
    }
}
