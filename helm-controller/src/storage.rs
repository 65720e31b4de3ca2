//! I/O: releases in Secrets, where and as Helm keeps them (driver `secret`).

use helm::release::{self, Release, SECRET_KEY, SECRET_TYPE, SYSTEM_LABELS, Status};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use std::{collections::BTreeMap, sync::Arc};
use thiserror::Error;

/// A release with the labels that users gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The release.
    pub release: Release,
    /// Labels beside Helm's own.
    pub labels: BTreeMap<String, String>,
}

/// What the labels of a stored release say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The revision.
    pub version: i64,
    /// Its status.
    pub status: Status,
    /// The version of the Secret.
    pub resource_version: String,
    /// The Secret's name.
    pub secret: String,
}

impl Entry {
    /// What the metadata of a Secret says, if it is of a release.
    pub fn of(metadata: &ObjectMeta) -> Option<Self> {
        let labels = metadata.labels.as_ref()?;
        Some(Self {
            version: labels.get("version")?.parse().ok()?,
            status: Status::parse(labels.get("status").map_or("", String::as_str)),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            secret: metadata.name.clone().unwrap_or_default(),
        })
    }
}

/// The last release in storage, as it was read or written.
#[derive(Debug, Clone)]
pub struct Last {
    /// The version of its Secret.
    pub resource_version: String,
    /// The release; of its chart, the metadata only.
    pub release: Arc<Release>,
}

impl Last {
    /// A release without the files of its chart: they are of no account here, and many releases hold many.
    pub fn new(resource_version: &str, mut release: Release) -> Self {
        let metadata = release.chart.get("metadata").cloned().unwrap_or_default();
        release.chart = serde_json::json!({"metadata": metadata});
        Self {
            resource_version: resource_version.to_owned(),
            release: Arc::new(release),
        }
    }
}

/// Why storage could not be read or written.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The API server refused or did not answer.
    #[error("{what} Secret '{namespace}/{name}'")]
    Api {
        /// What was tried.
        what: &'static str,
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name, or the selector.
        name: String,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// A name that would be another question to the API server.
    #[error(
        "query: invalid label value: {0:?}: a valid label must be at most 63 alphanumeric characters, '-', '_' or '.', and \
         must start and end with an alphanumeric character"
    )]
    Label(String),
    /// A record of that revision exists: somebody else is at work on the same release.
    #[error("release: already exists")]
    Exists,
    /// A record cannot be read, or does not fit into a Secret.
    #[error("Secret '{namespace}/{name}': {source}")]
    Record {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: String,
        /// What is wrong.
        source: helm::Error,
    },
}

/// The records of releases in one namespace, read and written in one identity's name.
#[derive(Clone)]
pub struct Storage {
    secrets: Api<Secret>,
    namespace: String,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Storage({})", self.namespace)
    }
}

