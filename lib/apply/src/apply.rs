//! I/O: server-side apply of one object, and what came of it.

use crate::{
    discovery::Resource,
    error::{ApplyError, Phase, failed},
    fields::Ownership,
    id::ObjectRef,
    toggles::Toggles,
    unknown,
};
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::Value;
use tracing::warn;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Created,
    /// It was different.
    Configured,
    /// It was as desired.
    Unchanged,
    /// It asks to be left alone.
    Skipped,
    /// It is gone.
    Deleted,
}

impl Change {
    /// The word in Flux's events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Deleted => "deleted",
        }
    }

    /// Whether people are told of it in the list of what was applied: it was not so before.
    pub fn is_new(self) -> bool {
        matches!(self, Self::Created | Self::Configured)
    }
}

/// What a dry run showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The version of the live object; `None` when there is none.
    pub version: Option<String>,
    /// Fields are to be taken over from others.
    pub takeover: bool,
    /// The live object asks to be left alone, or exists and shall only be created.
    pub skip: bool,
    /// The object has to be deleted first, because a field cannot be changed.
    pub recreate: bool,
}

/// Applies objects of one kind of caller: whose client, whose fields.
#[derive(Clone)]
pub struct Applier {
    /// The client of the identity that applies.
    pub client: Client,
    /// Our field manager, and whose fields we take over.
    pub ownership: Ownership,
}

impl std::fmt::Debug for Applier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Applier({:?})", self.ownership)
    }
}

impl Applier {
    /// Asks the API server what writing would do. Nothing is written.
    ///
    /// # Errors
    /// See [`ApplyError`].
    pub async fn check(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        manifest: &Value,
        force: bool,
    ) -> Result<Checked, ApplyError> {
        let asks = Toggles::of(manifest);
        match self.patch(object, resource, manifest, Phase::DryRun).await {
            Ok(answer) => {
                let version = answer
                    .pointer("/metadata/resourceVersion")
                    .and_then(Value::as_str)
                    .filter(|v| !v.is_empty());
                // The answer has the labels of both; what the manifest does not ask for, the live object does.
                let live_asks = Toggles::of(&answer);
                Ok(Checked {
                    version: version.map(str::to_owned),
                    takeover: version.is_some() && !asks.merge && self.ownership.read(&answer).foreign,
                    skip: version.is_some() && (live_asks.ignore || asks.if_not_present),
                    recreate: false,
                })
            }
            Err(error) if (force || asks.force) && error.immutable() => Ok(Checked {
                version: None,
                takeover: false,
                skip: false,
                recreate: true,
            }),
            // An object that shall be left alone is left alone, also where writing it would be refused.
            Err(error) => match self.left_alone(object, resource, asks).await {
                Some(version) => Ok(Checked {
                    version: Some(version),
                    takeover: false,
                    skip: true,
                    recreate: false,
                }),
                None => Err(error),
            },
        }
    }

    /// Writes an object and gives the live one; `takeover`: it was seen with fields of managers whose fields become ours.
    ///
    /// # Errors
    /// See [`ApplyError`].
    pub async fn write(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        manifest: &Value,
        takeover: bool,
        force: bool,
    ) -> Result<Value, ApplyError> {
        if takeover {
            self.take_over(object, resource).await?;
        }
        let asks = Toggles::of(manifest);
        let answer = match self.patch(object, resource, manifest, Phase::Apply).await {
            Err(error) if (force || asks.force) && error.immutable() => {
                return self.replace(object, resource, manifest).await;
            }
            answer => answer?,
        };
        // Someone may have edited it since it was seen last: what the answer shows would count as good for ever.
        if takeover || asks.merge || !self.ownership.read(&answer).foreign {
            return Ok(answer);
        }
        self.take_over(object, resource).await?;
        self.patch(object, resource, manifest, Phase::Apply).await
    }

