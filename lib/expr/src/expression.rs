//! A compiled expression.

use crate::attributes::{Attribute, attributes};
use crate::environment::{context, environment};
use crate::error::{CompileError, EvaluateError};
use crate::explain::explain;
use crate::functions::declare;
use crate::meter::{Allowance, meter};
use crate::stack::on_deep_stack;
use crate::types::{Type, check};
use crate::value::{from_json, to_json};
use cel::common::types::{CelBool, CelString};
use cel::common::value::Val;
use serde_json::Value;

/// In bytes. The expressions of Flux's documentation have a few hundred.
const LENGTH: usize = 8192;

/// A CEL expression that has been parsed and may be evaluated any number of times.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    parsed: cel::parser::Expression,
    /// What it reads, in the order of the text, before the meter was put in.
    attributes: Vec<Attribute>,
}

/// What an expression has to yield.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Yields {
    Boolean,
    Text,
    Anything,
}

impl Yields {
    /// Whether an expression of this type will do. Of a type that is not known, its value will show.
    fn admits(self, got: Type) -> Result<(), CompileError> {
        let got = match got {
            Type::Known(name) => name,
            Type::Dynamic => "dyn",
            Type::Unknown => return Ok(()),
        };
        match self {
            Self::Boolean if got != "bool" => Err(CompileError::NotBoolean { got: got.to_owned() }),
            Self::Text if got != "string" => Err(CompileError::NotText { got: got.to_owned() }),
            Self::Boolean | Self::Text | Self::Anything => Ok(()),
        }
    }
}

