//! Questions that health asks the store: how real requests fare, and how much of an objective is left.

use super::job::Health;
use super::series::push;
use crate::engine::Engine;
use crate::queries::QueryRequest;
use lapwing_judge::health::error_budget;
use lapwing_query::{QueryValue, SampleValue};
use lapwing_types::format_duration_ms;

/// Windows over which burn is told: the fast and the slow ones of multi-window alerts.
const BURN_WINDOWS_MS: [i64; 3] = [3_600_000, 6 * 3_600_000, 3 * 86_400_000];
const QUERY_TIMEOUT_MS: i64 = 10_000;

/// The first value of an instant query; `None` for no answer, whatever the reason.
pub(super) async fn ask(engine: &Engine, expr: &str, at_ms: i64) -> Option<f64> {
    let answered = rows(engine, expr, at_ms).await;
    answered.first().map(|(_, v)| *v)
}

/// Labels and values of an instant query.
pub(super) async fn rows(engine: &Engine, expr: &str, at_ms: i64) -> Vec<(String, f64)> {
    let request = QueryRequest {
        expr: expr.to_owned(),
        lookback_ms: None,
        timeout_ms: Some(QUERY_TIMEOUT_MS),
        explain: false,
    };
    match engine.queries().instant(request, at_ms).await {
        Ok(answered) => values(&answered.result.value),
        Err(error) => {
            tracing::debug!(expr, %error, "a question of health was not answered");
            Vec::new()
        }
    }
}

fn values(value: &QueryValue) -> Vec<(String, f64)> {
    match value {
        QueryValue::Scalar { value, .. } => vec![(String::new(), *value)],
        QueryValue::Vector(samples) => samples
            .iter()
            .filter_map(|s| match &s.value {
                SampleValue::Float(value) => Some((s.labels.to_string(), *value)),
                SampleValue::Histogram(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Real requests of every model that says how they are counted.
pub(super) async fn look_at_traffic(engine: &Engine, health: &Health) {
    let options = health.options();
    for (m, spec) in options.models.iter().enumerate() {
        let Some(traffic) = &spec.traffic else { continue };
        let now_ms = engine.now_ms();
        let requests = ask(engine, &traffic.requests, now_ms).await.unwrap_or(0.0);
        // No series of failures means that none failed.
        let failed = ask(engine, &traffic.failed, now_ms).await.unwrap_or(0.0);
        health.change(|board| {
            if let Some(m) = board.model_now_at(&options, m) {
                board.saw_traffic(m, (requests, failed), now_ms);
            }
        });
    }
}

/// Availability, budget and burn of every model that has an objective.
pub(super) async fn look_at_objectives(engine: &Engine, health: &Health) {
    let options = health.options();
    for (m, spec) in options.models.iter().enumerate() {
        let Some(objective) = spec.objectives.availability else {
            continue;
        };
        let (now_ms, whole_ms) = (engine.now_ms(), spec.objectives.window_ms);
        let name = spec.name.replace('\\', "\\\\").replace('"', "\\\"");
        for window_ms in BURN_WINDOWS_MS.into_iter().chain([whole_ms]) {
            let window = format_duration_ms(window_ms);
            let expr = format!("avg_over_time(lapwing_model_available{{model=\"{name}\"}}[{window}])");
            let Some(availability) = ask(engine, &expr, now_ms).await else {
                continue;
            };
            health.change(|board| {
                let Some(m) = board.model_now_at(&options, m) else {
                    return;
                };
                let model = &mut board.models[m];
                let label = [("window", window.clone())];
                let mut put = |name: &'static str, label: &[(&'static str, String)], value: f64| {
                    push(
                        &mut board.batch,
                        &mut model.labels,
                        (name, label),
                        (now_ms, value),
                    );
                };
                put("lapwing_model_availability", &label, availability);
                model
                    .objectives
                    .insert(format!("availability_{window}"), availability);
                if let Some(budget) = error_budget(objective, availability) {
                    put("lapwing_model_error_budget_burn", &label, budget.burn);
                    if window_ms == whole_ms {
                        put("lapwing_model_error_budget_remaining", &[], budget.remaining);
                        model
                            .objectives
                            .insert("error_budget_remaining".to_owned(), budget.remaining);
                    }
                    model.objectives.insert(format!("burn_{window}"), budget.burn);
                }
            });
        }
    }
}
