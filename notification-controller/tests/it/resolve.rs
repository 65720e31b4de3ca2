//! A Provider's Secrets are read from the API server, and one that is not there is waited for.

use crate::{
    deliver::{event, spec, tell},
    sink::{Reply, Sink},
};
use crds::{
    meta::LocalReference,
    notification::{Provider, ProviderType},
};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use notification_controller::{
    message::{Again, Sent},
    provider::{Peers, resolve},
};
use std::sync::Arc;

#[tokio::test]
async fn secrets_are_read_by_name() {
    let sink = Sink::start(|_| Reply::status("200 OK")).await;
    let secret = Secret {
        data: Some(
            [
                (
                    "address".to_owned(),
                    ByteString(format!("{}\n", sink.url("/hook")).into_bytes()),
                ),
                ("token".to_owned(), ByteString(b"t0ken".to_vec())),
            ]
            .into(),
        ),
        ..Secret::default()
    };
    let api = Sink::start(move |seen| match seen.head.split(' ').nth(1) {
        Some("/api/v1/namespaces/apps/secrets/chat") => {
            Reply::Text("200 OK".into(), serde_json::to_vec(&secret).unwrap())
        }
        _ => {
            let status = r#"{"kind":"Status","status":"Failure","message":"secrets \"gone\" not found","reason":"NotFound","code":404}"#;
            Reply::Text("404 Not Found".into(), status.into())
        }
    })
    .await;
    let client = kube::Client::try_from(kube::Config::new(api.url("/").parse().unwrap())).unwrap();
    let provider = |name: &str| {
        let mut spec = spec(ProviderType::GenericHmac, "http://127.0.0.1:1/");
        spec.secret_ref = Some(LocalReference { name: name.into() });
        Provider {
            metadata: ObjectMeta {
                name: Some("chat".into()),
                namespace: Some("apps".into()),
                ..ObjectMeta::default()
            },
            spec,
        }
    };
    let peers = Arc::new(Peers::default());
    let missing = resolve(&client, &provider("gone"), &peers).await.unwrap_err();
    assert_eq!(missing.again, Again::Later);
    assert_eq!(
        missing.message,
        "failed to get secret 'apps/gone': secrets \"gone\" not found"
    );

    // Deliveries run as tasks of their own.
    let there = provider("chat");
    let told = tokio::spawn(async move {
        let service = resolve(&client, &there, &peers).await.unwrap();
        tell(&service, &event()).await
    });
    assert_eq!(told.await.unwrap(), Ok(Sent::Delivered));
    assert!(sink.seen()[0].head.contains("x-signature: sha256="));
}
