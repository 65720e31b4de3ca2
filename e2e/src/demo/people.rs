//! The people of the day: told in Slack when something fails, heard by a webhook when it is put right.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Instant;

use super::day::{APPS, Day, LIMIT, ROOT};
use crate::{
    expect::eventually,
    flux::{ALERTING, NOTIFICATION, SOURCE, alert, provider, with},
    origin::Sink,
    suite::NAMESPACE,
    webhook::send,
};

impl Day<'_> {
    /// A commit that cannot be applied, the message about it, and the webhook that brings its correction.
    pub(super) async fn people(&mut self) -> Result<()> {
        let slack = Sink::start().await?;
        self.account.step(
            "The team wants to be told in Slack when something fails, and Git's host calls a webhook",
        )?;
        let hook = self.set_up(&slack).await?;
        self.account
            .step("A developer commits a Deployment that no API server takes")?;
        let file = "apps/guestbook/frontend.yaml";
        let good = self.repo.git(&["show", &format!("main:{file}")])?;
        self.commit(file, "scale out", |text| {
            text.replacen("replicas: 3", "replicas: three", 1)
        })?;
        let begin = Instant::now();
        self.call(&hook).await?;
        let told = letter(&slack, "danger").await?;
        self.account.done("Slack has a message:", begin)?;
        self.show(&told)?;
        let event = event(&slack).await?;
        self.account
            .done("A webhook of one's own has the event:", begin)?;
        self.show_event(&event)?;
        self.account
            .step("The commit is put right, and its host calls the webhook")?;
        let (_, commit) = self.commit(file, "three is a number", |_| good.clone())?;
        let begin = Instant::now();
        self.call(&hook).await?;
        self.synced(APPS[0], &commit).await?;
        self.account.done("from the webhook to the cluster", begin)?;
        let told = letter(&slack, "good").await?;
        self.account.done("Slack knows that it is over:", begin)?;
        self.show(&told)
    }

    /// Alert, Provider and Receiver; the address of the webhook.
    async fn set_up(&mut self, slack: &Sink) -> Result<String> {
        let begin = Instant::now();
        let recovered = json!({"spec": {
            "inclusionList": ["failed", "finished"], "eventMetadata": {"cluster": "demo"},
            "eventSources": [{"kind": "Kustomization", "name": APPS[0]}],
        }});
        let receiver = json!({
            "apiVersion": NOTIFICATION, "kind": "Receiver", "metadata": {"name": "git-host"},
            "spec": {
                "type": "generic", "secretRef": {"name": "webhook"},
                "resources": [{"kind": "GitRepository", "apiVersion": SOURCE, "name": ROOT}],
            },
        });
        let token = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "webhook"},
            "stringData": {"token": "a-secret-of-the-demo"},
        });
        let own = slack.url("/own");
        let slack = with(
            provider("slack", &slack.url("/services/team/channel")),
            &json!({"spec": {"type": "slack", "channel": "platform"}}),
        );
        let objects = [
            token,
            receiver,
            slack,
            provider("own", &own),
            with(alert("failures", "slack", &[]), &recovered),
            with(alert("own", "own", &[]), &recovered),
        ];
        for object in objects {
            let there = with(object, &json!({"metadata": {"namespace": NAMESPACE}}));
            self.cluster.apply(&there).await?;
        }
        let ready = |o: &Value| o["status"]["webhookPath"].is_string();
        let receiver = self
            .holds(
                "it has an address",
                NOTIFICATION,
                "Receiver",
                NAMESPACE,
                "git-host",
                ready,
            )
            .await?;
        let alerts = self.api(ALERTING, "Alert", NAMESPACE).await?;
        alerts.get("failures").await?;
        let path = receiver["status"]["webhookPath"].as_str().context("a path")?;
        self.account.done("the webhook has an address", begin)?;
        self.world.suite.notification.webhook(path)
    }

    async fn call(&self, hook: &str) -> Result<()> {
        let status = send(hook, &[], "{}").await?;
        ensure!(status == 200, "the webhook answers {status}");
        Ok(())
    }

    /// An event as a program gets it: whom it is about, and the facts.
    fn show_event(&self, event: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let about = &event["involvedObject"];
        self.account.note(&format!(
            "  POST /own  {}: {}/{}/{} {} ({})",
            text(&event["severity"]),
            text(&about["kind"]),
            text(&about["namespace"]),
            text(&about["name"]),
            text(&event["reason"]),
            text(&event["metadata"]["revision"]),
        ))
    }

    /// A message of Slack as people see it: a coloured bar, who, what, and the fields.
    fn show(&self, letter: &Value) -> Result<()> {
        let attachment = &letter["attachments"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let bar = if attachment["color"] == "danger" {
            "┃ ✗"
        } else {
            "┃ ✓"
        };
        self.account
            .note(&format!("  {bar} {}", text(&attachment["author_name"])))?;
        for line in text(&attachment["text"]).lines() {
            let short: String = line.chars().take(100).collect();
            self.account.note(&format!("  ┃   {short}"))?;
        }
        for field in attachment["fields"].as_array().into_iter().flatten() {
            self.account.note(&format!(
                "  ┃   {}: {}",
                text(&field["title"]),
                text(&field["value"])
            ))?;
        }
        Ok(())
    }
}

/// Waits for a failure at the webhook of one's own.
async fn event(sink: &Sink) -> Result<Value> {
    let found = eventually("an event arrives", LIMIT, async || {
        let mut all = sink.events("/own").into_iter();
        Ok(all.find(|event| event["severity"] == "error"))
    });
    found.await
}

/// Waits for a message of this colour that has not been there before a failure: the last one.
async fn letter(slack: &Sink, colour: &str) -> Result<Value> {
    let of = |body: &Value| body["attachments"][0]["color"] == colour;
    let found = eventually("a message arrives", LIMIT, async || {
        let all = slack.events("/services/team/channel");
        let failed = all
            .iter()
            .position(|body| body["attachments"][0]["color"] == "danger");
        Ok(failed.and_then(|at| all[at..].iter().rev().find(|body| of(body)).cloned()))
    });
    found.await
}
