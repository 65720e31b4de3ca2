//! Any web hook: the event as JSON, on wish with a signature (Flux provider types `generic` and `generic-hmac`).

use super::{DeliveryError, Letter, Request, request::address};
use crate::provider::Service;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use sha2::Sha256;

/// The header with the controller that the event is of.
const COMPONENT: &str = "gotk-component";
/// The header that is the same whenever a message is sent, for who wants to take it once (draft-ietf-httpapi-idempotency-key-header).
const KEY: &str = "Idempotency-Key";
/// The header with the signature.
const SIGNATURE: &str = "X-Signature";

/// The event, with the Secret's own headers.
///
/// # Errors
/// An address or header that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    Request::json(Method::POST, address(service)?, letter.event)?
        .header(COMPONENT, &component(letter))?
        .header(KEY, &format!("\"{}\"", letter.id()))?
        .headers_of(service)
}

/// The controller, in what a header can have: others than controllers send events too.
fn component(letter: Letter<'_>) -> String {
    let plain = |letter: char| if letter.is_ascii_graphic() { letter } else { '?' };
    letter.event.reporting_controller.chars().map(plain).collect()
}

/// The same, signed with the token.
///
/// # Errors
/// As [`request`], and a token that is missing.
pub fn signed_request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let request = request(service, letter)?;
    let key = super::request::token(service)?;
    // A key of any length will do (RFC 2104).
    let mac = Hmac::<Sha256>::new_from_slice(key.expose());
    let mut mac = mac.map_err(|_| DeliveryError::later("the token cannot be a key".into()))?;
    mac.update(&request.body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    request.secret_header(SIGNATURE, signature.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{body, event, service, with_letter},
    };
    use crds::notification::ProviderType;
    use serde_json::json;

    #[test]
    fn the_event_is_the_body() {
        let service = service(
            ProviderType::Generic,
            "https://sink.example/hook",
            "",
            &[("headers", "Authorization: Basic abc\nX-Team: core\n")],
        );
        let request = with_letter(&event(Severity::Info), |letter| request(&service, letter)).unwrap();
        assert_eq!(
            body(&request),
            json!({
                "involvedObject": {
                    "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "name": "web",
                    "namespace": "apps", "resourceVersion": "42", "uid": "5a7b2e41-0000-4f9b-9c41-bebc1984d67a",
                },
                "severity": "info",
                "timestamp": "2026-08-01T10:20:30Z",
                "message": "Applied revision: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\nsecond *line*",
                "reason": "ReconciliationSucceeded",
                "metadata": {
                    "revision": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35",
                    "summary": "prod & more",
                },
                "reportingController": "kustomize-controller",
                "reportingInstance": "kustomize-controller-0",
            })
        );
        assert_eq!(request.headers["gotk-component"], "kustomize-controller");
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.headers["x-team"], "core");
        // As `sha256sum` has it of the alert's uid, a slash, and the letter's key.
        assert_eq!(
            request.headers["idempotency-key"],
            "\"43e79197ed591430fd6b0ed6929ce374\""
        );
        assert!(request.headers["authorization"].is_sensitive());
    }

    #[test]
    fn odd_events_do_not_break_the_header() {
        let service = service(ProviderType::Generic, "https://sink.example/hook", "", &[]);
        let mut event = event(Severity::Info);
        event.reporting_controller = "my\r\nX-Evil: ö".into();
        let request = with_letter(&event, |letter| request(&service, letter)).unwrap();
        assert_eq!(request.headers["gotk-component"], "my??X-Evil:??");
    }

    #[test]
    fn the_signature_is_of_the_body() {
        let of = |secret: &[(&str, &str)]| {
            let service = service(ProviderType::GenericHmac, "https://sink.example/hook", "", secret);
            with_letter(&event(Severity::Info), |letter| signed_request(&service, letter))
        };
        let signed = of(&[("token", "Jefe")]).unwrap();
        // As `openssl dgst -sha256 -hmac Jefe` signs the body.
        let expected = "sha256=acae419a5748062fd4b2418fa346f1c80f9185b6e865abc242c9ff030c069e9c";
        assert_eq!(signed.headers["x-signature"], expected);
        assert!(of(&[]).unwrap_err().message.contains("no 'token'"));
    }
}
