//! PURE: what a Provider and the data of its Secrets say together.

use super::{Auth, Mask, Peers, Proxy, Secret, Service, Tls, Transport};
use crate::message::{DeliveryError, is_commit_status};
use cloud::CloudError;
use crds::notification::{Provider, ProviderSpec, ProviderType};
use expr::Expression;
use runtime::Key;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The longest address (Flux field `Provider.spec.address`).
const LONGEST_ADDRESS: usize = 2048;
/// Flux's default of `Provider.spec.timeout`.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Keys that say who we are, not what proves it. What nobody asked for may prove something.
const OPEN: &[&str] = &[
    "address",
    "username",
    "ca.crt",
    "caFile",
    "tls.crt",
    "certFile",
    "githubAppID",
    "githubAppInstallationID",
    "githubAppInstallationOwner",
    "githubAppBaseURL",
];

/// What an expression for the name of a commit status may name (Flux field `Provider.spec.commitStatusExpr`).
pub(crate) const VARIABLES: [&str; 3] = ["event", "alert", "provider"];

type Data = BTreeMap<String, Vec<u8>>;

/// What the Secrets hold that a Provider names.
#[derive(Default)]
pub struct Held {
    /// Of `spec.secretRef`.
    pub auth: Option<Data>,
    /// Of `spec.certSecretRef`.
    pub certificates: Option<Data>,
    /// Of `spec.proxySecretRef`.
    pub proxy: Option<Data>,
}

/// Puts it together.
///
/// # Errors
/// When something that is there cannot be used.
pub fn assemble(provider: &Provider, held: &Held, peers: &Arc<Peers>) -> Result<Service, DeliveryError> {
    let spec = &provider.spec;
    let none = Data::new();
    let data = held.auth.as_ref().unwrap_or(&none);
    let secret_name = name(spec.secret_ref.as_ref());
    let in_secret =
        |problem: String| DeliveryError::later(format!("invalid secret '{secret_name}': {problem}"));

    let auth = auth(data, is_commit_status(spec.type_)).map_err(in_secret)?;
    let address = match data.get("address") {
        Some(address) => address.trim_ascii(),
        None => spec.address.as_deref().unwrap_or_default().trim().as_bytes(),
    };
    if address.len() > LONGEST_ADDRESS {
        let message = format!("the address is longer than {LONGEST_ADDRESS} bytes");
        return Err(DeliveryError::later(message));
    }
    let timeout = match &spec.timeout {
        None => TIMEOUT,
        Some(timeout) => timeout
            .get()
            .map_err(|error| DeliveryError::later(format!("spec.timeout: {error}")))?,
    };
    let transport = Transport {
        tls: tls(provider, held)?,
        proxy: proxy(provider, held)?,
    };

    let mut mask = Mask::default();
    match spec.type_ {
        // Several, apart by commas, with or without a scheme.
        ProviderType::Nats => address
            .split(|byte| *byte == b',')
            .for_each(|part| mask.hide_server(part)),
        _ => mask.hide_address(address),
    }
    for (_, value) in data.iter().filter(|(key, _)| !OPEN.contains(&key.as_str())) {
        mask.hide(value);
    }
    for value in auth.headers.values() {
        mask.hide(value.expose());
    }
    if let Some((user, password)) = &auth.login {
        mask.hide(&[user.as_bytes(), b":", password.expose()].concat());
    }
    // PagerDuty's routing key is all that one needs to have people woken.
    if spec.type_ == ProviderType::PagerDuty {
        mask.hide(spec.channel.as_deref().unwrap_or_default().as_bytes());
    }
    transport.hide(&mut mask);

    Ok(Service {
        kind: spec.type_,
        provider: Key::of(provider),
        object: object(provider)?,
        uid: provider.metadata.uid.clone().unwrap_or_default(),
        address: Secret::new(address),
        channel: spec.channel.clone().unwrap_or_default(),
        username: spec.username.clone().unwrap_or_default(),
        timeout,
        commit_status: commit_status(spec)?,
        account: account(spec, peers)?,
        auth,
        transport,
        mask,
        peers: peers.clone(),
    })
}

/// The ServiceAccount that it acts as (Flux field `Provider.spec.serviceAccountName`), if it may name one.
fn account(spec: &ProviderSpec, peers: &Peers) -> Result<Option<String>, DeliveryError> {
    let named = spec.service_account_name.as_deref();
    let Some(name) = named.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if !matches!(
        spec.type_,
        ProviderType::AzureDevOps | ProviderType::AzureEventHub | ProviderType::GooglePubSub
    ) {
        let message = "spec.serviceAccountName: only the types azuredevops, azureeventhub and googlepubsub act as a ServiceAccount";
        return Err(DeliveryError::later(message.into()));
    }
    match &peers.cloud {
        Some(cloud) if cloud.object_level() => Ok(Some(name.to_owned())),
        _ => Err(DeliveryError::later(CloudError::Gate.to_string())),
    }
}

