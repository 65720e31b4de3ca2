//! PURE: the name of an object of any kind.

use crds::meta::ObjectId;
use serde_json::Value;
use thiserror::Error;

/// Group, version, kind, namespace and name of an object. A cluster-scoped object has an empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// API group; empty for the core group.
    pub group: String,
    /// API version within the group.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A manifest that does not name an object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Nameless {
    /// A part of the name is not there.
    #[error("an object without {missing}: {hint}")]
    Missing {
        /// The part.
        missing: &'static str,
        /// The beginning of the manifest.
        hint: String,
    },
    /// A part of the name would be another path at the API server.
    #[error("{field} {value:?} may not hold '/', '%', '?' or '#', nor be '.' or '..': {hint}")]
    Elsewhere {
        /// The part.
        field: &'static str,
        /// What it holds.
        value: String,
        /// The beginning of the manifest.
        hint: String,
    },
}

impl ObjectRef {
    /// The name of the object in a manifest.
    ///
    /// # Errors
    /// [`Nameless`] when `apiVersion`, `kind` or `metadata.name` is missing, or one of them cannot be asked for.
    pub fn of(object: &Value) -> Result<Self, Nameless> {
        let text = |path: &str| {
            object
                .pointer(path)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
        };
        let missing = |missing| Nameless::Missing {
            missing,
            hint: hint(object),
        };
        let api_version = text("/apiVersion").ok_or_else(|| missing("apiVersion"))?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let named = Self {
            group: group.into(),
            version: version.into(),
            kind: text("/kind").ok_or_else(|| missing("kind"))?.into(),
            namespace: text("/metadata/namespace").unwrap_or_default().into(),
            name: text("/metadata/name")
                .ok_or_else(|| missing("metadata.name"))?
                .into(),
        };
        match named.elsewhere() {
            None => Ok(named),
            Some((field, value)) => Err(Nameless::Elsewhere {
                field,
                value: value.into(),
                hint: hint(object),
            }),
        }
    }

    /// The part of the name that would lead a request to another object. Kubernetes allows no such names, but whoever
    /// puts them into a path asks before it is told so. (`client-go` has the same rule for the parts of a path.)
    pub fn elsewhere(&self) -> Option<(&'static str, &str)> {
        let parts = [
            ("apiVersion", self.group.as_str()),
            ("apiVersion", &self.version),
            ("metadata.namespace", &self.namespace),
            ("metadata.name", &self.name),
        ];
        let leads = |part: &str| matches!(part, "." | "..") || part.contains(['/', '%', '?', '#', '\\']);
        parts.into_iter().find(|(_, part)| leads(part))
    }

    /// The `apiVersion` of a manifest of this object.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The name without the version, as an inventory holds it.
    pub fn id(&self) -> ObjectId {
        ObjectId {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            group: self.group.clone(),
            kind: self.kind.clone(),
        }
    }

    /// The object that an inventory entry names.
    pub fn from_entry(id: ObjectId, version: &str) -> Self {
        Self {
            group: id.group,
            version: version.into(),
            kind: id.kind,
            namespace: id.namespace,
            name: id.name,
        }
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.kind, self.name)
        } else {
            write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// The beginning of a manifest, so that its author finds it; never the data of a Secret.
fn hint(object: &Value) -> String {
    let part = |path: &str| {
        object
            .pointer(path)
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    format!(
        "apiVersion {}, kind {}, name {}",
        part("/apiVersion"),
        part("/kind"),
        part("/metadata/name")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_read_and_printed() {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "a:b", "namespace": "n"}});
        let role = ObjectRef::of(&role).unwrap();
        assert_eq!(role.to_string(), "Role/n/a:b");
        assert_eq!(role.id().to_string(), "n_a__b_rbac.authorization.k8s.io_Role");
        assert_eq!(ObjectRef::from_entry(role.id(), "v1"), role);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
        assert_eq!(ObjectRef::of(&namespace).unwrap().to_string(), "Namespace/n");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for (api_version, namespace, name) in [
            ("v1", "n", "../../other/secrets/a"),
            ("v1", "n", ".."),
            ("v1", "n", "a/status"),
            ("v1", "n", "a?fieldManager=x"),
            ("v1", "n", "a#b"),
            ("v1", "n", "%2e%2e"),
            ("v1", "../x", "a"),
            ("..", "n", "a"),
            ("../api/v1", "n", "a"),
            ("apps/v1/../x", "n", "a"),
        ] {
            let object = json!({"apiVersion": api_version, "kind": "Secret", "metadata": {"namespace": namespace, "name": name}});
            let error = ObjectRef::of(&object).unwrap_err().to_string();
            assert!(error.contains("may not hold '/'"), "{object}: {error}");
        }
    }

    #[test]
    fn nameless_objects_are_described_without_their_data() {
        let error = ObjectRef::of(&json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "c2VjcmV0"}}))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "an object without metadata.name: apiVersion \"v1\", kind \"Secret\", name -"
        );
    }
}
