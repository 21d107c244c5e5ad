//! How health stood over the past day: what each probe would have found, judged by the streaks that judge live looks.
//!
//! Writes what the live board writes: the series of states, the rows from which it goes on, an event for every change.

use super::story::Moment;
use lapwing::HealthOptions;
use lapwing::health::{CheckKind, CheckSpec, HealthEvent, ModelSpec, Role};
use lapwing_judge::health::{CheckState, EndpointHealth, StateChange, model_state, traffic_verdict, worst};
use lapwing_types::{
    HealthState, Kept, LabelsBuilder, METRIC_NAME, ProbeReason, Sample, SeriesWrite, StateKind, Verdict,
    WriteBatch,
};
use serde_json::{Value, json};

/// Requests of the embedder at the brightest hour within the window that its traffic is judged by.
const EMBED_REQUESTS: f64 = 62.0 * 120.0;

pub(super) struct PastHealth<'a> {
    options: &'a HealthOptions,
    checks: Vec<CheckState>,
    traffic: Vec<CheckState>,
    models: Vec<(HealthState, i64)>,
    rows: Kept<Value>,
    events: u64,
}

/// A verdict with what a person would be told.
type Found = (Verdict, Option<ProbeReason>, String);

impl<'a> PastHealth<'a> {
    pub(super) fn new(options: &'a HealthOptions) -> Self {
        PastHealth {
            options,
            checks: vec![CheckState::default(); options.checks.len()],
            traffic: vec![CheckState::default(); options.models.len()],
            models: vec![(HealthState::Unknown, 0); options.models.len()],
            rows: Kept::new(StateKind::Health),
            events: 0,
        }
    }

    /// One look at everything, and the series that it leaves.
    pub(super) fn look(&mut self, now: &Moment) -> WriteBatch {
        let options = self.options;
        let mut batch = WriteBatch::default();
        for (i, spec) in options.checks.iter().enumerate() {
            let (verdict, reason, detail) = found(spec, now);
            let change = self.checks[i].observe(verdict, &spec.policy, now.t_ms);
            if let Some(change) = change {
                self.record(&format!("check/{}", spec.name), change, reason, &detail);
            }
            let labels = labels_of(spec);
            push(&mut batch, &labels, self.checks[i].state.value(), now.t_ms);
            let is_planned = self.is_planned(spec, now.t_ms);
            let value = f64::from(u8::from(is_planned));
            push_as(
                &mut batch,
                "lapwing_health_suppressed",
                &labels,
                (now.t_ms, value),
            );
        }
        for (m, spec) in options.models.iter().enumerate() {
            self.look_at_traffic(m, spec, now);
            self.judge_model(m, spec, now, &mut batch);
        }
        batch
    }

    /// Planned work pages nobody.
    fn is_planned(&self, spec: &CheckSpec, t_ms: i64) -> bool {
        let windows = &self.options.windows;
        windows
            .iter()
            .any(|w| w.holds_for(&[spec.name.as_str()], t_ms).is_some())
    }

    fn look_at_traffic(&mut self, m: usize, spec: &ModelSpec, now: &Moment) {
        let Some(traffic) = &spec.traffic else { return };
        let requests = EMBED_REQUESTS * now.daylight();
        let failed = requests * now.embed_error_share();
        let verdict = traffic_verdict(requests, failed, &traffic.policy);
        let change = self.traffic[m].observe(verdict, &Default::default(), now.t_ms);
        if let Some(change) = change {
            let detail = format!("{failed:.0} of {requests:.0} requests failed");
            let subject = format!("traffic/{}", spec.name);
            self.record(&subject, change, Some(ProbeReason::Traffic), &detail);
        }
    }

