//! Grafana's JSON as a board; what has no place in one is listed, not dropped in silence.

use super::board::{Board, Kind, Panel, Query, Threshold, Tone, Variable};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Serialize)]
pub(crate) struct Imported {
    pub(crate) board: Board,
    /// One sentence for each thing that did not carry over.
    pub(crate) left_out: Vec<String>,
}

pub(crate) fn from_grafana(json: &Value) -> Option<Imported> {
    // An export through the API wraps the dashboard.
    let root = json.get("dashboard").unwrap_or(json);
    let panels = root.get("panels").or_else(|| root.get("rows"))?.as_array()?;
    let mut left_out = Vec::new();
    let mut board = Board {
        title: text(root, "title"),
        about: text(root, "description"),
        ..Board::default()
    };
    for variable in list(&root["templating"]["list"]) {
        match variable_of(variable) {
            Some(found) => board.variables.push(found),
            None => left_out.push(format!(
                "variable {:?}: only those that list a label's values carry over",
                text(variable, "name")
            )),
        }
    }
    for panel in panels {
        // Rows hold panels, collapsed or in the old style.
        let inner = list(&panel["panels"]);
        if inner.is_empty() {
            add(panel, &mut board, &mut left_out);
        }
        inner.iter().for_each(|p| add(p, &mut board, &mut left_out));
    }
    if board.title.is_empty() {
        board.title = "imported".to_owned();
    }
    Some(Imported { board, left_out })
}

