//! A chart's metadata as Helm marshals it.

use crate::chart::{Dependency, Metadata};
use serde_json::{Map, Value as Json, json};

impl Metadata {
    /// The metadata as Helm marshals it: empty fields are left out.
    pub fn to_json(&self) -> Json {
        let mut map = Map::new();
        let mut put = |key: &str, value: Json| {
            let empty = match &value {
                Json::String(text) => text.is_empty(),
                Json::Array(items) => items.is_empty(),
                Json::Object(map) => map.is_empty(),
                Json::Bool(truth) => !truth,
                _ => false,
            };
            if !empty {
                map.insert(key.to_string(), value);
            }
        };
        put("name", json!(self.name));
        put("home", json!(self.home));
        put("sources", json!(self.sources));
        put("version", json!(self.version));
        put("description", json!(self.description));
        put("keywords", json!(self.keywords));
        let maintainers = self.maintainers.iter().map(|maintainer| {
            let fields = [
                ("name", &maintainer.name),
                ("email", &maintainer.email),
                ("url", &maintainer.url),
            ];
            let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
            Json::Object(
                fields
                    .map(|(key, value)| (key.to_string(), json!(value)))
                    .collect(),
            )
        });
        put("maintainers", Json::Array(maintainers.collect()));
        put("icon", json!(self.icon));
        put("apiVersion", json!(self.api_version));
        put("condition", json!(self.condition));
        put("tags", json!(self.tags));
        put("appVersion", json!(self.app_version));
        put("deprecated", json!(self.deprecated));
        let mut annotations = self.annotations.clone();
        annotations.sort();
        let annotations = annotations.into_iter().map(|(key, value)| (key, json!(value)));
        put("annotations", Json::Object(annotations.collect()));
        put("kubeVersion", json!(self.kube_version));
        let dependencies = self.dependencies.iter().map(Dependency::to_json);
        put("dependencies", Json::Array(dependencies.collect()));
        put("type", json!(self.kind));
        Json::Object(map)
    }
}

impl Dependency {
    /// The dependency as Helm marshals it.
    pub(crate) fn to_json(&self) -> Json {
        let mut map = Map::new();
        let mut put = |key: &str, value: Json, always: bool| {
            let empty = matches!(&value, Json::String(text) if text.is_empty())
                || matches!(&value, Json::Array(items) if items.is_empty())
                || value == Json::Bool(false);
            if always || !empty {
                map.insert(key.to_string(), value);
            }
        };
        put("name", json!(self.name), true);
        put("version", json!(self.version), false);
        put("repository", json!(self.repository), true);
        put("condition", json!(self.condition), false);
        put("tags", json!(self.tags), false);
        put("enabled", json!(self.enabled), false);
        put("import-values", json!(self.import_values), false);
        put("alias", json!(self.alias), false);
        Json::Object(map)
    }
}
