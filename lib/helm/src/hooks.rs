//! Hooks: objects that are created at events of a release's life, by their annotations.

use crate::funcs::strings::trim_space;
use crate::manifest::Head;

/// An event that a hook runs at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "Helm's events, by their names")]
pub enum Event {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
}

/// A rendered hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its `metadata.name`.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The template that it comes from.
    pub path: String,
    /// Its text, as rendered.
    pub manifest: String,
    /// When it runs.
    pub events: Vec<Event>,
    /// Lower ones run first.
    pub weight: i64,
    /// When it is deleted: `before-hook-creation`, `hook-succeeded`, `hook-failed`.
    pub delete_policies: Vec<String>,
    /// When its log is kept: `hook-succeeded`, `hook-failed`.
    pub output_log_policies: Vec<String>,
}

const ANNOTATION: &str = "helm.sh/hook";

impl Event {
    /// The event of a name in lower case.
    pub fn parse(name: &str) -> Option<Event> {
        Some(match name {
            "pre-install" => Event::PreInstall,
            "post-install" => Event::PostInstall,
            "pre-delete" => Event::PreDelete,
            "post-delete" => Event::PostDelete,
            "pre-upgrade" => Event::PreUpgrade,
            "post-upgrade" => Event::PostUpgrade,
            "pre-rollback" => Event::PreRollback,
            "post-rollback" => Event::PostRollback,
            "test" | "test-success" => Event::Test,
            _ => return None,
        })
    }

    /// The name in a release record.
    pub fn name(self) -> &'static str {
        match self {
            Event::PreInstall => "pre-install",
            Event::PostInstall => "post-install",
            Event::PreDelete => "pre-delete",
            Event::PostDelete => "post-delete",
            Event::PreUpgrade => "pre-upgrade",
            Event::PostUpgrade => "post-upgrade",
            Event::PreRollback => "pre-rollback",
            Event::PostRollback => "post-rollback",
            Event::Test => "test",
        }
    }
}

impl Hook {
    /// The hook that an object is: none if it is none, `Some(None)` if one of its events is unknown.
    pub(crate) fn of(path: &str, manifest: &str, head: &Head) -> Option<Option<Hook>> {
        let events = head.annotations.get(ANNOTATION)?;
        let events: Option<Vec<Event>> = events
            .split(',')
            .map(|event| Event::parse(&trim_space(event).to_lowercase()))
            .collect();
        let Some(events) = events else {
            return Some(None);
        };
        let list = |annotation: &str| match head.annotations.get(annotation) {
            None => Vec::new(),
            Some(text) => text
                .split(',')
                .map(|policy| trim_space(policy).to_lowercase())
                .collect(),
        };
        let weight = head.annotations.get("helm.sh/hook-weight");
        let weight = weight.map_or(0, |text| {
            text.strip_prefix('+').unwrap_or(text).parse().unwrap_or(0)
        });
        Some(Some(Hook {
            name: head.name.clone(),
            kind: head.kind.clone(),
            path: path.to_string(),
            manifest: manifest.to_string(),
            events,
            weight,
            delete_policies: list("helm.sh/hook-delete-policy"),
            output_log_policies: list("helm.sh/hook-output-log-policy"),
        }))
    }
}

/// True if `helm.sh/resource-policy` says that an object outlives its release.
pub fn is_kept(policy: &str) -> bool {
    trim_space(policy).eq_ignore_ascii_case("keep")
}
