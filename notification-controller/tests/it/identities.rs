//! A Provider without a Secret acts as a ServiceAccount, or as the controller itself, at Azure and Google; what that is granted
//! is heard by nobody else.

use crate::{
    clouds::{DEVOPS, HUB, INSIDE, PUBSUB, inside},
    deliver::{event, spec, tell},
    sink::Seen,
};
use cloud::{Cloud, Settings};
use crds::{
    meta::LocalReference,
    notification::{Provider, ProviderType},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use notification_controller::{
    message::{Again, DeliveryError, Sent},
    provider::{Peers, resolve},
};
use serde_json::{Value, json};
use std::{env::var, sync::Arc, time::Duration};

/// A Provider, and what becomes of a message to it, where objects may name ServiceAccounts or not.
async fn told(kind: ProviderType, change: Value, object_level: bool) -> Result<Sent, DeliveryError> {
    let url = var(INSIDE).unwrap();
    let client = kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    let settings = Settings {
        controller: "notification-controller",
        object_level,
        default_account: String::new(),
        most: 10,
        life: Duration::from_secs(60),
    };
    let peers = Arc::new(Peers::default().with_cloud(Cloud::new(client.clone(), settings)));
    let address = match kind {
        ProviderType::AzureDevOps => "https://dev.azure.com/org/project/_git/app",
        ProviderType::AzureEventHub => "flux",
        _ => "project",
    };
    let mut spec = spec(kind, address);
    spec.channel = (kind != ProviderType::AzureDevOps).then(|| match kind {
        ProviderType::AzureEventHub => "acme".into(),
        _ => "topic".into(),
    });
    let named = |name: &str| {
        let name = change[name].as_str()?.to_owned();
        Some(LocalReference { name })
    };
    spec.proxy_secret_ref = named("proxy").or(Some(LocalReference {
        name: "tunnel".into(),
    }));
    spec.cert_secret_ref = named("certificates");
    spec.secret_ref = named("secret");
    spec.service_account_name = change["account"].as_str().map(str::to_owned);
    if let Some(channel) = change["channel"].as_str() {
        spec.channel = Some(channel.into());
    }
    if let Some(address) = change["address"].as_str() {
        spec.address = Some(address.into());
    }
    let provider = Provider {
        metadata: ObjectMeta {
            name: Some("chat".into()),
            namespace: Some("apps".into()),
            ..ObjectMeta::default()
        },
        spec,
    };
    // Deliveries run as tasks of their own.
    let told = tokio::spawn(async move {
        let service = resolve(&client, &provider, &peers).await?;
        tell(&service, &event()).await
    });
    told.await.unwrap()
}

#[tokio::test]
async fn identities_open_their_services() {
    use ProviderType::{AzureDevOps, AzureEventHub, GooglePubSub};
    let cases = [
        (AzureDevOps, json!({}), DEVOPS, "Bearer machine-devops"),
        (
            AzureDevOps,
            json!({"account": "reader"}),
            DEVOPS,
            "Bearer reader-devops",
        ),
        (
            AzureDevOps,
            json!({"secret": "token"}),
            DEVOPS,
            "Basic OnN0YXRpYw==",
        ),
        (AzureEventHub, json!({}), HUB, "Bearer machine-hubs"),
        (
            AzureEventHub,
            json!({"account": "reader"}),
            HUB,
            "Bearer reader-hubs",
        ),
        (AzureEventHub, json!({"secret": "token"}), HUB, "Bearer static"),
        (GooglePubSub, json!({}), PUBSUB, "Bearer machine-google"),
        (
            GooglePubSub,
            json!({"account": "reader"}),
            PUBSUB,
            "Bearer reader-google",
        ),
        // What a ServiceAccount is granted is its tenant's, who may hear it.
        (
            AzureDevOps,
            json!({"account": "reader", "address": "https://evil.example/org/project/_git/app", "certificates": "authority"}),
            "evil.example",
            "Bearer reader-devops",
        ),
    ];
    if var(INSIDE).is_ok() {
        for (kind, change, ..) in cases {
            let outcome = told(kind, change.clone(), true).await;
            assert_eq!(outcome, Ok(Sent::Delivered), "{kind:?} {change}");
        }
        return;
    }
    let (heard, _) = inside("identities_open_their_services").await;
    let posted: Vec<&Seen> = heard
        .iter()
        .filter(|seen| seen.head.starts_with("POST"))
        .collect();
    assert_eq!(posted.len(), cases.len(), "{heard:?}");
    for (seen, (kind, change, host, authorization)) in posted.into_iter().zip(cases) {
        let has = |line: &str| seen.head.lines().any(|found| found == line);
        assert!(
            has(&format!("host: {host}")) && has(&format!("authorization: {authorization}")),
            "{kind:?} {change}: {}",
            seen.head
        );
    }
}

#[tokio::test]
async fn the_controllers_own_identity_is_heard_by_nobody() {
    use ProviderType::{AzureDevOps, AzureEventHub, GooglePubSub};
    let reader = json!({"account": "reader"});
    let cases = [
        (
            AzureDevOps,
            json!({"certificates": "authority"}),
            true,
            "over certificates that the object names",
        ),
        (
            AzureEventHub,
            json!({"certificates": "authority"}),
            true,
            "over certificates that the object names",
        ),
        (
            GooglePubSub,
            json!({"certificates": "authority"}),
            true,
            "over certificates that the object names",
        ),
        (
            AzureDevOps,
            json!({"address": "https://evil.example/org/project/_git/app"}),
            true,
            "'evil.example' is not Azure DevOps",
        ),
        (
            AzureDevOps,
            json!({"address": "http://dev.azure.com/org/project/_git/app"}),
            true,
            "without TLS (insecure)",
        ),
        (
            AzureDevOps,
            json!({"address": "http://127.0.0.1:1/org/project/_git/app"}),
            true,
            "over a proxy without TLS",
        ),
        (
            AzureEventHub,
            json!({"channel": "evil.example/?.servicebus."}),
            true,
            "is not of Azure's Event Hubs",
        ),
        (
            AzureEventHub,
            json!({"channel": "acme.servicebus.evil.example"}),
            true,
            "is not of Azure's Event Hubs",
        ),
        (
            AzureDevOps,
            json!({"account": "reader", "address": "http://evil.example/org/project/_git/app"}),
            true,
            "non TLS protected",
        ),
        (
            AzureDevOps,
            json!({"account": "nobody"}),
            true,
            "azure tenant ID is not set",
        ),
        (
            AzureEventHub,
            json!({"account": "absent"}),
            true,
            "failed to get service account 'apps/absent'",
        ),
        (
            GooglePubSub,
            json!({"account": "absent"}),
            true,
            "failed to get service account 'apps/absent'",
        ),
        (
            AzureEventHub,
            json!({"account": "reader", "secret": "token"}),
            true,
            "cannot be used together",
        ),
        (
            AzureEventHub,
            json!({"account": "reader", "address": "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=h"}),
            true,
            "cannot be used together",
        ),
        (
            AzureDevOps,
            reader.clone(),
            false,
            "enable the ObjectLevelWorkloadIdentity feature gate",
        ),
        (
            AzureEventHub,
            reader.clone(),
            false,
            "enable the ObjectLevelWorkloadIdentity feature gate",
        ),
        (
            GooglePubSub,
            reader,
            false,
            "enable the ObjectLevelWorkloadIdentity feature gate",
        ),
    ];
    if var(INSIDE).is_ok() {
        for (kind, change, object_level, problem) in cases {
            let error = told(kind, change.clone(), object_level).await.unwrap_err();
            assert!(
                error.message.contains(problem) && error.again == Again::Later,
                "{kind:?} {change}: {error}"
            );
        }
        return;
    }
    let (heard, asked) = inside("the_controllers_own_identity_is_heard_by_nobody").await;
    // Nothing was sent anywhere, and nobody was asked for what may not go.
    assert!(heard.is_empty(), "{heard:?}");
    assert!(asked.is_empty(), "{asked:?}");
}
