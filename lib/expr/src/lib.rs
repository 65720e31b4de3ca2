//! CEL expressions in fields of Flux objects: is a dependency ready, is an object healthy.
//!
//! The language is what Flux v2.9 gives its users: CEL with the standard macros, optional types, the extensions
//! `strings`, `sets` and `encoders`, and comparisons between all kinds of numbers. Evaluation needs nothing but its
//! input, cannot run away (see [`EvaluateError::TooCostly`]) and reports errors in the words of cel-go, because they
//! end up in conditions that people and tools know.

mod attributes;
mod environment;
mod error;
mod explain;
mod expression;
mod functions;
mod health;
mod meter;
mod stack;
mod types;
mod value;

pub use error::{CompileError, EvaluateError};
pub use expression::Expression;
pub use health::{HealthCheck, HealthError, HealthExpression, HealthExpressions, Judgement};
pub use meter::Allowance;
