//! Azure Event Hubs: the event as a message (Event Hubs REST API, send event; shared access signatures).

use super::{DeliveryError, Letter, Request, git::below, request::token};
use crate::provider::{Secret, Service};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use sha2::Sha256;
use url::{Url, form_urlencoded};

/// The property of a message with what tells it from all others (Event Hubs REST API: headers that it does not know are properties).
const ID: &str = "Idempotency-Key";
/// A signature is good for so long, in seconds.
const LIFE: u64 = 3600;

/// A message at `now`, in seconds since 1970. The address is a connection string with `EntityPath`, or the name of the hub, with
/// the namespace as channel, and a token of Azure's: what an identity is granted, or the Secret's `token`.
///
/// # Errors
/// A connection string, namespace or token that cannot be used.
pub fn request(
    service: &Service,
    granted: Option<&Secret>,
    letter: Letter<'_>,
    now: u64,
    suffix: &str,
) -> Result<Request, DeliveryError> {
    let address = service.address.text().unwrap_or_default();
    let value = |key: &str| value(address, key);
    let Some(endpoint) = value("Endpoint") else {
        let url = namespace(service, suffix)?;
        let token = granted.map_or_else(|| token(service), Ok)?;
        return message(&url, address, letter)?.authorize("Bearer", token);
    };
    let wrong = |what: &str| {
        DeliveryError::later(format!(
            "the connection string in the address of the Provider has {what}"
        ))
    };
    let endpoint = match endpoint.strip_prefix("sb://") {
        Some(rest) => format!("https://{rest}"),
        None => endpoint.to_owned(),
    };
    let endpoint = Url::parse(&endpoint).map_err(|_| wrong("an 'Endpoint' that is no URL"))?;
    if !matches!(endpoint.scheme(), "http" | "https") {
        return Err(wrong("an 'Endpoint' that is no sb URL"));
    }
    let hub = value("EntityPath")
        .filter(|hub| !hub.is_empty())
        .ok_or_else(|| wrong("no 'EntityPath'"))?;
    if let Some(signature) = value("SharedAccessSignature") {
        return message(&endpoint, hub, letter)?.secret_header("Authorization", signature.as_bytes());
    }
    let name = value("SharedAccessKeyName").ok_or_else(|| wrong("no 'SharedAccessKeyName'"))?;
    let key = value("SharedAccessKey").ok_or_else(|| wrong("no 'SharedAccessKey'"))?;
    let resource = below(&endpoint, &[hub]);
    let signature = signature(resource.as_str(), name, key, now + LIFE)
        .ok_or_else(|| wrong("a key that cannot be one"))?;
    message(&endpoint, hub, letter)?.secret_header("Authorization", signature.as_bytes())
}

/// Where a message goes with a token of an identity; nothing if the Provider has something of its own that proves who we are.
///
/// # Errors
/// A namespace that cannot be used; a ServiceAccount besides something of its own.
pub fn asks_identity(service: &Service, suffix: &str) -> Result<Option<Url>, DeliveryError> {
    let is_signed = value(service.address.text().unwrap_or_default(), "Endpoint").is_some();
    let what = match (is_signed, &service.auth.token) {
        (true, _) => "a connection string",
        (false, Some(_)) => "a 'token' in the Secret",
        (false, None) => return namespace(service, suffix).map(Some),
    };
    match service.account {
        Some(_) => Err(DeliveryError::later(format!(
            "spec.serviceAccountName and {what} cannot be used together"
        ))),
        None => Ok(None),
    }
}

/// A value of a connection string.
fn value<'a>(address: &'a str, key: &str) -> Option<&'a str> {
    let mut parts = address.split(';').filter_map(|part| part.split_once('='));
    parts
        .find(|(name, _)| name.trim().eq_ignore_ascii_case(key))
        .map(|(_, value)| value.trim())
}