fn text(of: &Value, name: &str) -> String {
    of[name].as_str().unwrap_or("").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `label_values(metric, label)` and `label_values(label)`.
fn variable_of(variable: &Value) -> Option<Variable> {
    let query = variable["query"]
        .as_str()
        .or_else(|| variable["query"]["query"].as_str())?;
    let inside = query.trim().strip_prefix("label_values(")?.strip_suffix(')')?;
    let (of, label) = inside.rsplit_once(',').unwrap_or(("", inside));
    // A selector that names other variables would have to be asked again whenever they change.
    let of = of.split('{').next().unwrap_or("").trim();
    Some(Variable {
        name: text(variable, "name"),
        label: label.trim().to_owned(),
        of: of.to_owned(),
        all: true,
        several: true,
    })
}

fn add(panel: &Value, board: &mut Board, left_out: &mut Vec<String>) {
    let title = text(panel, "title");
    let kind = match panel["type"].as_str().unwrap_or("") {
        "row" => return,
        "timeseries" | "graph" | "" => Kind::Graph,
        "stat" | "singlestat" => Kind::Stat,
        "gauge" => Kind::Gauge,
        "bargauge" | "barchart" | "piechart" => Kind::Bar,
        "heatmap" => Kind::Heatmap,
        "table" | "table-old" => Kind::Table,
        "state-timeline" | "status-history" => Kind::States,
        "text" => Kind::Text,
        other => {
            left_out.push(format!("panel {title:?}: there is no kind for {other:?}"));
            return;
        }
    };
    let mut queries = Vec::new();
    for target in list(&panel["targets"]) {
        let expr = window(&text(target, "expr"));
        if expr.is_empty() {
            left_out.push(format!("panel {title:?}: a query that is not PromQL"));
            continue;
        }
        if let Err(error) = lapwing_query::promql::parse(&with_values(&expr, board)) {
            left_out.push(format!("panel {title:?}: {error}"));
            continue;
        }
        let name = legend(&text(target, "legendFormat"));
        queries.push(Query { expr, name });
    }
    if kind != Kind::Text && queries.is_empty() {
        left_out.push(format!("panel {title:?}: no query of it carries over"));
        return;
    }
    board.panels.push(Panel {
        title,
        kind,
        unit: unit(&panel["fieldConfig"]["defaults"]["unit"]),
        queries,
        thresholds: thresholds(panel),
        text: text(&panel["options"], "content"),
    });
}

fn with_values(expr: &str, board: &Board) -> String {
    let mut plain = expr.replace("$window", "5m");
    for variable in &board.variables {
        plain = plain.replace(&format!("${}", variable.name), ".*");
    }
    plain
}

/// Grafana's words for "as wide as it has to be", and its braces around names.
fn window(expr: &str) -> String {
    let mut out = expr.to_owned();
    for word in [
        "$__rate_interval",
        "${__rate_interval}",
        "$__interval",
        "${__interval}",
        "$__range",
        "${__range}",
    ] {
        out = out.replace(word, "$window");
    }
    while let Some(at) = out.find("${") {
        let Some(end) = out[at..].find('}') else { break };
        let name = out[at + 2..at + end].split(':').next().unwrap_or("").to_owned();
        out.replace_range(at..=at + end, &format!("${name}"));
    }
    out.trim().to_owned()
}

fn unit(of: &Value) -> String {
    match of.as_str().unwrap_or("") {
        "s" => "seconds",
        "percentunit" => "ratio",
        "percent" => "percent",
        "bytes" | "decbytes" => "bytes",
        "Bps" | "binBps" | "bps" => "bytes/s",
        "reqps" | "ops" | "rps" | "cps" => "per-second",
        "celsius" => "celsius",
        "watt" => "watts",
        _ => "",
    }
    .to_owned()
}

/// Lines are drawn only where the panel shows them.
fn thresholds(panel: &Value) -> Vec<Threshold> {
    let defaults = &panel["fieldConfig"]["defaults"];
    let shown = defaults["custom"]["thresholdsStyle"]["mode"]
        .as_str()
        .unwrap_or("off")
        != "off"
        || matches!(panel["type"].as_str(), Some("stat" | "gauge" | "bargauge"));
    let steps = list(&defaults["thresholds"]["steps"]);
    let made = steps.iter().filter(|_| shown).filter_map(|step| {
        let tone = match step["color"].as_str().unwrap_or("") {
            color if color.contains("red") => Tone::Crit,
            color if color.contains("green") || color.contains("blue") => Tone::Info,
            _ => Tone::Warn,
        };
        Some(Threshold {
            value: step["value"].as_f64()?,
            tone,
        })
    });
    made.collect()
}

/// The words of a legend: the values of labels, which it names in braces, our legends say by themselves.
fn legend(format: &str) -> String {
    if format == "__auto" {
        return String::new();
    }
    let mut words = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once("{{") {
        words.push_str(before);
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    words.push_str(rest);
    // What stood around the values stands around nothing now.
    let words = words.replace("()", "").replace("[]", "");
    let is_between = |c: char| c.is_whitespace() || "-–:,;|/".contains(c);
    words.trim_matches(is_between).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn panels_variables_units_and_what_was_lost() {
        let grafana = json!({
            "title": "Serving",
            "templating": { "list": [
                { "name": "model", "type": "query", "query": "label_values(requests_total, model)" },
                { "name": "ds", "type": "datasource", "query": "prometheus" },
            ] },
            "panels": [
                { "type": "row", "title": "r", "panels": [
                    { "type": "timeseries", "title": "Rate", "fieldConfig": { "defaults": { "unit": "reqps" } },
                      "targets": [{ "expr": "sum(rate(requests_total{model=~\"${model:regex}\"}[$__rate_interval]))", "legendFormat": "{{ x }} - p50 ({{y}})" }] },
                ] },
                { "type": "gauge", "title": "Errors", "targets": [{ "expr": "error_ratio" }],
                  "fieldConfig": { "defaults": { "unit": "percentunit", "thresholds": { "steps": [{ "color": "green", "value": null }, { "color": "red", "value": 0.1 }] } } } },
                { "type": "news", "title": "News" },
                { "type": "timeseries", "title": "Logs", "targets": [{ "rawSql": "select 1" }] },
            ],
        });
        let imported = from_grafana(&grafana).unwrap();
        let board = &imported.board;
        assert_eq!(board.panels.len(), 2);
        assert_eq!(
            board.panels[0].queries[0].name, "p50",
            "labels speak for themselves"
        );
        let said = ["{{x}}", "__auto", "{{a}}/{{b}}", "used (%)", "in {{x", ""].map(legend);
        assert_eq!(said, ["", "", "", "used (%)", "in", ""]);
        assert_eq!(
            board.panels[0].queries[0].expr,
            "sum(rate(requests_total{model=~\"$model\"}[$window]))"
        );
        assert_eq!(board.panels[0].unit, "per-second");
        assert_eq!(board.variables[0].of, "requests_total");
        assert_eq!(board.panels[1].thresholds.len(), 1);
        assert_eq!(imported.left_out.len(), 4, "{:?}", imported.left_out);
        let yaml = board.to_yaml().unwrap();
        assert_eq!(Board::read(&yaml).unwrap(), *board, "{yaml}");
    }

    #[test]
    fn what_is_no_dashboard_is_none() {
        assert!(from_grafana(&json!({ "a": 1 })).is_none());
        assert!(from_grafana(&json!([])).is_none());
    }
}
