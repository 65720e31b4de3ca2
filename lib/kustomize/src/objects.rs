//! The ordered set of objects that a build works on.

use crate::Error;
use crate::id::Id;
use crate::object::{Behavior, Object};
use crate::origin;
use std::collections::{HashMap, HashSet};

/// Most objects of a build.
const MAX_OBJECTS: usize = 200_000;

/// Objects in order; no two have the same current id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    list: Vec<Object>,
    /// Current ids; stale after a transformer has had the list, and then built again.
    ids: Option<HashMap<Id, usize>>,
}

impl Objects {
    pub(crate) fn list(&self) -> &[Object] {
        &self.list
    }

    /// The list to be changed; what is looked up by id afterwards is found by the new ids.
    pub(crate) fn list_mut(&mut self) -> &mut Vec<Object> {
        self.ids = None;
        &mut self.list
    }

    pub(crate) fn into_list(self) -> Vec<Object> {
        self.list
    }

    /// Adds an object.
    ///
    /// # Errors
    /// The id is taken.
    pub(crate) fn append(&mut self, object: Object) -> Result<(), Error> {
        let key = object.id().key();
        let at = self.list.len();
        if at >= MAX_OBJECTS {
            return Err(Error::TooMany {
                what: "objects",
                limit: MAX_OBJECTS,
            });
        }
        let ids = self.ids.get_or_insert_with(|| index(&self.list));
        if ids.contains_key(&key) {
            return Err(Error::IdTaken {
                id: object.id().to_string(),
            });
        }
        ids.insert(key, at);
        self.list.push(object);
        Ok(())
    }

    /// Adds objects in order.
    ///
    /// # Errors
    /// As [`Objects::append`].
    pub(crate) fn append_all(&mut self, objects: impl IntoIterator<Item = Object>) -> Result<(), Error> {
        objects.into_iter().try_for_each(|object| self.append(object))
    }

    /// Checks that no two objects have the same id after a change.
    ///
    /// # Errors
    /// The second of two.
    pub(crate) fn check_ids(&self) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(self.list.len());
        match self.list.iter().find(|object| !seen.insert(object.id().key())) {
            Some(object) => Err(Error::IdTaken {
                id: object.id().to_string(),
            }),
            None => Ok(()),
        }
    }

    /// Takes in a generated object: a new one is added, an existing one merged or replaced as it wants.
    ///
    /// # Errors
    /// It exists and may not, does not exist and must, or several could be meant.
    pub(crate) fn absorb(&mut self, mut object: Object) -> Result<(), Error> {
        let id = object.id();
        let found = self.find_any(&id);
        let merges = matches!(object.behavior, Behavior::Merge | Behavior::Replace);
        match found[..] {
            [] if merges => Err(Error::NothingToMerge { id: id.to_string() }),
            [] => self.append(object),
            [_] if !merges => {
                let behavior = if object.behavior == Behavior::Create {
                    "create"
                } else {
                    "unspecified"
                };
                Err(Error::AlreadyGenerated {
                    id: id.to_string(),
                    behavior,
                })
            }
            [at] => {
                let old = &self.list[at];
                object.take_identity_of(old);
                if object.behavior == Behavior::Merge {
                    object.merge_data_of(old);
                    origin::keep(&mut object, old);
                }
                object.behavior = old.behavior;
                self.list_mut()[at] = object;
                Ok(())
            }
            [..] => {
                let found = found
                    .iter()
                    .map(|&at| self.list[at].id().to_string())
                    .collect::<Vec<_>>()
                    .join(" ");
                Err(Error::MergeAmbiguous {
                    id: id.to_string(),
                    found,
                })
            }
        }
    }

    /// Where the objects are that have or had this id.
    pub(crate) fn find_any(&self, id: &Id) -> Vec<usize> {
        let key = id.key();
        let has = |object: &Object| {
            let names = object.past.iter().map(|past| past.name.as_str());
            names.chain([object.name()]).any(|name| name == key.name)
                && object.all_ids().any(|id| id.key() == key)
        };
        (0..self.list.len()).filter(|&at| has(&self.list[at])).collect()
    }
}

fn index(list: &[Object]) -> HashMap<Id, usize> {
    list.iter()
        .enumerate()
        .map(|(at, object)| (object.id().key(), at))
        .collect()
}
