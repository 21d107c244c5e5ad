//! Questions that health asks the store: how real requests fare, and how much of each objective is left.
//!
//! Each aim has one series from 0 to 1 (`lapwing_model_available`, `_fast`, `_right`), written while nothing is planned; what
//! was attained over a window is its average, so that any window may be asked for.

use super::board::Board;
use super::job::Health;
use super::series::push;
use super::spec::{Aim, CheckKind, ModelSpec, Role};
use crate::engine::Engine;
use crate::queries::QueryRequest;
use lapwing_judge::health::error_budget;
use lapwing_query::{QueryValue, SampleValue};
use lapwing_types::{ProbeReason, Verdict, format_duration_ms};
use serde::Serialize;

/// Windows over which burn is told: the fast and the slow ones of multi-window alerts.
const BURN_WINDOWS_MS: [i64; 3] = [3_600_000, 6 * 3_600_000, 3 * 86_400_000];
const QUERY_TIMEOUT_MS: i64 = 10_000;

/// One aim of one model over one window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attained {
    pub objective: &'static str,
    pub target: f64,
    pub attained: f64,
    /// Absent where an objective of 100 % leaves no budget.
    pub error_budget_remaining: Option<f64>,
    pub burn: Option<f64>,
}

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

impl Board {
    /// The aims that are measured by looks, as the last ones found them; those that come from a query are asked for.
    pub(super) fn attained_now(&self, m: usize) -> Vec<(Aim, f64)> {
        let objectives = &self.options.models[m].objectives;
        let mut found = Vec::new();
        let endpoints = self.models[m].checks.iter();
        let endpoints = endpoints
            .map(|i| (&self.options.checks[*i], &self.checks[*i]))
            .filter(|(spec, _)| spec.model.as_ref().is_some_and(|p| p.role == Role::Endpoint));
        if let Some(limit_s) = objectives
            .p95_latency_s
            .filter(|_| objectives.latency_from.is_none())
        {
            // What did not answer at all is a matter of availability.
            let served = endpoints.clone().filter_map(|(_, live)| {
                let last = live.last()?;
                (last.verdict == Verdict::Pass || last.reason == Some(ProbeReason::Latency))
                    .then_some(last.duration_s <= limit_s)
            });
            found.extend(share(served).map(|s| (Aim::Latency, s)));
        }
        if objectives.quality.is_some() && objectives.quality_from.is_none() {
            let answered = endpoints.filter_map(|(spec, live)| {
                let CheckKind::Probe(probe) = &spec.what else {
                    return None;
                };
                if !probe.judges_answers() {
                    return None;
                }
                let last = live.last()?;
                match (last.verdict, last.reason) {
                    (Verdict::Pass, _) | (_, Some(ProbeReason::Latency)) => Some(true),
                    (
                        _,
                        Some(
                            ProbeReason::Answer
                            | ProbeReason::Empty
                            | ProbeReason::JsonPath
                            | ProbeReason::Body,
                        ),
                    ) => Some(false),
                    _ => None,
                }
            });
            found.extend(share(answered).map(|s| (Aim::Quality, s)));
        }
        found
    }
}

fn share(of: impl Iterator<Item = bool>) -> Option<f64> {
    let (mut all, mut good) = (0_u32, 0_u32);
    for one in of {
        all += 1;
        good += u32::from(one);
    }
    (all > 0).then(|| f64::from(good) / f64::from(all))
}

/// What was attained, the budget and its burn of every aim of every model.
pub(super) async fn look_at_objectives(engine: &Engine, health: &Health) {
    let options = health.options();
    for (m, spec) in options.models.iter().enumerate() {
        ask_for_shares(engine, health, (&options, m)).await;
        for aim in Aim::ALL {
            let Some(target) = spec.objectives.target(aim) else {
                continue;
            };
            let whole_ms = spec.objectives.window_ms;
            for window_ms in BURN_WINDOWS_MS.into_iter().chain([whole_ms]) {
                let now_ms = engine.now_ms();
                let Some(attained) = attained(engine, (spec, aim), (window_ms, now_ms)).await else {
                    continue;
                };
                let is_whole = window_ms == whole_ms;
                health.change(|board| {
                    if let Some(m) = board.model_now_at(&options, m) {
                        board.note_objective(m, (aim, target, attained), (window_ms, is_whole), now_ms);
                    }
                });
            }
        }
    }
}

/// The average of an aim's series over a window.
async fn attained(
    engine: &Engine,
    (spec, aim): (&ModelSpec, Aim),
    (window_ms, now_ms): (i64, i64),
) -> Option<f64> {
    let name = spec.name.replace('\\', "\\\\").replace('"', "\\\"");
    let window = format_duration_ms(window_ms);
    let expr = format!(
        "avg_over_time({}{{model=\"{name}\",scope=\"model\"}}[{window}])",
        aim.series()
    );
    ask(engine, &expr, now_ms).await
}

/// Shares that the owner says how to ask for become samples of the same series as those of looks.
async fn ask_for_shares(
    engine: &Engine,
    health: &Health,
    (options, m): (&std::sync::Arc<super::spec::HealthOptions>, usize),
) {
    let objectives = &options.models[m].objectives;
    for (aim, from) in [
        (Aim::Latency, &objectives.latency_from),
        (Aim::Quality, &objectives.quality_from),
    ] {
        let Some(expr) = from else { continue };
        let now_ms = engine.now_ms();
        let Some(share) = ask(engine, expr, now_ms).await.filter(|s| s.is_finite()) else {
            continue;
        };
        health.change(|board| {
            let Some(m) = board.model_now_at(options, m) else {
                return;
            };
            if board
                .maintenance_of(&options.models[m].name, None, now_ms)
                .is_some()
            {
                return;
            }
            let sample = (now_ms, share.clamp(0.0, 1.0));
            push(
                &mut board.batch,
                &mut board.models[m].labels,
                (aim.series(), &[]),
                sample,
            );
        });
    }
}