impl Storage {
    /// The storage in a namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            secrets: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
        }
    }

    /// The revisions of a release, oldest first.
    ///
    /// # Errors
    /// When the API server refuses or does not answer.
    pub async fn entries(&self, name: &str) -> Result<Vec<Entry>, StorageError> {
        if !is_label(name) {
            return Err(StorageError::Label(name.to_owned()));
        }
        let selector = format!("name={name},owner=helm");
        let found = self
            .secrets
            .list_metadata(&ListParams::default().labels(&selector))
            .await;
        let found = found.map_err(|e| self.failed("list", &selector, e))?;
        let mut entries: Vec<Entry> = found
            .items
            .iter()
            .filter_map(|s| Entry::of(&s.metadata))
            .collect();
        entries.sort_by_key(|e| e.version);
        Ok(entries)
    }

    /// The newest revision of a release.
    ///
    /// # Errors
    /// As [`Storage::entries`], or when it cannot be read.
    pub async fn last(&self, name: &str) -> Result<Option<Record>, StorageError> {
        match self.entries(name).await?.last() {
            Some(entry) => self.read(&entry.secret).await,
            None => Ok(None),
        }
    }

    /// One revision of a release.
    ///
    /// # Errors
    /// When the API server refuses or does not answer, or the record cannot be read.
    pub async fn get(&self, name: &str, version: i64) -> Result<Option<Record>, StorageError> {
        self.read(&release::secret_name(name, version)).await
    }

    /// Reads the record in a Secret.
    ///
    /// # Errors
    /// As [`Storage::get`].
    pub async fn read(&self, secret: &str) -> Result<Option<Record>, StorageError> {
        let found = self.secrets.get_opt(secret).await;
        let Some(found) = found.map_err(|e| self.failed("get", secret, e))? else {
            return Ok(None);
        };
        let data = found.data.unwrap_or_default();
        let text = data.get(SECRET_KEY).map_or(&[][..], |bytes| bytes.0.as_slice());
        let mut release = release::decode(&String::from_utf8_lossy(text)).map_err(|e| self.bad(secret, e))?;
        // As Go reads JSON: the digest of values depends on it.
        release.config.values_mut().for_each(helm::values::floats);
        let mut labels = found.metadata.labels.unwrap_or_default();
        labels.retain(|key, _| !SYSTEM_LABELS.contains(&key.as_str()));
        Ok(Some(Record { release, labels }))
    }

    /// Stores a new revision; before that, forgets old ones so that at most `max` remain with it (all if 0). The newest
    /// one that is deployed is not forgotten. Gives the metadata of what was written.
    ///
    /// # Errors
    /// [`StorageError::Exists`] when somebody else made that revision; a record that does not fit; refusals.
    pub async fn create(&self, record: &Record, max: usize) -> Result<ObjectMeta, StorageError> {
        let secret = self.secret(record, Some(now()), None)?;
        // Fewer revisions than that were never made.
        if max > 0 && usize::try_from(record.release.version).is_ok_and(|v| v > max) {
            self.forget_old(&record.release.name, max - 1).await?;
        }
        match self.secrets.create(&PostParams::default(), &secret).await {
            Ok(written) => Ok(written.metadata),
            Err(kube::Error::Api(status)) if status.code == 409 => Err(StorageError::Exists),
            Err(error) => Err(self.failed("create", &name_of(&secret), error)),
        }
    }

    /// Stores a revision in the place of what is stored of it. Gives the metadata of what was written.
    ///
    /// # Errors
    /// A record that does not fit; refusals.
    pub async fn update(&self, record: &Record) -> Result<ObjectMeta, StorageError> {
        let secret = self.secret(record, None, Some(now()))?;
        let name = name_of(&secret);
        let answer = self.secrets.replace(&name, &PostParams::default(), &secret).await;
        answer
            .map(|s| s.metadata)
            .map_err(|e| self.failed("update", &name, e))
    }

    /// Forgets a revision; one that is not there is forgotten already.
    ///
    /// # Errors
    /// Refusals.
    pub async fn delete(&self, name: &str, version: i64) -> Result<(), StorageError> {
        let name = release::secret_name(name, version);
        match self.secrets.delete(&name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(self.failed("delete", &name, error)),
        }
    }

    async fn forget_old(&self, name: &str, max: usize) -> Result<(), StorageError> {
        let entries = self.entries(name).await?;
        for version in surplus(&entries, max) {
            self.delete(name, version).await?;
        }
        Ok(())
    }

    fn secret(
        &self,
        record: &Record,
        created: Option<i64>,
        modified: Option<i64>,
    ) -> Result<Secret, StorageError> {
        let release = &record.release;
        let name = release::secret_name(&release.name, release.version);
        let text = release::encode(release).map_err(|e| self.bad(&name, e))?;
        Ok(Secret {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(self.namespace.clone()),
                labels: Some(release::labels(release, &record.labels, created, modified)),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some([(SECRET_KEY.to_owned(), ByteString(text.into_bytes()))].into()),
            ..Secret::default()
        })
    }

    fn failed(&self, what: &'static str, name: &str, source: kube::Error) -> StorageError {
        StorageError::Api {
            what,
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            source: Box::new(source),
        }
    }

    fn bad(&self, name: &str, source: helm::Error) -> StorageError {
        StorageError::Record {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            source,
        }
    }
}

/// The revisions to forget, oldest first, until at most `max` are left, without the newest that is deployed.
fn surplus(entries: &[Entry], max: usize) -> Vec<i64> {
    let deployed = entries.iter().rev().find(|e| e.status == Status::Deployed);
    let deployed = deployed.map(|e| e.version);
    let old = entries.iter().map(|e| e.version).filter(|v| Some(*v) != deployed);
    old.take(entries.len().saturating_sub(max)).collect()
}

/// A label's value as Kubernetes has it.
pub fn is_label(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

fn name_of(secret: &Secret) -> String {
    secret.metadata.name.clone().unwrap_or_default()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_other_question() {
        for name in ["a", "web-1", "a.b_c", &"a".repeat(63)] {
            assert!(is_label(name), "{name}");
        }
        for name in [
            "",
            "a,b",
            "a,owner!=helm",
            "a)",
            "-a",
            "a b",
            "a/b",
            &"a".repeat(64),
        ] {
            assert!(!is_label(name), "{name}");
        }
    }

    #[test]
    fn the_newest_deployed_revision_is_kept() {
        let entries = |deployed: &[i64]| -> Vec<Entry> {
            (1..=5)
                .map(|version| Entry {
                    version,
                    status: if deployed.contains(&version) {
                        Status::Deployed
                    } else {
                        Status::Failed
                    },
                    resource_version: String::new(),
                    secret: String::new(),
                })
                .collect()
        };
        for (deployed, max, gone) in [
            (&[5_i64][..], 4, &[1_i64][..]),
            (&[1], 1, &[2, 3, 4, 5]),
            (&[1], 3, &[2, 3]),
            (&[], 5, &[]),
            (&[1, 4], 0, &[1, 2, 3, 5]),
        ] {
            assert_eq!(surplus(&entries(deployed), max), gone, "{deployed:?} {max}");
        }
    }
}
