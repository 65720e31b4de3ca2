//! Objects that our types cannot hold: each is reported on itself, and nothing else is disturbed.

use super::Shell;
use crate::{
    Key,
    client::Identity,
    conditions,
    events::{Event, subject},
    reconciler::Reconciler,
    telemetry::chain,
    watch::Undecodable,
};
use crds::meta::{FluxObject as _, Left, add_messages};
use std::sync::Arc;
use tracing::error;

/// The reason of such a report.
const REASON: &str = "InvalidObject";

impl<R: Reconciler> Shell<R> {
    /// Reports an object that cannot be decoded, on that object alone.
    pub fn undecodable(self: &Arc<Self>, invalid: Undecodable) {
        let key = Key::new(
            invalid.metadata.namespace.clone().unwrap_or_default(),
            invalid.metadata.name.clone().unwrap_or_default(),
        );
        error!(
            kind = R::Object::KIND,
            namespace = key.namespace,
            name = key.name,
            error = invalid.error,
            "the object cannot be read"
        );
        let shell = self.clone();
        tokio::spawn(async move { shell.report_undecodable(&key, &invalid).await });
    }

    async fn report_undecodable(&self, key: &Key, invalid: &Undecodable) {
        let message = format!("the object cannot be read: {}", invalid.error);
        let subject = subject::<R::Object>(&invalid.metadata);
        let event = Event::warning(REASON, message.clone());
        self.tools.recorder.publish(subject, event.clone());
        let api: kube::Api<kube::api::DynamicObject> = kube::Api::namespaced_with(
            self.tools.clients.of(&Identity::Controller),
            &key.namespace,
            &kube::api::ApiResource::erase::<R::Object>(&()),
        );
        let condition = serde_json::json!({
            "type": crds::meta::READY, "status": "False", "reason": REASON, "message": message,
            "observedGeneration": invalid.metadata.generation, "lastTransitionTime": conditions::now(),
        });
        let known = api.get_opt(&key.name).await.ok().flatten();
        let mut messages = known
            .and_then(|known| serde_json::from_value(known.data["status"]["messages"].clone()).ok())
            .unwrap_or_default();
        let now = conditions::now();
        let told = event.message(now.clone()).into_iter().collect();
        add_messages(&mut messages, told, Left::Failing(REASON), &now);
        let body = serde_json::json!({"status": {"conditions": [condition], "messages": messages}});
        let params = kube::api::PatchParams {
            field_manager: Some(self.tools.manager.into()),
            ..Default::default()
        };
        if let Err(error) = api
            .patch_status(&key.name, &params, &kube::api::Patch::Merge(body))
            .await
        {
            error!(
                kind = R::Object::KIND,
                namespace = key.namespace,
                name = key.name,
                error = chain(&error),
                "cannot report the unreadable object"
            );
        }
    }
}
