//! PURE: what a Provider and the data of its Secrets say together.

use super::{Auth, Mask, Peers, Proxy, Secret, Service, Tls, Transport};
use crate::message::{DeliveryError, is_commit_status};
use crds::notification::{Provider, ProviderType};
use runtime::Key;
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
    if spec.service_account_name.is_some() {
        let message = "spec.serviceAccountName: workload identity of notifications is not supported";
        return Err(DeliveryError::later(message.into()));
    }
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
    mask.hide_address(address);
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
        commit_status: spec.commit_status_expr.clone().filter(|text| !text.is_empty()),
        auth,
        transport,
        mask,
        peers: peers.clone(),
    })
}

/// The Provider as CEL sees it, without what only servers write.
fn object(provider: &Provider) -> Result<serde_json::Value, DeliveryError> {
    let mut provider = provider.clone();
    provider.metadata.managed_fields = None;
    let failed = |error| DeliveryError::later(format!("the Provider cannot be written: {error}"));
    serde_json::to_value(&provider).map_err(failed)
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
        serde_json::Value::Null => return Ok(BTreeMap::new()),
        serde_json::Value::Object(fields) => fields,
        _ => return Err(unusable()),
    };
    let text = |value: &serde_json::Value| value.as_str().map(Secret::new).ok_or_else(unusable);
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
