//! PURE: who depends on whom, and whether dependencies form a circle.

use crate::Key;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Edges from objects to what they refer to, readable in both directions.
#[derive(Debug, Clone)]
pub struct Graph<T = Key> {
    refers_to: HashMap<Key, BTreeSet<T>>,
    referrers: HashMap<T, BTreeSet<Key>>,
}

impl<T> Default for Graph<T> {
    fn default() -> Self {
        Self {
            refers_to: HashMap::new(),
            referrers: HashMap::new(),
        }
    }
}

impl<T: Clone + Ord + std::hash::Hash> Graph<T> {
    /// Replaces what an object refers to; an empty set forgets the object.
    pub fn set(&mut self, key: &Key, targets: BTreeSet<T>) {
        for old in self.refers_to.remove(key).unwrap_or_default() {
            if let Some(referrers) = self.referrers.get_mut(&old) {
                referrers.remove(key);
                if referrers.is_empty() {
                    self.referrers.remove(&old);
                }
            }
        }
        for target in &targets {
            self.referrers
                .entry(target.clone())
                .or_default()
                .insert(key.clone());
        }
        if !targets.is_empty() {
            self.refers_to.insert(key.clone(), targets);
        }
    }

    /// Who refers to `target`.
    pub fn referrers(&self, target: &T) -> impl Iterator<Item = &Key> {
        self.referrers.get(target).into_iter().flatten()
    }
}

impl Graph<Key> {
    /// The circle that starts and ends at `start`, if its references lead back to it, as the path walked.
    pub fn circle(&self, start: &Key) -> Option<Vec<Key>> {
        let mut seen = HashSet::new();
        // Depth first with an explicit stack: the depth is the users' to choose, our stack is not.
        let mut path: Vec<(Key, Vec<Key>)> = vec![(start.clone(), self.targets(start))];
        while let Some((_, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                path.pop();
                continue;
            };
            if next == *start {
                let mut circle: Vec<Key> = path.into_iter().map(|(key, _)| key).collect();
                circle.push(next);
                return Some(circle);
            }
            if seen.insert(next.clone()) {
                let targets = self.targets(&next);
                path.push((next, targets));
            }
        }
        None
    }

    fn targets(&self, key: &Key) -> Vec<Key> {
        self.refers_to
            .get(key)
            .map(|t| t.iter().rev().cloned().collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in edges {
            graph.set(
                &Key::new("n", *from),
                to.iter().map(|t| Key::new("n", *t)).collect(),
            );
        }
        graph
    }

    fn circle(edges: &[(&str, &[&str])], start: &str) -> Option<Vec<String>> {
        graph(edges)
            .circle(&Key::new("n", start))
            .map(|c| c.into_iter().map(|k| k.name).collect())
    }

    #[test]
    fn circles_are_found_with_their_path() {
        assert_eq!(circle(&[("a", &["b"]), ("b", &["c"])], "a"), None);
        assert_eq!(circle(&[("a", &["a"])], "a").unwrap(), ["a", "a"]);
        assert_eq!(
            circle(&[("a", &["b", "x"]), ("b", &["c"]), ("c", &["a"])], "a").unwrap(),
            ["a", "b", "c", "a"]
        );
        // A circle elsewhere is not ours.
        assert_eq!(circle(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], "a"), None);
    }

    #[test]
    fn referrers_follow_changes() {
        let mut graph = graph(&[("a", &["x"]), ("b", &["x", "y"])]);
        let of = |graph: &Graph, t: &str| {
            graph
                .referrers(&Key::new("n", t))
                .map(|k| k.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&graph, "x"), ["a", "b"]);
        graph.set(&Key::new("n", "b"), BTreeSet::new());
        assert_eq!(
            (of(&graph, "x"), of(&graph, "y")),
            (vec!["a".to_string()], vec![])
        );
    }
}
