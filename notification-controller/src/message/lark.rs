//! Lark and Feishu: an interactive card to a custom bot (Lark open platform, custom bots).

use super::{
    DeliveryError, Letter, Request, Sent,
    request::address,
    text::{by_severity, cut, fit, masked, object},
};
use crate::provider::{Answer, Service};
use reqwest::Method;
use serde_json::{Value, json};

/// A message may have 20 KB.
const MOST: usize = 19_000;

/// Errors that are not about the message: too many at a time, and what is configured (address, signature, network).
const LATER: [i64; 6] = [9499, 11232, 11233, 19001, 19021, 19022];

/// A card.
///
/// # Errors
/// An address that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    Request::json(
        Method::POST,
        address(service)?,
        &fit(MOST, |limit| card(letter, limit)),
    )
}

fn card(letter: Letter<'_>, limit: usize) -> Value {
    let event = letter.event;
    let line = |(key, value): (&String, &String)| {
        format!("{}: {}\n", escape(key), escape(&cut(value, limit.min(500))))
    };
    let metadata: String = event.metadata.iter().take(50).map(line).collect();
    let content = format!("**{}**\n\n{metadata}", escape(&cut(&event.message, limit)));
    json!({
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": true},
            "header": {
                "title": {"tag": "plain_text", "content": format!("{} {}", by_severity(event, "💫", "🚨"), object(event))},
                "template": by_severity(event, "turquoise", "red"),
            },
            "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": content}}],
        },
    })
}

/// Keeps a text from calling people by `<at>`, and from links with a name of their own (Lark open platform, escaping in
/// Markdown).
fn escape(text: &str) -> String {
    let marks = [("<", "&#60;"), (">", "&#62;"), ("](", "&#93;("), ("*", "&#42;")];
    marks.iter().fold(text.to_owned(), |text, (mark, escaped)| {
        text.replace(mark, escaped)
    })
}

/// A bot is answered with 200; whether it worked is inside.
///
/// # Errors
/// What Lark says.
pub fn check(answer: &Answer, service: &Service) -> Result<Sent, DeliveryError> {
    let body = crate::json::answer(&answer.body).unwrap_or_default();
    match body["code"].as_i64() {
        None | Some(0) => Ok(Sent::Delivered),
        Some(code) => {
            let said = masked(body["msg"].as_str().unwrap_or_default(), &service.mask, 200);
            let message = format!("Lark answered with the error {code}: {said}");
            match LATER.contains(&code) {
                true => Err(DeliveryError::later(message)),
                false => Err(DeliveryError::never(message)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::Again,
        message::example::{body, event, service, with_letter},
    };
    use crds::notification::ProviderType;

    #[test]
    fn a_card() {
        let service = service(
            ProviderType::Lark,
            "https://open.larksuite.com/open-apis/bot/v2/hook/x",
            "",
            &[],
        );
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        assert_eq!(
            body(&request),
            json!({
                "msg_type": "interactive",
                "card": {
                    "config": {"wide_screen_mode": true},
                    "header": {"title": {"tag": "plain_text", "content": "🚨 kustomization/web.apps"}, "template": "red"},
                    "elements": [{"tag": "div", "text": {"tag": "lark_md", "content":
                        "**Health check failed: Deployment/apps/web &#60;not&#62; ready & late**\n\n\
                         revision: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\nsummary: prod & more\n"}}],
                },
            })
        );
    }

    #[test]
    fn a_message_is_no_markup() {
        assert_eq!(
            escape("**[log in](https://evil) <at id=all></at>"),
            "&#42;&#42;[log in&#93;(https://evil) &#60;at id=all&#62;&#60;/at&#62;"
        );
    }

    #[test]
    fn what_lark_says() {
        let service = service(ProviderType::Lark, "https://open.larksuite.com/x", "", &[]);
        let said = |body: &str| {
            let answer = Answer {
                status: reqwest::StatusCode::OK,
                retry_after: None,
                body: body.into(),
            };
            check(&answer, &service)
        };
        assert_eq!(said(r#"{"code":0,"msg":"success"}"#), Ok(Sent::Delivered));
        assert_eq!(said(r#"{"StatusCode":0}"#), Ok(Sent::Delivered));
        let again = |body: &str| said(body).unwrap_err().again;
        assert_eq!(again(r#"{"code":9499,"msg":"too many request"}"#), Again::Later);
        assert_eq!(
            again(r#"{"code":19024,"msg":"Key Words Not Found"}"#),
            Again::Never
        );
    }
}
