//! PURE: may an object in one namespace refer to an object in another.

use thiserror::Error;

/// Whether references across namespaces are allowed (Flux flag `--no-cross-namespace-refs`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Access {
    /// References may not leave the namespace of the object that makes them.
    pub no_cross_namespace_refs: bool,
}

/// A reference that leaves its namespace where that is forbidden.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("can't access '{kind}/{namespace}/{name}', cross-namespace references have been blocked")]
pub struct Denied {
    kind: String,
    namespace: String,
    name: String,
}

impl Access {
    /// Allows or denies that an object in `from` refers to `kind` `name` in `namespace`.
    ///
    /// # Errors
    /// [`Denied`] when the reference crosses namespaces and that is forbidden.
    pub fn check(&self, from: &str, kind: &str, namespace: &str, name: &str) -> Result<(), Denied> {
        if !self.no_cross_namespace_refs || from == namespace {
            return Ok(());
        }
        Err(Denied {
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossing_is_denied_only_where_forbidden() {
        let open = Access::default();
        let closed = Access {
            no_cross_namespace_refs: true,
        };
        assert_eq!(open.check("a", "GitRepository", "b", "fleet"), Ok(()));
        assert_eq!(closed.check("a", "GitRepository", "a", "fleet"), Ok(()));
        let denied = closed.check("a", "GitRepository", "b", "fleet").unwrap_err();
        assert_eq!(
            denied.to_string(),
            "can't access 'GitRepository/b/fleet', cross-namespace references have been blocked"
        );
    }
}
