//! Who depends on whom, and so: which failure is the cause and which are its consequences?
//!
//! A failing node with a failing parent is a consequence of that parent's own cause; where several would do, the first by name is
//! named. Failures in a circle are one: the first by name stands for it, unless something outside of it is the cause. Every node and
//! every edge is looked at once (Tarjan's components, which come out with the causes first), for in a storm there are thousands.

use lapwing_types::HealthState;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
        let failing: Vec<&str> = states
            .iter()
            .filter(|(_, state)| state.is_failing())
            .map(|(node, _)| node.as_str())
            .collect();
        // In the order of names, so that the smallest index is the first by name.
        let index: HashMap<&str, usize> = failing.iter().enumerate().map(|(i, n)| (*n, i)).collect();
        let parents: Vec<Vec<usize>> = failing
            .iter()
            .map(|node| self.parents(node).filter_map(|p| index.get(p).copied()).collect())
            .collect();
        let roots = roots_of(&parents);
        failing
            .iter()
            .zip(roots)
            .enumerate()
            .map(|(i, (node, root))| {
                let cause = if root == i {
                    Cause::Root
                } else {
                    Cause::ConsequenceOf {
                        root: failing[root].to_owned(),
                    }
                };
                ((*node).to_owned(), cause)
            })
            .collect()
    }
}

/// A node on the way up, and which of its parents is next.
struct Step {
    node: usize,
    next: usize,
}

/// Whose failure causes each node's; without recursion, for chains may be long.
fn roots_of(parents: &[Vec<usize>]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let count = parents.len();
    let (mut order, mut lowest) = (vec![UNSEEN; count], vec![0; count]);
    // Whether it is only the first of a circle, and which node; a node that fails by itself comes first.
    let mut roots: Vec<Option<(bool, usize)>> = vec![None; count];
    let (mut open, mut seen) = (Vec::new(), 0);
    for start in 0..count {
        if order[start] != UNSEEN {
            continue;
        }
        let mut way = vec![Step { node: start, next: 0 }];
        while let Some(step) = way.last_mut() {
            let node = step.node;
            if step.next == 0 {
                (order[node], lowest[node]) = (seen, seen);
                seen += 1;
                open.push(node);
            }
            let Some(parent) = parents[node].get(step.next).copied() else {
                way.pop();
                if let Some(below) = way.last() {
                    lowest[below.node] = lowest[below.node].min(lowest[node]);
                }
                if lowest[node] == order[node] {
                    let from = open.iter().rposition(|n| *n == node).unwrap_or(0);
                    close(open.split_off(from), parents, &mut roots);
                }
                continue;
            };
            step.next += 1;
            if order[parent] == UNSEEN {
                way.push(Step {
                    node: parent,
                    next: 0,
                });
            } else if roots[parent].is_none() {
                lowest[node] = lowest[node].min(order[parent]);
            }
        }
    }
    roots
        .into_iter()
        .enumerate()
        .map(|(i, root)| root.map_or(i, |(_, root)| root))
        .collect()
}

/// All members of a component have one cause: the best of those above it, or the component itself.
fn close(members: Vec<usize>, parents: &[Vec<usize>], roots: &mut [Option<(bool, usize)>]) {
    let above = members.iter().flat_map(|m| &parents[*m]);
    let best = above.filter_map(|parent| roots[*parent]).min();
    let own = members.iter().min().map(|first| (members.len() > 1, *first));
    for member in members {
        roots[member] = best.or(own);
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

    #[test]
    fn what_hangs_on_a_circle_is_not_its_cause() {
        let edges = [("a", "c"), ("b", "c"), ("c", "b")];
        check(&edges, &["a", "b", "c"], "a<b b c<b");
        let edges = [("a", "b"), ("b", "a"), ("b", "z")];
        check(&edges, &["a", "b", "z"], "a<z b<z z");
    }

    /// Each way up was walked anew for each failure: a mesh of a thousand stopped everything for a minute.
    #[test]
    fn a_mesh_and_a_long_chain_cost_each_edge_once() {
        let names: Vec<String> = (0..1000).map(|n| format!("n{n:04}")).collect();
        let mut mesh = DependencyGraph::default();
        for (i, node) in names.iter().enumerate() {
            for parent in &names[..i] {
                mesh.add(node, parent);
            }
        }
        let states = names
            .iter()
            .map(|n| (n.clone(), HealthState::Unhealthy))
            .collect();
        let causes = mesh.causes(&states);
        let of_first = causes
            .values()
            .filter(|c| matches!(c, Cause::ConsequenceOf { root } if root == "n0000"));
        assert_eq!(of_first.count(), 999);
        let mut chain = DependencyGraph::default();
        let long: Vec<String> = (0..100_000).map(|n| format!("n{n:06}")).collect();
        for pair in long.windows(2) {
            chain.add(&pair[0], &pair[1]);
        }
        let states = long.iter().map(|n| (n.clone(), HealthState::Unhealthy)).collect();
        let causes = chain.causes(&states);
        let last = long.last().unwrap().clone();
        assert_eq!(causes["n000000"], Cause::ConsequenceOf { root: last });
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
