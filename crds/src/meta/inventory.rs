//! What was applied: the objects by name, in the compact form of the status of appliers.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The objects that were applied, in the order of application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// One entry an object.
    pub entries: Vec<InventoryEntry>,
}

/// One applied object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct InventoryEntry {
    /// The object's name, as `<namespace>_<name>_<group>_<kind>`.
    pub id: String,
    /// The version of the API that the object was applied with, without its group.
    pub v: String,
}

/// The name of an object in a cluster, whatever the version of its API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// The namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
}

impl ObjectId {
    /// Whether the object is of a kind whose names may hold colons, which are stored as two underscores.
    fn names_hold_colons(&self) -> bool {
        self.group == "rbac.authorization.k8s.io"
            && matches!(
                self.kind.as_str(),
                "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding"
            )
    }
}

impl fmt::Display for ObjectId {
    /// Prints the form in which an inventory stores it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            name,
            group,
            kind,
        } = self;
        if self.names_hold_colons() {
            write!(f, "{namespace}_{}_{group}_{kind}", name.replace(':', "__"))
        } else {
            write!(f, "{namespace}_{name}_{group}_{kind}")
        }
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    /// Reads what an inventory stores.
    ///
    /// Of the four parts only the name may hold an underscore, so kind and group are taken from the right and
    /// the namespace from the left. The name of an RBAC object that really has two underscores in a row cannot be
    /// told from one with a colon; the colon is assumed, as Flux does.
    fn from_str(text: &str) -> Result<Self, ObjectIdError> {
        let malformed = || ObjectIdError::Parts(text.to_owned());
        let (rest, kind) = text.rsplit_once('_').ok_or_else(malformed)?;
        let (rest, group) = rest.rsplit_once('_').ok_or_else(malformed)?;
        let (namespace, name) = rest.split_once('_').ok_or_else(malformed)?;
        if name.is_empty() {
            return Err(ObjectIdError::Name(text.to_owned()));
        }
        if kind.is_empty() {
            return Err(ObjectIdError::Kind(text.to_owned()));
        }
        let mut id = Self {
            namespace: namespace.into(),
            name: name.into(),
            group: group.into(),
            kind: kind.into(),
        };
        if id.names_hold_colons() {
            id.name = id.name.replace("__", ":");
        }
        Ok(id)
    }
}

/// Why a text does not name an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectIdError {
    /// There are fewer than four parts.
    #[error("inventory id '{0}' is not of the form namespace_name_group_kind")]
    Parts(String),
    /// The name is empty.
    #[error("inventory id '{0}' has no name")]
    Name(String),
    /// The kind is empty.
    #[error("inventory id '{0}' has no kind")]
    Kind(String),
}