/// The namespace of a hub that is named without a connection string.
fn namespace(service: &Service, suffix: &str) -> Result<Url, DeliveryError> {
    if service.address.text().unwrap_or_default().is_empty() || service.channel.is_empty() {
        let message =
            "the address of the Provider is neither a connection string nor, with spec.channel, an event hub";
        return Err(DeliveryError::later(message.into()));
    }
    let host = match service.channel.contains(".servicebus.") {
        true => service.channel.clone(),
        false => format!("{}{suffix}", service.channel),
    };
    let wrong = |_| DeliveryError::later("spec.channel is no name of a namespace".into());
    Url::parse(&format!("https://{host}")).map_err(wrong)
}

fn message(namespace: &Url, hub: &str, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let mut url = below(namespace, &[hub, "messages"]);
    url.set_query(Some("api-version=2014-01"));
    Request::json(Method::POST, url, letter.event)?.header(ID, &letter.id())
}

fn signature(resource: &str, name: &str, key: &str, until: u64) -> Option<String> {
    let escape = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let resource = escape(resource);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(format!("{resource}\n{until}").as_bytes());
    let signature = escape(&STANDARD.encode(mac.finalize().into_bytes()));
    Some(format!(
        "SharedAccessSignature sr={resource}&sig={signature}&se={until}&skn={}",
        escape(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{event, service, with_letter},
    };
    use crds::notification::ProviderType;

    const SUFFIX: &str = ".servicebus.windows.net";

    fn of(address: &str, channel: &str, secret: &[(&str, &str)]) -> Result<Request, DeliveryError> {
        let service = service(ProviderType::AzureEventHub, address, channel, secret);
        with_letter(&event(Severity::Info), |letter| {
            request(&service, None, letter, 1_700_000_000, SUFFIX)
        })
    }

    #[test]
    fn a_signed_message() {
        let request = of(
            "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=a2V5PQ==;EntityPath=flux",
            "",
            &[],
        )
        .unwrap();
        assert_eq!(
            request.url.as_str(),
            "https://acme.servicebus.windows.net/flux/messages?api-version=2014-01"
        );
        // printf '<sr>\n1700003600' | openssl dgst -sha256 -hmac 'a2V5PQ==' -binary | base64
        let expected = "SharedAccessSignature sr=https%3A%2F%2Facme.servicebus.windows.net%2Fflux\
                        &sig=4zoNZmSzblAI%2BJBpvMC3QeAjcV57TXCOgKtqXaaDBx8%3D&se=1700003600&skn=send";
        assert_eq!(request.headers["authorization"], expected);
        assert_eq!(
            serde_json::from_slice::<crate::event::Event>(&request.body).unwrap(),
            event(Severity::Info)
        );
    }

    #[test]
    fn a_signature_that_somebody_else_made() {
        let request = of(
            "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y%3D;EntityPath=flux",
            "acme",
            &[],
        )
        .unwrap();
        assert_eq!(
            request.url.as_str(),
            "https://acme.servicebus.windows.net/flux/messages?api-version=2014-01"
        );
        let authorization = &request.headers["authorization"];
        assert_eq!(authorization, "SharedAccessSignature sr=x&sig=y%3D");
        assert!(authorization.is_sensitive());
    }

    #[test]
    fn a_token_and_what_is_missing() {
        let request = of("flux", "acme", &[("token", "jwt")]).unwrap();
        assert_eq!(
            request.url.as_str(),
            "https://acme.servicebus.windows.net/flux/messages?api-version=2014-01"
        );
        assert_eq!(request.headers["authorization"], "Bearer jwt");
        for (address, channel) in [
            ("flux", "acme"),
            ("flux", ""),
            ("", "acme"),
            ("Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=k", ""),
            (
                "Endpoint=file:///x;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=h",
                "",
            ),
            ("SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=h", ""),
        ] {
            assert!(of(address, channel, &[]).is_err(), "{address}");
        }
    }
}
