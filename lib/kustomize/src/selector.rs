//! Which objects an entry is about: anchored patterns for ids, Kubernetes selectors for labels and annotations.

use crate::Error;
use crate::id::Id;
use crate::kustomization::Selector;
use crate::object::Object;
use select::{LabelSelector, Pattern};

/// A selector ready to be asked.
pub(crate) struct Matcher {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: LabelSelector,
    annotations: LabelSelector,
}

impl Matcher {
    /// # Errors
    /// A pattern that is no regular expression, a selector that cannot be read.
    pub(crate) fn new(selector: &Selector) -> Result<Matcher, Error> {
        Ok(Matcher {
            group: pattern(&selector.group)?,
            version: pattern(&selector.version)?,
            kind: pattern(&selector.kind)?,
            name: pattern(&selector.name)?,
            namespace: pattern(&selector.namespace)?,
            labels: parse(&selector.label_selector)?,
            annotations: parse(&selector.annotation_selector)?,
        })
    }

    /// True if the object is meant: name and namespace of now or of the beginning, the kind of now.
    pub(crate) fn selects(&self, object: &Object) -> bool {
        let (now, first) = (object.id(), object.original_id());
        let either = |pattern: &Pattern, part: fn(&Id) -> &str| {
            pattern.matches(part(&now)) || pattern.matches(part(&first))
        };
        either(&self.namespace, Id::effective_namespace)
            && either(&self.name, |id| &id.name)
            && self.group.matches(&now.gvk.group)
            && self.version.matches(&now.gvk.version)
            && self.kind.matches(&now.gvk.kind)
            && self.selects_metadata(object)
    }

    /// True if the id as it stands is meant; no namespace is not `default` here.
    pub(crate) fn selects_id(&self, id: &Id) -> bool {
        self.group.matches(&id.gvk.group)
            && self.version.matches(&id.gvk.version)
            && self.kind.matches(&id.gvk.kind)
            && self.name.matches(&id.name)
            && self.namespace.matches(&id.namespace)
    }

    /// True if labels and annotations are as asked.
    pub(crate) fn selects_metadata(&self, object: &Object) -> bool {
        let all = |selector: &LabelSelector, field: &str| {
            selector.selects(|wanted| {
                let mut entries = object.strings(field);
                entries.find(|(key, _)| *key == wanted).map(|(_, value)| value)
            })
        };
        all(&self.labels, "labels") && all(&self.annotations, "annotations")
    }
}

/// A pattern for the whole text; an empty one matches all.
fn pattern(text: &str) -> Result<Pattern, Error> {
    Pattern::new(text).map_err(|e| Error::Pattern {
        pattern: e.pattern,
        problem: e.problem,
    })
}

/// A selector for labels or annotations.
fn parse(selector: &str) -> Result<LabelSelector, Error> {
    LabelSelector::parse(selector).map_err(|e| Error::Selector {
        selector: e.selector,
        problem: e.problem,
    })
}