    fn judge_model(&mut self, m: usize, spec: &ModelSpec, now: &Moment, batch: &mut WriteBatch) {
        let of = |role: Role| -> Vec<HealthState> {
            let mine = self.options.checks.iter().zip(&self.checks);
            let mine = mine.filter(|(check, _)| {
                let part = check.model.as_ref();
                part.is_some_and(|p| p.model == spec.name && p.role == role)
            });
            mine.map(|(_, state)| state.state).collect()
        };
        // One endpoint each: the worst of its checks is the endpoint's.
        let one = |states: Vec<HealthState>| match states.is_empty() {
            true => Vec::new(),
            false => vec![worst(states)],
        };
        let parts = EndpointHealth {
            endpoints: one(of(Role::Endpoint)),
            fallbacks: one(of(Role::Fallback)),
            others: of(Role::Other),
        };
        let traffic = match self.traffic[m].state {
            HealthState::Unknown => HealthState::Healthy,
            known => known,
        };
        let state = model_state(&parts).max(traffic);
        let (from, _) = self.models[m];
        if from != state {
            self.models[m] = (state, now.t_ms);
            let change = StateChange {
                from,
                to: state,
                at_ms: now.t_ms,
            };
            self.record(&format!("model/{}", spec.name), change, None, "");
        }
        let labels = [("scope", "model".to_owned()), ("model", spec.name.clone())];
        push(batch, &labels, state.value(), now.t_ms);
        if let Some(available) = parts.is_available() {
            let value = f64::from(u8::from(available));
            push_as(batch, "lapwing_model_available", &labels, (now.t_ms, value));
        }
    }

    fn record(&mut self, subject: &str, change: StateChange, reason: Option<ProbeReason>, detail: &str) {
        self.events += 1;
        let event = HealthEvent {
            id: self.events,
            at_ms: change.at_ms,
            subject: subject.to_owned(),
            from: change.from.to_string(),
            to: change.to.to_string(),
            reason: reason.map(|r| r.to_string()).unwrap_or_default(),
            detail: detail.to_owned(),
            diagnosis: Value::Null,
        };
        let row = serde_json::to_value(&event).unwrap_or_default();
        self.rows.insert(format!("event/{:016}", event.id), row);
    }

    /// The events, and the rows from which the live board goes on.
    pub(super) fn take_changes(&mut self) -> Vec<lapwing_types::StateChange> {
        for (spec, state) in self.options.checks.iter().zip(&self.checks) {
            self.rows
                .insert(format!("check/{}", spec.name), json!({ "state": state }));
        }
        let models = self.options.models.iter().zip(&self.models).zip(&self.traffic);
        for ((spec, (state, since_ms)), traffic) in models {
            let row = json!({ "state": state, "since_ms": since_ms, "traffic": traffic });
            self.rows.insert(format!("model/{}", spec.name), row);
        }
        self.rows.take_changes()
    }
}

/// What a look at this moment would have found.
fn found(spec: &CheckSpec, now: &Moment) -> Found {
    let of = spec.model.as_ref().map(|p| p.model.as_str());
    let failed = |detail: &str| (Verdict::Fail, Some(ProbeReason::Status), detail.to_owned());
    match (&spec.what, of) {
        (CheckKind::CheckIn { .. }, _) => (Verdict::Unjudged, None, String::new()),
        (_, Some("rerank")) if now.rerank_is_wedged() => failed("status 503 Service Unavailable"),
        (_, None) if spec.name.starts_with("legacy") => failed("status 503 Service Unavailable"),
        _ => (Verdict::Pass, None, String::new()),
    }
}

/// As the live board labels them.
fn labels_of(spec: &CheckSpec) -> Vec<(&'static str, String)> {
    let mut labels = vec![("scope", "check".to_owned()), ("check", spec.name.clone())];
    let instance = spec.base.clone().or_else(|| match &spec.what {
        CheckKind::Probe(probe) => probe.address().map(str::to_owned),
        CheckKind::CheckIn { .. } => None,
    });
    labels.extend(instance.map(|i| ("instance", i)));
    if let Some(part) = &spec.model {
        labels.push(("model", part.model.clone()));
        labels.push(("role", part.role.as_str().to_owned()));
        labels.push(("endpoint", part.part.clone()));
    }
    labels
}

fn push(batch: &mut WriteBatch, labels: &[(&'static str, String)], value: f64, t_ms: i64) {
    push_as(batch, "lapwing_health_state", labels, (t_ms, value));
}

fn push_as(batch: &mut WriteBatch, name: &str, labels: &[(&'static str, String)], (t_ms, value): (i64, f64)) {
    let mut builder = LabelsBuilder::new();
    builder.set(METRIC_NAME, name);
    builder.set("job", "health");
    for (n, v) in labels {
        builder.set(n, v.as_str());
    }
    batch.series.push(SeriesWrite {
        labels: builder.build(),
        samples: vec![Sample { t_ms, value }],
        ..SeriesWrite::default()
    });
}