/// The expression for the name of a commit status. What is wrong with it can be put right.
fn commit_status(spec: &ProviderSpec) -> Result<Option<Arc<Expression>>, DeliveryError> {
    let text = spec.commit_status_expr.as_deref();
    let Some(text) = text.filter(|text| !text.is_empty() && is_commit_status(spec.type_)) else {
        return Ok(None);
    };
    match Expression::compile_text(text, &VARIABLES) {
        Ok(expression) => Ok(Some(Arc::new(expression))),
        Err(error) => Err(DeliveryError::later(format!("spec.commitStatusExpr: {error}"))),
    }
}

/// A Provider or an Alert as CEL sees it: whole, but for what only servers write, and a status, which Flux's have not.
pub(crate) fn object(object: &impl Serialize) -> Result<Value, DeliveryError> {
    let failed = |error| DeliveryError::later(format!("the object cannot be written: {error}"));
    let mut object = serde_json::to_value(object).map_err(failed)?;
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    Ok(object)
}

/// Reads `token`, `username` with `password`, and `headers`. Half a login counts only where Flux is strict about it: at
/// Git hosts.
fn auth(data: &Data, strict: bool) -> Result<Auth, String> {
    let filled = |key: &str| data.get(key).filter(|value| !value.trim_ascii().is_empty());
    let login = match (filled("username"), filled("password")) {
        (Some(user), Some(password)) => {
            let user = std::str::from_utf8(user).map_err(|_| "'username' is not valid UTF-8")?;
            Some((user.trim().to_owned(), Secret::new(password.clone())))
        }
        (Some(_), None) if strict => return Err("'username' is there without 'password'".into()),
        (None, Some(_)) if strict && filled("token").is_none() => {
            return Err("'password' is there without 'username'".into());
        }
        _ => None,
    };
    Ok(Auth {
        token: filled("token").cloned().map(Secret::new),
        login,
        headers: headers(data.get("headers"))?,
        data: data
            .iter()
            .map(|(key, value)| (key.clone(), Secret::new(value.clone())))
            .collect(),
    })
}

/// A YAML map of texts.
fn headers(value: Option<&Vec<u8>>) -> Result<BTreeMap<String, Secret>, String> {
    let Some(value) = value else {
        return Ok(BTreeMap::new());
    };
    // What the parser says may quote what it read.
    let unusable = || "'headers' is not a YAML map of texts".to_owned();
    let parsed = yaml::parse(value).map_err(|_| unusable())?;
    let fields = match parsed {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(fields) => fields,
        _ => return Err(unusable()),
    };
    let text = |value: &Value| value.as_str().map(Secret::new).ok_or_else(unusable);
    fields
        .iter()
        .map(|(name, value)| Ok((name.clone(), text(value)?)))
        .collect()
}

/// Of `certSecretRef`; Git hosts may have it in `secretRef`.
fn tls(provider: &Provider, held: &Held) -> Result<Tls, DeliveryError> {
    let spec = &provider.spec;
    let (data, reference) = match (&held.certificates, &held.auth) {
        (Some(data), _) => (data, spec.cert_secret_ref.as_ref()),
        (None, Some(data)) if is_commit_status(spec.type_) => (data, spec.secret_ref.as_ref()),
        _ => return Ok(Tls::default()),
    };
    let invalid = |problem| DeliveryError::later(format!("invalid secret '{}': {problem}", name(reference)));
    let tls = Tls::read(data).map_err(invalid)?;
    match tls.is_empty() && held.certificates.is_some() {
        true => Err(invalid(
            "neither 'ca.crt' nor 'tls.crt' with 'tls.key' is there".into(),
        )),
        false => Ok(tls),
    }
}

/// Of `proxySecretRef`, of the Secret's `proxy`, of `spec.proxy`, in this order.
fn proxy(provider: &Provider, held: &Held) -> Result<Option<Proxy>, DeliveryError> {
    let spec = &provider.spec;
    if let Some(data) = &held.proxy {
        let name = name(spec.proxy_secret_ref.as_ref());
        let invalid = |problem| DeliveryError::later(format!("invalid proxy secret '{name}': {problem}"));
        return Proxy::read(data).map(Some).map_err(invalid);
    }
    let of_secret = held.auth.as_ref().and_then(|data| data.get("proxy"));
    let of_secret = of_secret.map(|value| String::from_utf8_lossy(value).into_owned());
    let plain = of_secret
        .or_else(|| spec.proxy.clone())
        .filter(|text| !text.trim().is_empty());
    let invalid = |problem| DeliveryError::later(format!("invalid proxy: {problem}"));
    plain.map(|text| Proxy::plain(&text).map_err(invalid)).transpose()
}

