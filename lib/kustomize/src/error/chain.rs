//! What is done with errors: printed link by link, given a context, asked what they are.

use super::Error;

impl Error {
    /// All links of the chain, from what was being done to what went wrong, as kustomize prints them.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    /// True if the build asked for a path above the root of its tree.
    pub fn leaves_tree(&self) -> bool {
        match self {
            Error::LeavesTree { .. } => true,
            Error::While { cause, .. } => cause.leaves_tree(),
            Error::NeitherFileNorBase { as_file, as_base } => as_file.leaves_tree() || as_base.leaves_tree(),
            _ => false,
        }
    }

    /// Says of what was wrong in a kustomization that it stands in another file.
    pub(crate) fn decoding(self) -> Error {
        match self {
            Error::KustomizationField { problem } => Error::Decode { problem },
            Error::KustomizationYaml { cause } => Error::NotYaml { cause },
            other => other,
        }
    }

    /// True if what a kustomization file says is wrong, and the words do not say which file it is.
    pub(crate) fn is_about_kustomization(&self) -> bool {
        matches!(
            self,
            Error::KustomizationField { .. } | Error::KustomizationYaml { .. }
        )
    }

    /// Adds what was being done.
    pub(crate) fn during(self, context: impl Into<String>) -> Error {
        Error::While {
            context: context.into(),
            cause: Box::new(self),
        }
    }

    /// Names the file that malformed YAML stands in.
    pub(crate) fn in_file(self, path: &str) -> Error {
        match self {
            Error::Malformed { cause, .. } => Error::Malformed {
                file: Some(path.to_string()),
                cause,
            },
            other => other,
        }
    }

    /// True if the resource is YAML that cannot be read, so that it was surely meant as a file.
    pub(crate) fn is_malformed(&self) -> bool {
        match self {
            Error::Malformed { .. } => true,
            Error::While { cause, .. } => cause.is_malformed(),
            _ => false,
        }
    }
}