impl Expression {
    /// Parses `text`, as Flux does for `healthCheckExprs`: any variable may be named, and any type be yielded.
    ///
    /// # Errors
    /// [`CompileError::Syntax`], [`CompileError::TooLong`], [`CompileError::TooDeep`], [`CompileError::Crashed`].
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        Self::prepare(text, None, Yields::Anything)
    }

    /// Parses `text`, as Flux does for the variables of a Receiver's `oidcProviders`: it may name these `variables`
    /// only, and yield anything.
    ///
    /// # Errors
    /// Those of [`Expression::compile`] and [`CompileError::Undeclared`].
    pub fn compile_declared(text: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Self::prepare(text, Some(variables), Yields::Anything)
    }

    /// Parses `text` and checks it, as Flux does for `readyExpr`: it may name these `variables` only, and has to
    /// yield a boolean. Unlike with cel-go, operands are not checked: `1 == 'a'` is an error of evaluation.
    ///
    /// # Errors
    /// Those of [`Expression::compile`], [`CompileError::Undeclared`] and [`CompileError::NotBoolean`].
    pub fn compile_checked(text: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Self::prepare(text, Some(variables), Yields::Boolean)
    }

    /// Parses `text` and checks it, as Flux does for `commitStatusExpr`: it may name these `variables` only, and has to
    /// yield a text. What is not checked for [`Expression::compile_checked`] is not here either.
    ///
    /// # Errors
    /// Those of [`Expression::compile`], [`CompileError::Undeclared`] and [`CompileError::NotText`].
    pub fn compile_text(text: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Self::prepare(text, Some(variables), Yields::Text)
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The boolean that the expression yields when its variables have these values.
    ///
    /// Takes a thread for the time of the evaluation, which is well below a millisecond for objects of usual size.
    ///
    /// # Errors
    /// Any [`EvaluateError`]; each has the text of the expression in it.
    pub fn evaluate(&self, variables: &[(&str, &Value)]) -> Result<bool, EvaluateError> {
        self.evaluate_within(&Allowance::of(1), variables)
    }

    /// As [`Expression::evaluate`], at the expense of an allowance that others may share.
    ///
    /// # Errors
    /// Any [`EvaluateError`]; [`EvaluateError::TooCostly`] also where the others have left too little.
    pub fn evaluate_within(
        &self,
        allowance: &Allowance,
        variables: &[(&str, &Value)],
    ) -> Result<bool, EvaluateError> {
        self.evaluate_to(allowance, variables, |value| {
            value.downcast_ref::<CelBool>().map(|b| *b.inner())
        })?
        .ok_or_else(|| EvaluateError::NotBoolean {
            expression: self.text.clone(),
        })
    }

    /// As [`Expression::evaluate_within`], the value that the expression yields, as JSON.
    ///
    /// # Errors
    /// Any [`EvaluateError`] but [`EvaluateError::NotBoolean`]; a value that JSON does not have, such as a time
    /// or a type, is [`EvaluateError::Failed`].
    pub fn evaluate_value(
        &self,
        allowance: &Allowance,
        variables: &[(&str, &Value)],
    ) -> Result<Value, EvaluateError> {
        self.evaluate_to(allowance, variables, to_json)?
            .ok_or_else(|| EvaluateError::Failed {
                expression: self.text.clone(),
                reason: "the value has no form in JSON".to_owned(),
            })
    }

    /// The text that the expression yields, as [`Expression::evaluate`] gives a boolean.
    ///
    /// # Errors
    /// Any [`EvaluateError`].
    pub fn evaluate_text(&self, variables: &[(&str, &Value)]) -> Result<String, EvaluateError> {
        self.evaluate_to(&Allowance::of(1), variables, |value| {
            value
                .downcast_ref::<CelString<'_>>()
                .map(|text| text.inner().to_owned())
        })?
        .ok_or_else(|| EvaluateError::NotText {
            expression: self.text.clone(),
        })
    }

    fn evaluate_to<T: Send>(
        &self,
        allowance: &Allowance,
        variables: &[(&str, &Value)],
        read: impl Fn(&dyn Val) -> Option<T> + Send,
    ) -> Result<Option<T>, EvaluateError> {
        let outcome = on_deep_stack(|| self.evaluate_here(allowance, variables, read));
        outcome.unwrap_or_else(|_| {
            Err(EvaluateError::Crashed {
                expression: self.text.clone(),
            })
        })
    }

    fn prepare(text: &str, variables: Option<&[&str]>, yields: Yields) -> Result<Self, CompileError> {
        if text.len() > LENGTH {
            return Err(CompileError::TooLong {
                length: text.len(),
                limit: LENGTH,
            });
        }
        let outcome = on_deep_stack(|| Self::prepare_here(text.to_owned(), variables, yields));
        outcome.unwrap_or_else(|_| {
            Err(CompileError::Crashed {
                expression: text.to_owned(),
            })
        })
    }

    fn prepare_here(text: String, variables: Option<&[&str]>, yields: Yields) -> Result<Self, CompileError> {
        let mut parsed = match environment().parser().parse(&text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let message = errors.to_string().replace("\n| ", "\n | ");
                return Err(CompileError::Syntax {
                    expression: text,
                    message,
                });
            }
        };
        let attributes = attributes(&parsed);
        // First of all, so that what follows cannot meet a deep one.
        let plain = parsed.clone();
        if meter(&mut parsed).is_err() {
            return Err(CompileError::TooDeep { expression: text });
        }
        if let Some(variables) = variables {
            match check(&plain, &attributes, variables) {
                Err(name) => {
                    return Err(CompileError::Undeclared {
                        expression: text,
                        name,
                    });
                }
                Ok(got) => yields.admits(got)?,
            }
        }
        Ok(Self {
            text,
            parsed,
            attributes,
        })
    }

    fn evaluate_here<T>(
        &self,
        allowance: &Allowance,
        variables: &[(&str, &Value)],
        read: impl Fn(&dyn Val) -> Option<T>,
    ) -> Result<Option<T>, EvaluateError> {
        let expression = || self.text.clone();
        let budget = allowance.budget();
        let too_costly = || EvaluateError::TooCostly {
            expression: expression(),
        };
        if budget.is_spent() {
            return Err(too_costly());
        }
        let mut context = context();
        if let Err(error) = declare(&mut context, &budget) {
            return Err(EvaluateError::Failed {
                expression: expression(),
                reason: error.to_string(),
            });
        }
        // An object is large and an expression reads little of it.
        for (name, value) in variables.iter().filter(|(name, _)| self.reads(name)) {
            let value = from_json(value).map_err(|_| EvaluateError::TooDeep {
                expression: expression(),
                variable: (*name).to_owned(),
            })?;
            allowance.spend_on_input(value.as_ref());
            context.add_variable_as_val(*name, value);
        }
        let outcome = cel::Value::resolve_val(&self.parsed, &context);
        allowance.spend_what_is_gone(&budget);
        if budget.is_spent() {
            return Err(too_costly());
        }
        match outcome {
            Ok(value) => Ok(read(value.as_ref())),
            Err(error) => {
                let present: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
                let reason = explain(&error, &self.attributes, &present);
                Err(EvaluateError::Failed {
                    expression: expression(),
                    reason,
                })
            }
        }
    }

    fn reads(&self, variable: &str) -> bool {
        self.attributes.iter().any(|a| a.variable == variable)
    }
}