impl Board {
    fn note_objective(
        &mut self,
        m: usize,
        (aim, target, attained): (Aim, f64, f64),
        (window_ms, is_whole): (i64, bool),
        now_ms: i64,
    ) {
        let window = format_duration_ms(window_ms);
        let model = &mut self.models[m];
        let (batch, labels) = (&mut self.batch, &mut model.labels);
        let of_window = [("window", window.clone())];
        let both = [("objective", aim.as_str().to_owned()), ("window", window.clone())];
        let of_aim = [("objective", aim.as_str().to_owned())];
        let (family, goal) = match aim {
            Aim::Availability => (
                "lapwing_model_availability",
                "lapwing_model_objective_availability",
            ),
            Aim::Latency => (
                "lapwing_model_latency_attained",
                "lapwing_model_objective_latency",
            ),
            Aim::Quality => (
                "lapwing_model_quality_attained",
                "lapwing_model_objective_quality",
            ),
        };
        push(batch, labels, (family, &of_window), (now_ms, attained));
        if is_whole && aim != Aim::Availability {
            push(batch, labels, (goal, &[]), (now_ms, target));
        }
        // The names of availability are older than the other aims.
        let prefix = match aim {
            Aim::Availability => "",
            Aim::Latency => "latency_",
            Aim::Quality => "quality_",
        };
        let known = &mut model.objectives;
        known.insert(format!("{}_{window}", aim.as_str()), attained);
        let Some(budget) = error_budget(target, attained) else {
            return;
        };
        push(
            batch,
            labels,
            ("lapwing_model_error_budget_burn", &both),
            (now_ms, budget.burn),
        );
        known.insert(format!("{prefix}burn_{window}"), budget.burn);
        if is_whole {
            let name = "lapwing_model_error_budget_remaining";
            push(batch, labels, (name, &of_aim), (now_ms, budget.remaining));
            known.insert(format!("{prefix}error_budget_remaining"), budget.remaining);
        }
    }
}

impl Health {
    /// The window that the objectives of a model are promised over; `None` for an unknown model.
    pub fn objective_window_ms(&self, model: &str) -> Option<i64> {
        let options = self.options();
        let spec = options.models.iter().find(|m| m.name == model)?;
        Some(spec.objectives.window_ms)
    }

    /// What a model attained over any window, and how many seconds of it were on a fallback; `None` for an unknown model.
    pub async fn attained(
        &self,
        engine: &Engine,
        model: &str,
        window_ms: i64,
    ) -> Option<(Vec<Attained>, Option<f64>)> {
        let options = self.options();
        let spec = options.models.iter().find(|m| m.name == model)?;
        let now_ms = engine.now_ms();
        let mut all = Vec::new();
        for aim in Aim::ALL {
            let Some(target) = spec.objectives.target(aim) else {
                continue;
            };
            let Some(attained) = attained(engine, (spec, aim), (window_ms, now_ms)).await else {
                continue;
            };
            let budget = error_budget(target, attained);
            all.push(Attained {
                objective: aim.as_str(),
                target,
                attained,
                error_budget_remaining: budget.map(|b| b.remaining),
                burn: budget.map(|b| b.burn),
            });
        }
        let name = model.replace('\\', "\\\\").replace('"', "\\\"");
        let window = format_duration_ms(window_ms);
        let expr = format!("increase(lapwing_model_fallback_seconds_total{{model=\"{name}\"}}[{window}])");
        Some((all, ask(engine, &expr, now_ms).await))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::spec::{CheckSpec, HealthOptions, ModelPart};
    use lapwing_judge::health::CheckPolicy;
    use lapwing_types::{METRIC_NAME, ProbeOutcome};
    use std::sync::Arc;

    const T: i64 = 1_700_000_000_000;

    #[test]
    fn a_short_outage_counts_for_as_long_as_it_was() {
        let check = CheckSpec {
            model: Some(ModelPart {
                model: "chat".to_owned(),
                role: Role::Endpoint,
                part: "http://a".to_owned(),
            }),
            what: CheckKind::CheckIn {
                deadline_ms: i64::MAX,
            },
            policy: CheckPolicy {
                failures: 1,
                passes: 1,
                ..CheckPolicy::default()
            },
            ..CheckSpec::example("chat/probe")
        };
        let options = HealthOptions {
            checks: vec![check],
            models: vec![ModelSpec {
                name: "chat".to_owned(),
                endpoints: vec!["http://a".to_owned()],
                ..ModelSpec::default()
            }],
            ..HealthOptions::default()
        };
        let mut board = Board::new(Arc::new(options), Vec::new(), T).0;
        let mut states = 0;
        // Ten minutes, in each of which it is down for twenty seconds.
        for second in 0..600 {
            let outcome = match second % 60 {
                25..45 => ProbeOutcome::fail(ProbeReason::Status, "no"),
                _ => ProbeOutcome::pass(),
            };
            board.finish(0, outcome, T + second * 1000);
            board.tick(T + second * 1000);
        }
        let mut available = Vec::new();
        for series in &board.batch.series {
            match series.labels.get(METRIC_NAME) {
                Some("lapwing_model_available") => available.push(series.samples[0].value),
                Some("lapwing_health_state") if series.labels.get("scope") == Some("model") => states += 1,
                _ => {}
            }
        }
        let attained = available.iter().sum::<f64>() / available.len() as f64;
        assert!(
            (attained - 40.0 / 60.0).abs() < 1e-9,
            "{attained} of {}",
            available.len()
        );
        assert!(
            states > available.len(),
            "its state is told when it changes: {states}"
        );
    }
}
