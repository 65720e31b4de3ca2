//! What an object is called: group, version, kind, name and namespace.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

/// Group, version and kind; an empty part is unknown, or matches all in a selector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Gvk {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

/// The identity of an object in a build.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    /// As written; see [`Id::effective_namespace`].
    pub(crate) namespace: String,
}

/// The namespace that cluster-scoped objects share, a name no namespace can have.
const NO_NAMESPACE: &str = "_non_namespaceable_";

impl Gvk {
    /// Splits `apiVersion`; without a slash the group is empty.
    pub(crate) fn new(api_version: &str, kind: &str) -> Gvk {
        let (group, version) = split_api_version(api_version);
        Gvk {
            group: group.to_string(),
            version: version.to_string(),
            kind: kind.to_string(),
        }
    }

    /// True if every part that `selector` names is the same here.
    pub(crate) fn is_selected(&self, selector: &Gvk) -> bool {
        let part = |want: &str, have: &str| want.is_empty() || want == have;
        part(&selector.group, &self.group)
            && part(&selector.version, &self.version)
            && part(&selector.kind, &self.kind)
    }

    /// True only for kinds known to have no namespace; unknown kinds count as namespaced.
    pub(crate) fn is_cluster_scoped(&self) -> bool {
        SCOPES
            .get(self.kind.as_str())
            .is_some_and(|versions| versions.contains(&(&self.group, &self.version)))
    }
}

impl Id {
    /// The namespace that identity compares: `default` for none, a common one for cluster-scoped kinds.
    pub(crate) fn effective_namespace(&self) -> &str {
        if self.gvk.is_cluster_scoped() {
            NO_NAMESPACE
        } else if self.namespace.is_empty() {
            "default"
        } else {
            &self.namespace
        }
    }

    /// The identity with the namespace that counts, for use as a key.
    pub(crate) fn key(&self) -> Id {
        Id {
            namespace: self.effective_namespace().to_string(),
            ..self.clone()
        }
    }
}

impl fmt::Display for Gvk {
    /// `Kind.version.group`, as kustomize prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &'_ str, none: &'static str| {
            if text.is_empty() {
                none.to_string()
            } else {
                text.to_string()
            }
        };
        let (kind, version, group) = (
            or(&self.kind, "[noKind]"),
            or(&self.version, "[noVer]"),
            or(&self.group, "[noGrp]"),
        );
        write!(f, "{kind}.{version}.{group}")
    }
}

impl fmt::Display for Id {
    /// `Kind.version.group/name.namespace`, as kustomize prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() {
            "[noName]"
        } else {
            &self.name
        };
        let namespace = if self.namespace.is_empty() {
            "[noNs]"
        } else {
            &self.namespace
        };
        write!(f, "{}/{name}.{namespace}", self.gvk)
    }
}

/// Group and version of an `apiVersion`.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// True for the kinds of which kustomize knows the scope without a schema.
pub(crate) fn is_well_known(api_version: &str, kind: &str) -> bool {
    WELL_KNOWN.contains(&(api_version, kind))
}

static WELL_KNOWN: LazyLock<HashSet<(&str, &str)>> = LazyLock::new(|| {
    let lines = include_str!("data/scopes.tsv").lines();
    let fields = lines.filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (api_version, rest) = line.split_once('\t')?;
        Some((api_version, rest.split_once('\t')?.0))
    });
    fields.collect()
});

/// Kind to the groups and versions in which it is cluster-scoped.
static SCOPES: LazyLock<HashMap<&str, Vec<(&str, &str)>>> = LazyLock::new(|| {
    let mut scopes: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for line in include_str!("data/scopes.tsv").lines() {
        if let [api_version, kind, "cluster"] = line.split('\t').collect::<Vec<_>>()[..] {
            scopes
                .entry(kind)
                .or_default()
                .push(split_api_version(api_version));
        }
    }
    scopes
});
