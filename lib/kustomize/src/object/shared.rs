//! Labels and annotations that kustomize holds once for several places of an object.
//!
//! It sets a label with one node for all the places that had none. Whatever later changes the label at one of them, a
//! patch, a replacement or another label, changes it at all, and so a selector can follow a label that nobody meant to
//! be selected by. [`Shared`] remembers the places, and [`Object::spread`] lets the others follow.

use super::Object;
use crate::fieldspec::Part;
use yaml::{Node, Scalar};

/// Places with one value.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// The value as it was when last looked at.
    value: Scalar,
    /// The steps that lead there.
    places: Vec<Place>,
}

/// The steps that lead from an object to one of its nodes.
pub(crate) type Place = Vec<Step>;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into the field of a map.
    Field(String),
    /// Into the item of a list.
    Item(usize),
}

impl Object {
    /// From now on the scalars at these places are one.
    pub(crate) fn share(&mut self, places: Vec<Place>) {
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
                let begins = known.iter().zip(place).all(|(step, name)| step.is_field(name));
                known.len() < place.len() || !begins
            });
        }
    }

    /// A patch that names a list may move its items: what is in it is shared no more.
    pub(crate) fn unshare_lists_of(&mut self, patch: &Node) {
        for shared in &mut self.shared {
            shared.places.retain(|place| {
                let list = place.iter().position(|step| matches!(step, Step::Item(_)));
                list.is_none_or(|list| node(patch, &place[..list]).is_none())
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
                // How a value is written may change without anybody's having meant it.
                .rfind(|value| (&value.text, value.tag) != (&shared.value.text, shared.value.tag));
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

impl Step {
    fn is_field(&self, name: &str) -> bool {
        matches!(self, Self::Field(field) if field == name)
    }
}

/// Where the fields named `key` are or would be, in each of the maps that `parts` lead to.
pub(crate) fn places(root: &Node, parts: &[Part], key: &str) -> Vec<Place> {
    let mut places = vec![Place::new()];
    for part in parts {
        places = into_items(root, places);
        for place in &mut places {
            place.push(Step::Field(part.name.clone()));
        }
    }
    places = into_items(root, places);
    for place in &mut places {
        place.push(Step::Field(key.to_owned()));
    }
    places
}

/// Each place that is a list becomes its items, as often as need be.
fn into_items(root: &Node, places: Vec<Place>) -> Vec<Place> {
    let mut all = Vec::new();
    for place in places {
        match node(root, &place) {
            Some(Node::Seq(items)) => {
                let items = (0..items.len()).map(|at| {
                    let mut item = place.clone();
                    item.push(Step::Item(at));
                    item
                });
                all.extend(into_items(root, items.collect()));
            }
            Some(Node::Scalar(_) | Node::Map(_)) | None => all.push(place),
        }
    }
    all
}

/// The node at a place.
pub(crate) fn node<'n>(root: &'n Node, place: &[Step]) -> Option<&'n Node> {
    place.iter().try_fold(root, |node, step| match step {
        Step::Field(name) => node.get(name),
        Step::Item(at) => node.as_seq()?.get(*at),
    })
}

fn scalar<'n>(root: &'n Node, place: &[Step]) -> Option<&'n Scalar> {
    node(root, place)?.as_scalar()
}

fn scalar_mut<'n>(root: &'n mut Node, place: &[Step]) -> Option<&'n mut Scalar> {
    let found = place.iter().try_fold(root, |node, step| match (node, step) {
        (node, Step::Field(name)) => node.get_mut(name),
        (Node::Seq(items), Step::Item(at)) => items.get_mut(*at),
        (Node::Scalar(_) | Node::Map(_), Step::Item(_)) => None,
    });
    match found? {
        Node::Scalar(scalar) => Some(scalar),
        Node::Map(_) | Node::Seq(_) => None,
    }
}
