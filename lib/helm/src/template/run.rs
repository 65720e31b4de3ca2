//! What all templates of one rendering share: the set of templates, the budgets, and what is handed in.

use super::ast::{Tree, is_empty};
use super::error::Fault;
use super::value::{Map, Value, weigh};
use crate::environment::Environment;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

/// What a rendering may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Evaluated nodes and elements that functions went through.
    pub steps: u64,
    /// Bytes of all text that was made on the way.
    pub bytes: u64,
    /// Templates inside templates.
    pub depth: usize,
}

impl Default for Limits {
    /// 100 million steps, 1 GiB of text, 4000 templates deep.
    fn default() -> Self {
        Limits {
            steps: 100_000_000,
            bytes: 1 << 30,
            depth: 4_000,
        }
    }
}

/// Named templates; what `tpl` defines is seen only inside it.
pub(crate) struct Set {
    outer: Option<Rc<Set>>,
    own: RefCell<HashMap<Rc<str>, Rc<Tree>>>,
}

/// The state of a rendering.
pub(crate) struct Run<'e> {
    pub environment: &'e dyn Environment,
    pub lint: bool,
    pub strict: bool,
    /// The name of the variable that every template begins with.
    pub dollar: Rc<str>,
    limits: Limits,
    steps: u64,
    bytes: u64,
    pub depth: usize,
    /// How many `include`s of a name are running.
    pub included: HashMap<String, u32>,
    /// Texts that `tpl` parsed.
    pub parsed: HashMap<Rc<str>, Vec<Rc<Tree>>>,
    pub regexes: HashMap<String, Rc<regex::bytes::Regex>>,
    /// Maps that were changed and so may hold themselves.
    changed: Vec<Weak<Map>>,
}

impl Set {
    pub fn new(outer: Option<Rc<Set>>) -> Rc<Set> {
        Rc::new(Set {
            outer,
            own: RefCell::new(HashMap::new()),
        })
    }

    pub fn get(&self, name: &str) -> Option<Rc<Tree>> {
        match self.own.borrow().get(name) {
            Some(tree) => Some(tree.clone()),
            None => self.outer.as_ref()?.get(name),
        }
    }

    /// Adds a template; an empty one does not replace another.
    pub fn add(&self, tree: Rc<Tree>) {
        if is_empty(&tree.root) && self.get(&tree.name).is_some() {
            return;
        }
        self.own.borrow_mut().insert(tree.name.clone(), tree);
    }
}

impl<'e> Run<'e> {
    pub fn new(environment: &'e dyn Environment, limits: Limits) -> Run<'e> {
        Run {
            environment,
            lint: false,
            strict: false,
            dollar: "$".into(),
            limits,
            steps: 0,
            bytes: 0,
            depth: 0,
            included: HashMap::new(),
            parsed: HashMap::new(),
            regexes: HashMap::new(),
            changed: Vec::new(),
        }
    }

    /// Counts work.
    pub fn step(&mut self, count: usize) -> Result<(), Fault> {
        self.steps += count as u64;
        if self.steps > self.limits.steps {
            return Err(Fault::Limit(format!(
                "rendering takes more than {} steps",
                self.limits.steps
            )));
        }
        Ok(())
    }

    /// Counts bytes before they are made.
    pub fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > self.limits.bytes {
            return Err(Fault::Limit(format!(
                "rendering makes more than {} bytes of text",
                self.limits.bytes
            )));
        }
        Ok(())
    }

    /// Counts all that is in a value, before it is gone through.
    pub fn walk(&mut self, value: &Value) -> Result<(), Fault> {
        let left = usize::try_from(self.limits.steps.saturating_sub(self.steps)).unwrap_or(usize::MAX);
        self.step(weigh::nodes(value, left))
    }

    /// Counts the bytes of a value that was made.
    pub fn made(&mut self, value: &Value) -> Result<(), Fault> {
        let left = usize::try_from(self.limits.bytes.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        self.spend(weigh::bytes(value, left))
    }

    /// Goes one template deeper; the caller comes back by lowering `depth`.
    pub fn enter(&mut self) -> Result<(), Fault> {
        if self.depth >= self.limits.depth {
            return Err(Fault::Limit(format!(
                "templates are nested deeper than {}",
                self.limits.depth
            )));
        }
        self.depth += 1;
        Ok(())
    }

    /// Notes a map that is being changed, so that one that holds itself does not stay in memory for ever.
    pub fn changed(&mut self, map: &Rc<Map>) {
        if self
            .changed
            .last()
            .is_none_or(|last| !std::ptr::eq(last.as_ptr(), Rc::as_ptr(map)))
        {
            self.changed.push(Rc::downgrade(map));
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        for map in self.changed.drain(..).filter_map(|map| map.upgrade()) {
            let entries = std::mem::take(&mut *map.entries.borrow_mut());
            drop(entries);
        }
    }
}
