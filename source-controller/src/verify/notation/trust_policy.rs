//! PURE: trust policies of Notation (version 1.0): which statement is about an artifact, and what it wants.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A trust policy.
#[derive(Debug)]
pub struct TrustPolicy(Vec<Statement>);

/// What a failed check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The signature is not accepted.
    Enforce,
    /// Nothing but a word about it.
    Log,
    /// It is not even made.
    Skip,
}

/// What is checked of a signature, beside that it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// By somebody trusted.
    Authenticity,
    /// At a time when the certificates counted.
    AuthenticTimestamp,
    /// Not too old.
    Expiry,
    /// By certificates that were not revoked.
    Revocation,
}

/// A statement of a policy.
#[derive(Debug)]
pub struct Statement {
    scopes: Vec<String>,
    skip: bool,
    actions: BTreeMap<Check, Action>,
    stores: Vec<String>,
    /// Whether timestamps are looked at only when a certificate has expired.
    when_expired: bool,
    /// Each as attributes that a subject must have; nothing for everybody.
    identities: Option<Vec<Vec<(String, String)>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    version: String,
    trust_policies: Vec<JsonStatement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonStatement {
    name: String,
    #[serde(default)]
    registry_scopes: Vec<String>,
    signature_verification: Verification,
    #[serde(default)]
    trust_stores: Vec<String>,
    #[serde(default)]
    trusted_identities: Vec<String>,
}

#[derive(Deserialize)]
struct Verification {
    level: String,
    #[serde(default)]
    r#override: BTreeMap<String, String>,
    #[serde(default, rename = "verifyTimestamp")]
    timestamp: String,
}

impl TrustPolicy {
    /// Reads `trustpolicy.json`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if json.version != "1.0" {
            return Err(format!(
                "trust policy document uses unsupported version {:?}",
                json.version
            ));
        }
        let statements: Vec<Statement> = json
            .trust_policies
            .into_iter()
            .map(statement)
            .collect::<Result<_, _>>()?;
        if statements.is_empty() {
            return Err("trust policy document can not have zero trust policy statements".into());
        }
        let mut scopes: Vec<&String> = statements
            .iter()
            .flat_map(|statement| &statement.scopes)
            .collect();
        scopes.sort();
        if let Some(twice) = scopes.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!(
                "registry scope {:?} is present in multiple trust policy statements",
                twice[0]
            ));
        }
        Ok(Self(statements))
    }

    /// The statement about a repository (`registry/path`): the one that names it, or the one about all.
    pub fn statement(&self, repository: &str) -> Option<&Statement> {
        let naming = |scope: &str| {
            self.0
                .iter()
                .find(|s| s.scopes.iter().any(|found| found == scope))
        };
        naming(repository).or_else(|| naming("*"))
    }
}

impl Statement {
    /// Whether nothing is checked.
    pub fn is_skip(&self) -> bool {
        self.skip
    }

    /// What a failed check means.
    pub fn action(&self, check: Check) -> Action {
        self.actions.get(&check).copied().unwrap_or(Action::Enforce)
    }

    /// Whether certificates of a kind are trusted at all.
    pub fn has_store(&self, kind: &str) -> bool {
        self.stores
            .iter()
            .any(|store| store.split_once(':').is_some_and(|(found, _)| found == kind))
    }

    /// Whether timestamps are looked at only when a certificate has expired (`verifyTimestamp: afterCertExpiry`).
    pub fn asks_when_expired(&self) -> bool {
        self.when_expired
    }

    /// Whether somebody of this subject is trusted.
    pub fn trusts(&self, subject: &[(String, String)]) -> bool {
        let Some(identities) = &self.identities else {
            return true;
        };
        let has = |wanted: &[(String, String)]| wanted.iter().all(|attribute| subject.contains(attribute));
        identities.iter().any(|wanted| has(wanted))
    }
}

