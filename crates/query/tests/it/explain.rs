//! `explain`: every node of the tree is there, and what it says adds up.

use super::memory::{MemorySource, Value};
use lapwing_query::{Explain, Explained, QueryEngine, QueryOptions};
use lapwing_types::Labels;
use std::sync::atomic::{AtomicU64, Ordering};

/// A clock that moves on by a millisecond whenever somebody looks at it.
fn nanos() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(0);
    NOW.fetch_add(1_000_000, Ordering::Relaxed)
}

/// 30 series `hits_total{host, path}`, one sample a minute for an hour.
fn source() -> MemorySource {
    let mut source = MemorySource::default();
    for host in 0..3 {
        for path in 0..10 {
            let (host, path) = (host.to_string(), path.to_string());
            let labels =
                Labels::from_pairs([("__name__", "hits_total"), ("host", &host), ("path", &path)]).unwrap();
            for minute in 0..60 {
                source.add(&labels, minute * 60_000, Value::Float(minute as f64));
            }
        }
    }
    source.settle();
    source
}

fn explained(query: &str) -> Explained {
    let options = QueryOptions {
        explain: Some(Explain { nanos }),
        ..QueryOptions::default()
    };
    QueryEngine::new()
        .range(&source(), query, (1_800_000, 3_000_000, 60_000), &options)
        .unwrap()
        .explained
        .unwrap()
}

/// Kind, series and children of each node, as one line.
fn shape(node: &Explained) -> String {
    let children: Vec<String> = node.children.iter().map(shape).collect();
    let kind = node.kind.replace(' ', "-");
    if children.is_empty() {
        format!("{kind}:{}", node.series)
    } else {
        format!("{kind}:{}({})", node.series, children.join(" "))
    }
}

fn check(query: &str, expect: &str) {
    assert_eq!(shape(&explained(query)), expect, "{query}");
}

#[test]
fn every_node_says_what_came_out_of_it() {
    check("hits_total", "selector:30");
    check("rate(hits_total[5m])", "call:30(range-selector:30)");
    check(
        "sum by (host) (rate(hits_total[5m])) > 0.5",
        "operator:0(aggregation:3(call:30(range-selector:30)) literal:1)",
    );
    check(
        "topk(2, hits_total{host=\"1\"}) / on(path) hits_total{host=\"0\"}",
        "operator:2(aggregation:2(literal:1 selector:10) selector:10)",
    );
    check(
        "max_over_time((sum(hits_total))[10m:1m])",
        "call:1(subquery:1(aggregation:1(selector:30)))",
    );
    check(
        "-(hits_total{path=\"1\"} * 2)",
        "operator:3(operator:3(selector:3 literal:1))",
    );
}

#[test]
fn costs_include_those_of_the_nodes_below() {
    fn ascending(node: &Explained) {
        for child in &node.children {
            assert!(
                child.time_ms <= node.time_ms,
                "{} took longer than {}",
                child.expr,
                node.expr
            );
            assert!(child.samples <= node.samples, "{} of {}", child.expr, node.expr);
            ascending(child);
        }
    }
    let tree = explained("sum(rate(hits_total[5m])) / sum(hits_total) + scalar(count(hits_total))");
    ascending(&tree);
    assert!(tree.time_ms > 0.0);
    // 21 steps; the rate looks at five samples of each series at each of them.
    let rate = &tree.children[0].children[0].children[0];
    assert_eq!(rate.expr, "rate(hits_total[5m])");
    assert_eq!((rate.samples, rate.plan), (30 * 21 * 5, "batches"));
    assert_eq!(tree.children[0].children[0].plan, "folds batches");
    // All of it is the selector's; read were 25 samples of each series, sixteen bytes each.
    let selector = &rate.children[0];
    assert_eq!((selector.samples, selector.bytes), (rate.samples, 30 * 25 * 16));
    assert_eq!(rate.bytes, 30 * (21 * 8 + 32));
}

#[test]
fn nothing_is_explained_unasked() {
    let result = QueryEngine::new()
        .instant(&source(), "hits_total", 60_000, &QueryOptions::default())
        .unwrap();
    assert_eq!(result.explained, None);
}