    /// Deletes an object and writes its successor, if it is gone at once; most are.
    ///
    /// # Errors
    /// See [`ApplyError`]; [`ApplyError::StillThere`] if it takes its time.
    pub async fn replace(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        manifest: &Value,
    ) -> Result<Value, ApplyError> {
        let api = resource.api(self.client.clone(), &object.namespace);
        match api.delete(&object.name, &DeleteParams::background()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(failed(object, Phase::Apply, error)),
        }
        let left = api.get_metadata_opt(&object.name).await;
        match left.map_err(|e| failed(object, Phase::Apply, e))? {
            None => self.patch(object, resource, manifest, Phase::Apply).await,
            Some(_) => Err(ApplyError::StillThere {
                object: object.clone(),
            }),
        }
    }

    /// The live object, if it is there.
    ///
    /// # Errors
    /// See [`ApplyError`].
    pub async fn live(&self, object: &ObjectRef, resource: &Resource) -> Result<Option<Value>, ApplyError> {
        let api = resource.api(self.client.clone(), &object.namespace);
        let live = api.get_opt(&object.name).await;
        let live = live.map_err(|e| failed(object, Phase::DryRun, e))?;
        Ok(live.map(|live| serde_json::to_value(live).unwrap_or_default()))
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        manifest: &Value,
        phase: Phase,
    ) -> Result<Value, ApplyError> {
        if resource.namespaced && object.namespace.is_empty() {
            return Err(ApplyError::NoNamespace {
                object: object.clone(),
            });
        }
        let api = resource.api(self.client.clone(), &object.namespace);
        let params = PatchParams {
            dry_run: phase == Phase::DryRun,
            force: true,
            field_manager: Some(self.ownership.manager.into()),
            ..Default::default()
        };
        let mut lessened: Option<Value> = None;
        loop {
            let manifest = lessened.as_ref().unwrap_or(manifest);
            let answer = api.patch(&object.name, &params, &Patch::Apply(manifest)).await;
            let refused = match answer.map_err(|e| failed(object, phase, e)) {
                Ok(answer) => return Ok(serde_json::to_value(answer).unwrap_or_default()),
                Err(refused) => refused,
            };
            // A refusal names the unknown fields of one level; each round drops at least one, so this ends.
            let ApplyError::Refused { status, .. } = &refused else {
                return Err(refused);
            };
            let Some((rest, dropped)) = unknown::without(manifest, &object.group, &status.message) else {
                return Err(refused);
            };
            warn!(%object, ?dropped, "the API server knows no such fields, they are left out");
            lessened = Some(rest);
        }
    }

    async fn take_over(&self, object: &ObjectRef, resource: &Resource) -> Result<(), ApplyError> {
        let api = resource.api(self.client.clone(), &object.namespace);
        for _ in 0..3 {
            let live = self.live(object, resource).await?;
            let Some(patch) = live.and_then(|l| self.ownership.takeover(&l)) else {
                return Ok(());
            };
            let Ok(patch) = serde_json::from_value(patch) else {
                return Ok(());
            };
            let params = PatchParams {
                field_manager: Some(self.ownership.manager.into()),
                ..Default::default()
            };
            match api.patch(&object.name, &params, &Patch::Json::<()>(patch)).await {
                Ok(_) => return Ok(()),
                // Someone wrote between the read and the patch: read again.
                Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => {}
                Err(error) => return Err(failed(object, Phase::Apply, error)),
            }
        }
        // Somebody writes all the time. The apply itself still sets what is ours.
        Ok(())
    }

    /// The version of a live object that must not be written, if it is one.
    async fn left_alone(&self, object: &ObjectRef, resource: &Resource, asks: Toggles) -> Option<String> {
        if resource.namespaced && object.namespace.is_empty() {
            return None;
        }
        let live = self.live(object, resource).await.ok()??;
        let version = live.pointer("/metadata/resourceVersion")?.as_str()?.to_owned();
        (asks.if_not_present || Toggles::of(&live).ignore).then_some(version)
    }
}