fn statement(json: JsonStatement) -> Result<Statement, String> {
    let name = &json.name;
    let bad = |problem: &str| format!("trust policy statement {name:?} {problem}");
    let level = json.signature_verification.level.as_str();
    let (timestamp, expiry, revocation, authenticity) = match level {
        "strict" => (Action::Enforce, Action::Enforce, Action::Enforce, Action::Enforce),
        "permissive" => (Action::Log, Action::Log, Action::Log, Action::Enforce),
        "audit" => (Action::Log, Action::Log, Action::Log, Action::Log),
        "skip" => (Action::Skip, Action::Skip, Action::Skip, Action::Skip),
        other => return Err(bad(&format!("has invalid signatureVerification level {other:?}"))),
    };
    let mut actions = BTreeMap::from([
        (Check::Authenticity, authenticity),
        (Check::AuthenticTimestamp, timestamp),
        (Check::Expiry, expiry),
        (Check::Revocation, revocation),
    ]);
    let skip = level == "skip";
    if skip && !json.signature_verification.r#override.is_empty() {
        return Err(bad(
            "has signatureVerification level \"skip\", which can't be customized",
        ));
    }
    for (check, action) in &json.signature_verification.r#override {
        let check = match check.as_str() {
            "authenticity" => Check::Authenticity,
            "authenticTimestamp" => Check::AuthenticTimestamp,
            "expiry" => Check::Expiry,
            "revocation" => Check::Revocation,
            "integrity" => return Err(bad("overrides \"integrity\", which can't be customized")),
            other => return Err(bad(&format!("overrides {other:?}, which is no check"))),
        };
        let action = match action.as_str() {
            "enforce" => Action::Enforce,
            "log" => Action::Log,
            "skip" if check == Check::Revocation => Action::Skip,
            other => return Err(bad(&format!("has {other:?}, which is no action for {check:?}"))),
        };
        actions.insert(check, action);
    }
    let when_expired = match json.signature_verification.timestamp.as_str() {
        "" | "always" => false,
        "afterCertExpiry" => true,
        other => return Err(bad(&format!("has {other:?} for verifyTimestamp"))),
    };
    if json.registry_scopes.is_empty() {
        return Err(bad("has zero registry scopes"));
    }
    if !skip && (json.trust_stores.is_empty() || json.trusted_identities.is_empty()) {
        return Err(bad("is missing trust stores or trusted identities"));
    }
    let identities = if skip || json.trusted_identities.iter().any(|identity| identity == "*") {
        None
    } else {
        Some(
            json.trusted_identities
                .iter()
                .map(|text| identity(text))
                .collect::<Result<_, _>>()
                .map_err(|p| bad(&p))?,
        )
    };
    Ok(Statement {
        scopes: json.registry_scopes,
        skip,
        actions,
        stores: json.trust_stores,
        when_expired,
        identities,
    })
}

/// `x509.subject: C=US, ST=WA, O=example` (RFC 4514); country, state and organization must be there.
fn identity(text: &str) -> Result<Vec<(String, String)>, String> {
    let odd = |problem: &str| format!("has trusted identity {text:?} {problem}");
    let (kind, name) = text.split_once(':').ok_or_else(|| odd("missing separator"))?;
    if kind != "x509.subject" {
        return Err(odd("of an unsupported type"));
    }
    let mut attributes = Vec::new();
    for part in parts(name.trim()) {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| odd("with an attribute without '='"))?;
        let key = match key.trim().to_ascii_uppercase() {
            state if state == "S" => "ST".to_owned(),
            other => other,
        };
        if attributes.iter().any(|(found, _)| *found == key) {
            return Err(odd("with an attribute twice"));
        }
        attributes.push((key, unescaped(value.trim())));
    }
    let has = |key: &str| {
        attributes
            .iter()
            .any(|(found, value)| found == key && !value.is_empty())
    };
    if !["C", "ST", "O"].into_iter().all(has) {
        return Err(odd("without one of the attributes C, ST and O"));
    }
    Ok(attributes)
}

/// The parts between commas (or plus signs) that are not escaped.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        if !escaped && matches!(c, ',' | '+') {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        escaped = !escaped && c == '\\';
        part.push(c);
    }
    parts.push(part);
    parts
}

fn unescaped(text: &str) -> String {
    let (mut out, mut escaped) = (String::new(), false);
    for c in text.chars() {
        if !escaped && c == '\\' {
            escaped = true;
            continue;
        }
        escaped = false;
        out.push(c);
    }
    out
}