fn name(reference: Option<&crds::meta::LocalReference>) -> &str {
    reference.map_or("", |reference| reference.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::example::provider;

    fn data(pairs: &[(&str, &str)]) -> Data {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
        pairs.iter().map(pair).collect()
    }

    fn of(kind: ProviderType, secret: &[(&str, &str)]) -> Result<Service, DeliveryError> {
        let held = Held {
            auth: Some(data(secret)),
            ..Held::default()
        };
        assemble(&provider(kind, "https://spec.example"), &held, &Arc::default())
    }

    #[test]
    fn the_secret_wins_over_the_spec() {
        let service = of(ProviderType::Slack, &[("address", " https://secret.example\n")]).unwrap();
        assert_eq!(service.address.text(), Some("https://secret.example"));
        assert_eq!(service.timeout, TIMEOUT);
        let long = "x".repeat(LONGEST_ADDRESS + 1);
        assert!(of(ProviderType::Slack, &[("address", &long)]).is_err());
    }

    #[test]
    fn half_a_login_counts_at_git_hosts_only() {
        let slack = of(ProviderType::Slack, &[("username", "me"), ("token", "t\r\n")]).unwrap();
        assert_eq!(
            (slack.auth.login, slack.auth.token.as_ref().and_then(Secret::text)),
            (None, Some("t"))
        );
        for secret in [&[("username", "me")][..], &[("password", "pw")]] {
            assert!(of(ProviderType::GitHub, secret).is_err());
        }
        let both = of(ProviderType::GitHub, &[("username", "me"), ("password", "pw")]).unwrap();
        assert_eq!(both.auth.login, Some(("me".into(), Secret::new("pw"))));
    }

    #[test]
    fn headers_are_a_map_of_texts() {
        let service = of(ProviderType::Generic, &[("headers", "a: b\nc: 'd: e'\n")]).unwrap();
        let names: Vec<&String> = service.auth.headers.keys().collect();
        assert_eq!(names, ["a", "c"]);
        assert!(
            of(ProviderType::Generic, &[("headers", "")])
                .unwrap()
                .auth
                .headers
                .is_empty()
        );
        for wrong in ["[a]", "a: [b]", "a: 1", "s3cret: {"] {
            let error = of(ProviderType::Generic, &[("headers", wrong)]).unwrap_err();
            assert!(
                error.message.contains("'headers'") && !error.message.contains("s3cret"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_proxy_by_three_ways() {
        let mut provider = provider(ProviderType::Generic, "https://spec.example");
        provider.spec.proxy = Some("http://spec:1".into());
        let mut held = Held::default();
        let proxy = |provider: &Provider, held: &Held| {
            let service = assemble(provider, held, &Arc::default()).unwrap();
            let proxy = service.transport.proxy.unwrap();
            proxy.address.text().unwrap().to_owned()
        };
        assert_eq!(proxy(&provider, &held), "http://spec:1");
        held.auth = Some(data(&[("proxy", "http://secret:2")]));
        assert_eq!(proxy(&provider, &held), "http://secret:2");
        held.proxy = Some(data(&[("address", "socks5://proxy:3")]));
        assert_eq!(proxy(&provider, &held), "socks5://proxy:3");
        held.proxy = Some(data(&[("address", "gopher://me:s3cret@proxy")]));
        let error = assemble(&provider, &held, &Arc::default()).unwrap_err();
        assert!(!error.message.contains("s3cret"), "{error}");
    }

    #[test]
    fn certificates_stand_in_either_secret_at_git_hosts() {
        let tls = [("ca.crt", "a")];
        assert!(of(ProviderType::Slack, &tls).unwrap().transport.tls.is_empty());
        assert!(!of(ProviderType::GitHub, &tls).unwrap().transport.tls.is_empty());
        let held = Held {
            certificates: Some(data(&[("nothing", "")])),
            ..Held::default()
        };
        assert!(assemble(&provider(ProviderType::Slack, ""), &held, &Arc::default()).is_err());
    }

    #[test]
    fn what_is_not_supported_is_said() {
        let mut provider = provider(ProviderType::GooglePubSub, "acme");
        provider.spec.service_account_name = Some("sa".into());
        for (kind, problem) in [
            (
                ProviderType::GooglePubSub,
                "enable the ObjectLevelWorkloadIdentity feature gate",
            ),
            (ProviderType::Slack, "only the types azuredevops"),
        ] {
            provider.spec.type_ = kind;
            let error = assemble(&provider, &Held::default(), &Arc::default()).unwrap_err();
            assert!(error.message.contains(problem), "{error}");
        }
        provider.spec.service_account_name = None;
        provider.spec.type_ = ProviderType::GitHub;
        for (expression, problem) in [
            ("1", "expected string, got int"),
            ("event.metadata.nope", "expected string, got dyn"),
            ("nope.metadata.name + ''", "undeclared reference to 'nope'"),
            ("(", "Syntax error"),
        ] {
            provider.spec.commit_status_expr = Some(expression.into());
            let error = assemble(&provider, &Held::default(), &Arc::default()).unwrap_err();
            assert!(
                error.message.starts_with("spec.commitStatusExpr: ") && error.message.contains(problem),
                "{error}"
            );
        }
        provider.spec.commit_status_expr = None;
        provider.spec.timeout = Some("soon".into());
        assert!(assemble(&provider, &Held::default(), &Arc::default()).is_err());
    }
}
