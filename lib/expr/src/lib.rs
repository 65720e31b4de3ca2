use serde_json::Value;
#[derive(Debug)] pub struct Expression;
#[derive(Debug, thiserror::Error)] #[error("x")] pub struct E;
impl Expression { pub fn compile(_: &str) -> Result<Self, E> { Ok(Self) } pub fn evaluate(&self, _: &[(&str, &Value)]) -> Result<bool, E> { Ok(true) } }
pub struct HealthCheck { pub api_version: String, pub kind: Option<String>, pub current: String, pub in_progress: Option<String>, pub failed: Option<String> }
#[derive(Debug)] pub struct HealthExpressions; #[derive(Debug)] pub struct HealthExpression;
pub enum Judgement { Current, InProgress, Failed, Unknown(String) }
impl HealthExpressions { pub fn compile(_: &[HealthCheck]) -> Result<Self, E> { Ok(Self) } pub fn for_object(&self, _: &str, _: &str) -> Option<&HealthExpression> { None } }
impl HealthExpression { pub fn judge(&self, _: &Value) -> Judgement { Judgement::Current } }
