//! `--explain`: the tree of an expression, each node with what it cost.

use comfy_table::{CellAlignment, Table, presets};
use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    explain: Option<Node>,
}

/// As the API gives it.
#[derive(Deserialize)]
struct Node {
    kind: String,
    expr: String,
    plan: String,
    series: u64,
    samples: u64,
    bytes: u64,
    time_ms: f64,
    children: Vec<Node>,
}

/// An expression wider than this is cut; its parts stand on the lines below.
const EXPR_COLUMNS: usize = 72;

/// Nothing when the answer holds no tree: a server that does not know `explain` ignores it.
pub(super) fn table(body: &str) -> Option<String> {
    let envelope: Envelope = serde_json::from_str(body).ok()?;
    let tree = envelope.data.explain?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["expression", "kind", "plan", "series", "samples", "bytes", "ms"]);
    push(&mut table, &tree, 0);
    for column in 3..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let legend = " samples and ms of a line include those of the lines that belong to it";
    Some(format!("{table}\n\n{legend}\n"))
}

fn push(table: &mut Table, node: &Node, depth: usize) {
    let mut expr: String = node.expr.chars().take(EXPR_COLUMNS).collect();
    if expr.len() < node.expr.len() {
        expr.push('…');
    }
    table.add_row([
        format!("{}{expr}", "  ".repeat(depth)),
        node.kind.clone(),
        node.plan.clone(),
        node.series.to_string(),
        node.samples.to_string(),
        node.bytes.to_string(),
        format!("{:.3}", node.time_ms),
    ]);
    for child in &node.children {
        push(table, child, depth + 1);
    }
}
