//! Labels and annotations that kustomize holds once for several places of an object.
//!
//! It sets a label with one node for all the places that had none. Whatever later changes the label at one of them, a
//! patch, a replacement or another label, changes it at all, and so a selector can follow a label that nobody meant to
//! be selected by. [`Shared`] remembers the places, and [`Object::spread`] lets the others follow.

use super::Object;
use yaml::{Node, Scalar};

/// Places with one value.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// The value as it was when last looked at.
    value: Scalar,
    /// Keys of maps that lead there.
    places: Vec<Vec<String>>,
}

impl Object {
    /// From now on the scalars at these places are one.
    pub(crate) fn share(&mut self, places: Vec<Vec<String>>) {
        let places: Vec<_> = places
            .into_iter()
            .filter(|place| scalar(&self.node, place).is_some())
            .collect();
        let first = places.first().and_then(|place| scalar(&self.node, place));
        if let Some(value) = first.cloned().filter(|_| places.len() > 1) {
            self.shared.push(Shared { value, places });
        }
    }

    /// The map at `place` is made anew: what is in it is shared no more.
    pub(crate) fn unshare(&mut self, place: &[&str]) {
        for shared in &mut self.shared {
            shared.places.retain(|known| {
                !known
                    .iter()
                    .map(String::as_str)
                    .take(place.len())
                    .eq(place.iter().copied())
            });
        }
    }

    /// Brings what was changed at one place to those it is shared with.
    pub(crate) fn spread(&mut self) {
        if self.shared.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.shared);
        for shared in &mut all {
            shared.places.retain(|place| scalar(&self.node, place).is_some());
            let changed = shared
                .places
                .iter()
                .filter_map(|place| scalar(&self.node, place))
                .rfind(|value| **value != shared.value);
            let Some(value) = changed.cloned() else {
                continue;
            };
            for place in &shared.places {
                if let Some(old) = scalar_mut(&mut self.node, place) {
                    old.clone_from(&value);
                }
            }
            shared.value = value;
        }
        all.retain(|shared| shared.places.len() > 1);
        self.shared = all;
    }
}

fn scalar<'n>(node: &'n Node, place: &[String]) -> Option<&'n Scalar> {
    place
        .iter()
        .try_fold(node, |node, key| node.get(key))?
        .as_scalar()
}

fn scalar_mut<'n>(node: &'n mut Node, place: &[String]) -> Option<&'n mut Scalar> {
    match place.iter().try_fold(node, |node, key| node.get_mut(key))? {
        Node::Scalar(scalar) => Some(scalar),
        Node::Map(_) | Node::Seq(_) => None,
    }
}
