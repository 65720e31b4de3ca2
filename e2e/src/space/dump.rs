//! What a person would look at when a scenario fails.

use anyhow::Result;
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use super::Space;
use crate::flux::{HELM, KUSTOMIZE, NOTIFICATION, SOURCE};

impl Space<'_> {
    /// The Kubernetes Events of this namespace.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn events(&self) -> Result<Vec<Event>> {
        let events: Api<Event> = Api::namespaced(self.cluster.client.clone(), &self.name);
        Ok(events.list(&ListParams::default()).await?.items)
    }

    pub(super) async fn flux_objects(&self) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        for (api_version, kind) in [
            (SOURCE, "GitRepository"),
            (SOURCE, "OCIRepository"),
            (SOURCE, "HelmRepository"),
            (SOURCE, "HelmChart"),
            (SOURCE, "Bucket"),
            (KUSTOMIZE, "Kustomization"),
            (HELM, "HelmRelease"),
            (NOTIFICATION, "Receiver"),
        ] {
            for object in self
                .api(api_version, kind)
                .await?
                .list(&ListParams::default())
                .await?
            {
                let mut object = serde_json::to_value(object)?;
                object["kind"] = json!(kind);
                objects.push(object);
            }
        }
        Ok(objects)
    }

    /// What a person would look at first: objects with their conditions, events, the ends of the logs.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn dump(&self) -> Result<String> {
        let mut text = String::new();
        for object in self.flux_objects().await? {
            let status = &object["status"];
            text += &format!(
                "--- {} {} ---\nspec: {}\n",
                object["kind"], object["metadata"]["name"], object["spec"]
            );
            for condition in status["conditions"].as_array().into_iter().flatten() {
                let part = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
                text += &format!(
                    "{} {} {}: {}\n",
                    part("type"),
                    part("status"),
                    part("reason"),
                    part("message")
                );
            }
            for key in [
                "observedGeneration",
                "lastAppliedRevision",
                "lastAttemptedRevision",
                "artifact",
                "inventory",
            ] {
                if !status[key].is_null() {
                    text += &format!("{key}: {}\n", status[key]);
                }
            }
        }
        text += "--- events ---\n";
        for event in self.events().await? {
            let about = format!(
                "{}/{}",
                event.involved_object.kind.unwrap_or_default(),
                event.involved_object.name.unwrap_or_default()
            );
            let (reason, message) = (
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default(),
            );
            text += &format!("{about} {reason} ×{}: {message}\n", event.count.unwrap_or(1));
        }
        Ok(text + &self.world.suite.logs())
    }
}
