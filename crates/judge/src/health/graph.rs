//! Who depends on whom, and so: which failure is the cause and which are its consequences?
//!
//! A failing node with a failing parent is a consequence of that parent's own cause. Circles are harmless: a node is
//! visited once on each way up, and within a circle of failures the first by name is called the cause.

use lapwing_types::HealthState;
use std::collections::{BTreeMap, BTreeSet};

/// Edges from a node to what it depends on; names of nodes are the caller's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DependencyGraph {
    parents: BTreeMap<String, BTreeSet<String>>,
}

/// What a failing node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing that it depends on fails.
    Root,
    ConsequenceOf {
        root: String,
    },
}

impl DependencyGraph {
    pub fn add(&mut self, node: &str, depends_on: &str) {
        if node != depends_on {
            self.parents
                .entry(node.to_owned())
                .or_default()
                .insert(depends_on.to_owned());
        }
    }

    pub fn parents(&self, node: &str) -> impl Iterator<Item = &str> {
        self.parents.get(node).into_iter().flatten().map(String::as_str)
    }

    /// For every failing node, whether it is a cause.
    pub fn causes(&self, states: &BTreeMap<String, HealthState>) -> BTreeMap<String, Cause> {
        let failing = |name: &str| states.get(name).is_some_and(|s| s.is_failing());
        let nodes = states.keys().filter(|n| failing(n));
        nodes
            .map(|node| {
                let root = self.root_of(node, &failing);
                let cause = if root == *node {
                    Cause::Root
                } else {
                    Cause::ConsequenceOf { root }
                };
                (node.clone(), cause)
            })
            .collect()
    }

    /// The first by name of the failing ancestors that have no failing parents; in a circle, the first of the circle.
    fn root_of(&self, node: &str, failing: &impl Fn(&str) -> bool) -> String {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut roots: BTreeSet<&str> = BTreeSet::new();
        let mut waiting = vec![node];
        while let Some(here) = waiting.pop() {
            if !seen.insert(here) {
                continue;
            }
            let up: Vec<&str> = self.parents(here).filter(|p| failing(p)).collect();
            if up.is_empty() {
                roots.insert(here);
            }
            waiting.extend(up);
        }
        let chosen = roots.first().or(seen.first()).copied().unwrap_or(node);
        chosen.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graph(edges: &[(&str, &str)]) -> DependencyGraph {
        let mut graph = DependencyGraph::default();
        for (node, parent) in edges {
            graph.add(node, parent);
        }
        graph
    }

    fn check(edges: &[(&str, &str)], failing: &[&str], expect: &str) {
        let states = failing
            .iter()
            .map(|n| ((*n).to_owned(), HealthState::Unhealthy))
            .collect();
        let said: Vec<String> = graph(edges)
            .causes(&states)
            .into_iter()
            .map(|(node, cause)| match cause {
                Cause::Root => node,
                Cause::ConsequenceOf { root } => format!("{node}<{root}"),
            })
            .collect();
        assert_eq!(said.join(" "), expect);
    }

    #[test]
    fn one_root_and_its_consequences() {
        let edges = [
            ("chat", "gpu"),
            ("search", "chat"),
            ("gpu", "host"),
            ("search", "db"),
        ];
        check(
            &edges,
            &["chat", "gpu", "host", "search"],
            "chat<host gpu<host host search<host",
        );
        check(&edges, &["chat", "host"], "chat host");
        check(&edges, &["db", "search"], "db search<db");
        check(&edges, &[], "");
    }

    #[test]
    fn a_circle_has_one_cause() {
        check(
            &[("a", "b"), ("b", "c"), ("c", "a")],
            &["a", "b", "c"],
            "a b<a c<a",
        );
    }

    proptest! {
        #[test]
        fn every_failure_is_explained_by_a_failing_root(
            edges in proptest::collection::vec((0u8..12, 0u8..12), 0..40),
            failing in proptest::collection::btree_set(0u8..12, 0..12),
        ) {
            let mut graph = DependencyGraph::default();
            for (node, parent) in &edges {
                graph.add(&node.to_string(), &parent.to_string());
            }
            let states = failing.iter().map(|n| (n.to_string(), HealthState::Critical)).collect();
            let causes = graph.causes(&states);
            prop_assert_eq!(causes.len(), failing.len());
            for cause in causes.values() {
                if let Cause::ConsequenceOf { root } = cause {
                    prop_assert_eq!(causes.get(root), Some(&Cause::Root));
                }
            }
        }
    }
}
