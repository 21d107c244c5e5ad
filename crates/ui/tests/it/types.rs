//! The pages' types of the API are those of the server: `ui/src/lib/api/types.gen.ts` is written by this test.

use crate::shapes::{Names, declare};
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "// Written from Rust's sources by a test; do not edit. `LAPWING_WRITE_TYPES=1 cargo test -p lapwing-ui types` writes it anew.\n";

/// File, and its items; `Rust as TypeScript` where the name alone would mean something else in the pages.
const ITEMS: &[(&str, &[&str])] = &[
    (
        "types/src/health.rs",
        &["HealthState", "Verdict as LookVerdict", "ProbeReason"],
    ),
    (
        "types/src/alert/decision.rs",
        &["DecisionStep", "DecisionReason", "Decision"],
    ),
    ("types/src/alert/kept.rs", &["LedgerEvent", "LedgerEntry"]),
    (
        "judge/src/health/recovery.rs",
        &["RecoveryRefusal", "RecoveryEvent", "RecoveryPhase"],
    ),
    ("judge/src/performance/options.rs", &["Window"]),
    (
        "judge/src/performance/summary.rs",
        &["Spread", "OperationSummary", "ResourceSummary"],
    ),
    ("judge/src/performance/trend.rs", &["TrendWord", "Trend"]),
    (
        "judge/src/performance/findings.rs",
        &["BottleneckKind", "Evidence", "Bottleneck", "Recommendation"],
    ),
    ("judge/src/performance/report.rs", &["PerformanceReport"]),
    (
        "judge/src/performance/operation.rs",
        &["OperationKind", "ResourceUse", "Operation"],
    ),
    (
        "engine/src/health/view.rs",
        &[
            "RecoveryView",
            "CheckView",
            "EndpointView",
            "ShardView",
            "ModelView",
            "MaintenanceView",
            "HealthView",
        ],
    ),
    (
        "engine/src/health/event.rs",
        &["HealthEvent", "AuditEntry", "HealthNote"],
    ),
    (
        "server/src/http/health/api.rs",
        &["Discovered", "HealthTree", "ModelList"],
    ),
    ("notify/src/config/oncall.rs", &["OnCallView"]),
    (
        "server/src/http/web/escalations.rs",
        &["StepView as EscalationStep", "EscalationView as Escalation"],
    ),
    ("notify/src/dispatch/silence.rs", &["SilenceMatcher as Matcher"]),
    (
        "notify/src/dispatch/view.rs",
        &[
            "ReceiverView",
            "AlertStatusView",
            "AlertView as GettableAlert",
            "SilenceView as PostedSilence",
        ],
    ),
    (
        "server/src/http/alertmanager.rs",
        &["HiddenAlert", "SilencePreview"],
    ),
    (
        "notify/src/dispatch/trace.rs",
        &[
            "Verdict",
            "MatcherView as RouteMatcher",
            "RouteView as RouteNode",
            "InhibitedView as RouteInhibited",
            "InhibitRuleView as RouteInhibitRule",
            "ToldView as RouteTold",
            "StepView as RouteStep",
            "Traced as RouteTest",
        ],
    ),
    (
        "server/src/http/prometheus/backtest.rs",
        &["FiredView", "PageView", "Backtest"],
    ),
    (
        "server/src/http/prometheus/targets.rs",
        &["RelabelStepView as RelabelStep"],
    ),
    ("judge/src/pipelines/baseline.rs", &["Compared"]),
    (
        "judge/src/pipelines/health.rs",
        &[
            "Health as PipelineState",
            "Reason as PipelineReason",
            "PipelineHealth",
            "HealthReport as PipelineReport",
        ],
    ),
    ("collect/src/relabel/action.rs", &["StepOutcome"]),
    ("judge/src/direction.rs", &["Direction"]),
    ("engine/src/queries.rs", &["RunningQuery"]),
    ("engine/src/slow_queries.rs", &["SlowQuery"]),
    (
        "server/src/doctor/mod.rs",
        &["Verdict as FindingVerdict", "Finding"],
    ),
    ("server/src/config/origins.rs", &["Origin", "Setting"]),
    (
        "server/src/dashboards/board.rs",
        &[
            "Query as BoardQuery",
            "Threshold as BoardThreshold",
            "Tone as BoardTone",
            "Kind as PanelKind",
            "Panel as BoardPanel",
            "Variable as BoardVariable",
            "Board",
        ],
    ),
];

/// Names are looked up in the file's own list first: `Verdict` is one thing for a look and another for a route.
fn render() -> String {
    let split = |item: &'static str| item.split_once(" as ").unwrap_or((item, item));
    let all: Names<'_> = ITEMS
        .iter()
        .flat_map(|(_, items)| items.iter())
        .map(|item| split(item))
        .collect();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut out = HEAD.to_owned();
    for (file, items) in ITEMS {
        let source = std::fs::read_to_string(crates.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        // The engine's views speak of looks.
        let mut names = all.clone();
        if file.starts_with("engine/") {
            names.insert("Verdict", "LookVerdict");
        }
        names.extend(items.iter().map(|item| split(item)));
        let _ = write!(out, "\n// crates/{file}\n");
        for item in *items {
            let name = split(item).0;
            out.push_str(&declare(&source, name, &names).unwrap_or_else(|e| panic!("{file}: {name}: {e}")));
        }
    }
    out
}

#[test]
fn types_of_the_pages_are_those_of_the_server() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/api/types.gen.ts");
    let now = render();
    if std::env::var_os("LAPWING_WRITE_TYPES").is_some() {
        std::fs::write(&file, &now).expect("it can be written");
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = now.lines().zip(kept.lines()).find(|(a, b)| a != b);
    assert!(
        now == kept,
        "ui/src/lib/api/types.gen.ts is not what the server answers any more ({differs:?}):\n\
         run `LAPWING_WRITE_TYPES=1 cargo test -p lapwing-ui types`, then `npm run check` in ui/"
    );
}
