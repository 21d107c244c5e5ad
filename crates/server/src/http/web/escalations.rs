//! `GET /api/v1/escalations`: whom nobody's answer leads to, step by step, and who that is right now.

use crate::http::AppState;
use axum::Json;
use axum::extract::State;
use lapwing_notify::config::{EscalationStep, Extras, Whom};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct EscalationView {
    name: String,
    matchers: Vec<String>,
    steps: Vec<StepView>,
}

#[derive(Debug, Serialize)]
struct StepView {
    /// Since the first page.
    after_ms: i64,
    /// `receiver`, `person` or `schedule`, and which.
    kind: &'static str,
    name: String,
    /// Who has the schedule now, where it is one.
    person: Option<String>,
    /// What is told now; none where nobody is on call.
    receiver: Option<String>,
    /// How often it is told again, at the same distance.
    repeat: u32,
}

pub(super) async fn list(State(state): State<AppState>) -> Json<Vec<EscalationView>> {
    let now_ms = state.engine.now_ms();
    let config = state.engine.paging().look(|d| d.config().clone());
    let extras = &config.extras;
    let chains = extras.escalations.iter().map(|chain| EscalationView {
        name: chain.name.clone(),
        matchers: chain.matchers.iter().map(ToString::to_string).collect(),
        steps: chain.steps.iter().map(|s| step_view(s, extras, now_ms)).collect(),
    });
    Json(chains.collect())
}

fn step_view(step: &EscalationStep, extras: &Extras, now_ms: i64) -> StepView {
    let (kind, name, person, receiver) = match &step.whom {
        Whom::Receiver(name) => ("receiver", name, None, Some(name.clone())),
        Whom::Person(name) => ("person", name, None, extras.on_call.people.get(name).cloned()),
        Whom::Schedule(name) => {
            let now = extras.on_call.receiver_at(name, now_ms);
            let (person, receiver) = now.unzip();
            (
                "schedule",
                name,
                person.map(str::to_owned),
                receiver.map(str::to_owned),
            )
        }
    };
    StepView {
        after_ms: step.after_ms,
        kind,
        name: name.clone(),
        person,
        receiver,
        repeat: step.repeat,
    }
}
