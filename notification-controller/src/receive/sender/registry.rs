//! Registries that prove nothing: Docker Hub, Quay and Azure Container Registry. Their requests have to look like theirs;
//! who sends them is vouched for by the path alone.

use super::{Accepted, Refused, Request};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct DockerHub {
    #[serde(default, rename = "push_data")]
    _push: Option<Push>,
    #[serde(default, rename = "repository")]
    _repository: Option<HubRepository>,
}

#[derive(Deserialize)]
struct Push {
    #[serde(default, rename = "tag")]
    _tag: Option<String>,
}

#[derive(Deserialize)]
struct HubRepository {
    #[serde(default, rename = "repo_url")]
    _url: Option<String>,
}

#[derive(Deserialize)]
struct Quay {
    #[serde(default, rename = "docker_url")]
    _url: Option<String>,
    #[serde(default, rename = "updated_tags")]
    _tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Acr {
    #[serde(default, rename = "action")]
    _action: Option<String>,
    #[serde(default, rename = "target")]
    _target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default, rename = "repository")]
    _repository: Option<String>,
    #[serde(default, rename = "tag")]
    _tag: Option<String>,
}

/// Docker Hub (Docker, "Docker Hub webhooks").
pub fn docker_hub(request: Request<'_>) -> Result<Accepted, Refused> {
    looks_like::<DockerHub>(request, "Docker Hub")
}

/// Quay (Quay, "Repository notifications", repository push).
pub fn quay(request: Request<'_>) -> Result<Accepted, Refused> {
    looks_like::<Quay>(request, "Quay")
}

/// Azure Container Registry (Azure, "webhook schema reference").
pub fn acr(request: Request<'_>) -> Result<Accepted, Refused> {
    looks_like::<Acr>(request, "Azure Container Registry")
}

fn looks_like<T: DeserializeOwned>(request: Request<'_>, whose: &str) -> Result<Accepted, Refused> {
    serde_json::from_slice::<T>(request.body)
        .map(|_| Accepted::plain())
        .map_err(|error| Refused(format!("the body is none of {whose}: {error}")))
}
