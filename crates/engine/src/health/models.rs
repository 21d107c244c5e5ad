//! Models and the whole, from the states of their checks: once a second, without looking at anything itself.

use super::board::Board;
use super::event::HealthEvent;
use super::quiet::Subject;
use super::series::{ExtraLabels, LabelCache, push};
use super::spec::{CheckKind, HealthOptions, ModelSpec, Role};
use lapwing_judge::health::{
    Cause, CheckPolicy, CheckState, EndpointHealth, Fleet, Shard, ShardEvent, ShardFact, model_state,
    traffic_verdict, worst,
};
use lapwing_types::{DecisionReason, HealthState, ShardState, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How often the series of models are written when nothing changes.
const WRITE_PERIOD_MS: i64 = 10_000;

/// What is kept of a model over restarts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ModelRow {
    pub(super) state: HealthState,
    pub(super) since_ms: i64,
    /// Of real requests; beside the probes and never mixed with them.
    pub(super) traffic: CheckState,
    pub(super) fleet: Fleet,
    pub(super) fallback_ms: i64,
}

pub(super) struct ModelLive {
    pub(super) row: ModelRow,
    /// Where its checks stand on the board.
    pub(super) checks: Vec<usize>,
    pub(super) parts: EndpointHealth,
    /// Requests and failures of the last window, where it is known.
    pub(super) requests: Option<(f64, f64)>,
    pub(super) is_suppressed: bool,
    pub(super) labels: LabelCache,
    /// Availability, budget and burn, as last computed.
    pub(super) objectives: BTreeMap<String, f64>,
}

impl ModelLive {
    pub(super) fn new(spec: &ModelSpec, mut row: ModelRow, now_ms: i64) -> Self {
        if row.since_ms == 0 {
            row.since_ms = now_ms;
        }
        if spec.fleet.is_some() {
            row.fleet.expect(spec.expected_version.clone());
            for endpoint in &spec.endpoints {
                row.fleet.add(endpoint, now_ms);
            }
            row.fleet.shards.retain(|name, _| spec.endpoints.contains(name));
        } else {
            row.fleet = Fleet::default();
        }
        let extra: Vec<(&str, &str)> = spec
            .labels
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let own = [("scope", "model"), ("model", spec.name.as_str())];
        ModelLive {
            row,
            checks: Vec::new(),
            parts: EndpointHealth::default(),
            requests: None,
            is_suppressed: false,
            labels: LabelCache::of(&[extra.as_slice(), &own].concat()),
            objectives: BTreeMap::new(),
        }
    }
}

impl Board {
    /// Everything that follows from time alone, and from the states of the parts.
    pub(super) fn tick(&mut self, now_ms: i64) {
        self.look_at_network(None, now_ms);
        self.expire(now_ms);
        for m in 0..self.models.len() {
            self.judge_model(m, now_ms);
        }
        self.judge_whole(now_ms);
        self.find_causes(now_ms);
        self.decide_repairs(now_ms);
        if now_ms - self.written_ms >= WRITE_PERIOD_MS {
            let since_ms = now_ms - self.written_ms;
            self.written_ms = now_ms;
            self.write_models(now_ms, since_ms.min(2 * WRITE_PERIOD_MS));
        }
    }

    fn expire(&mut self, now_ms: i64) {
        let options = self.options.clone();
        for (i, spec) in options.checks.iter().enumerate() {
            if matches!(spec.what, CheckKind::CheckIn { .. }) {
                continue;
            }
            let Some(change) = self.checks[i].row.state.expire(&spec.policy, now_ms) else {
                continue;
            };
            let mut event =
                HealthEvent::of_state(format!("check/{}", spec.name), (change.from, change.to), now_ms);
            "no look said anything for too long".clone_into(&mut event.detail);
            self.keep_check(i);
            self.record(event);
            self.push_state(i, now_ms);
        }
    }

    fn judge_model(&mut self, m: usize, now_ms: i64) {
        let options = self.options.clone();
        let spec = &options.models[m];
        let parts = self.parts_of(spec, m);
        let row = &self.models[m].row;
        let state = model_state(&parts).max(match row.traffic.state {
            HealthState::Unknown => HealthState::Healthy,
            traffic => traffic,
        });
        // Traffic says something even of a model that has no probes.
        let state = match (model_state(&parts), row.traffic.state) {
            (HealthState::Unknown, HealthState::Healthy) if spec.endpoints.is_empty() => HealthState::Healthy,
            _ => state,
        };
        self.models[m].parts = parts;
        let from = self.models[m].row.state;
        if from == state {
            return;
        }
        let row = &mut self.models[m].row;
        (row.state, row.since_ms) = (state, now_ms);
        self.keep_model(m);
        let mut event = HealthEvent::of_state(format!("model/{}", spec.name), (from, state), now_ms);
        event.detail = self.why_model(m);
        self.record(event);
        self.write_model(m, now_ms, IsCounted::No);
    }

    /// The state of each endpoint is the worst of its checks; a shard that may not serve does not, whatever its probes say.
    fn parts_of(&self, spec: &ModelSpec, m: usize) -> EndpointHealth {
        let mut by_part: BTreeMap<(u8, &str), Vec<HealthState>> = BTreeMap::new();
        let mut parts = EndpointHealth::default();
        for i in &self.models[m].checks {
            let (check, live) = (&self.options.checks[*i], &self.checks[*i]);
            let Some(part) = &check.model else { continue };
            let state = live.row.state.state;
            match part.role {
                Role::Endpoint => by_part.entry((0, &part.part)).or_default().push(state),
                Role::Fallback => by_part.entry((1, &part.part)).or_default().push(state),
                Role::Other => parts.others.push(state),
            }
        }
        let fleet = spec.fleet.is_some().then_some(&self.models[m].row.fleet);
        for ((role, part), states) in by_part {
            let mut state = worst(states);
            if let Some(shard) = fleet.and_then(|f| f.shards.get(part)).filter(|_| role == 0) {
                state = match shard.state {
                    ShardState::Healthy => state,
                    ShardState::Suspect => state.max(HealthState::Degraded),
                    // Not serving for want of a first word, or of another that confirms it, is not knowing.
                    ShardState::Stale if state != HealthState::Unhealthy && may_be_right(shard, fleet) => {
                        HealthState::Unknown
                    }
                    _ => HealthState::Unhealthy,
                };
            }
            if role == 0 {
                parts.endpoints.push(state);
            } else {
                parts.fallbacks.push(state);
            }
        }
        parts
    }

    fn why_model(&self, m: usize) -> String {
        let mine = self.models[m].checks.iter();
        let bad = mine
            .map(|i| (&self.options.checks[*i], &self.checks[*i]))
            .filter(|(_, live)| live.row.state.state >= HealthState::Degraded);
        let said = bad.take(5).map(|(check, live)| {
            let last = live.row.last_bad.as_ref();
            let detail = last.map(|l| l.detail.as_str()).unwrap_or_default();
            format!("{}: {detail}", check.name)
        });
        let fleet = &self.models[m].row.fleet;
        let shards = fleet.shards.iter().filter(|(_, shard)| !shard.state.serves());
        let shards = shards.take(5).filter_map(|(name, shard)| {
            let why = shard.why(fleet.expected.as_deref())?;
            Some(format!("{name} is {}: {why}", shard.state))
        });
        said.chain(shards).collect::<Vec<_>>().join("; ")
    }

    fn judge_whole(&mut self, now_ms: i64) {
        let models = self.models.iter().map(|m| m.row.state);
        let alone = self.options.checks.iter().zip(&self.checks);
        let alone = alone
            .filter(|(spec, _)| spec.model.is_none())
            .map(|(_, live)| live.row.state.state);
        let state = worst(models.chain(alone));
        let from = self.system.0;
        if state != from {
            self.system = (state, now_ms);
            self.record(HealthEvent::of_state("system".to_owned(), (from, state), now_ms));
        }
    }

    /// Who fails because of whom, and who is not to page: a consequence, or under planned work.
    pub(super) fn find_causes(&mut self, now_ms: i64) {
        self.judged_up_to = self.next_id;
        let options = self.options.clone();
        // Only what fails has a cause; with thousands of checks that are well there is next to nothing to do here.
        let mut failing: BTreeMap<String, HealthState> = BTreeMap::new();
        for (spec, live) in options.models.iter().zip(&self.models) {
            if live.row.state.is_failing() {
                failing.insert(format!("model/{}", spec.name), live.row.state);
            }
        }
        for (spec, live) in options.checks.iter().zip(&self.checks) {
            let state = live.row.state.state;
            if spec.model.is_none() && state.is_failing() {
                failing.insert(live.node.clone(), state);
            }
        }
        let before = std::mem::replace(&mut self.causes, self.graph.causes(&failing));
        self.tell_of_causes(&before);
        self.note_aftermath(&before, now_ms);
        let is_planned = options.windows.iter().any(|w| w.when.until_ms(now_ms).is_some());
        if self.causes.is_empty() && !is_planned && !self.has_suppressed {
            return;
        }
        self.suppress(&options, now_ms);
    }

    fn suppress(&mut self, options: &HealthOptions, now_ms: i64) {
        self.has_suppressed = false;
        for (m, spec) in options.models.iter().enumerate() {
            let why = self.why_quiet((&format!("model/{}", spec.name), &spec.name), None, now_ms);
            let suppressed = why.is_some();
            self.has_suppressed |= suppressed;
            self.note_quiet(Subject::Model(m), why, now_ms);
            if std::mem::replace(&mut self.models[m].is_suppressed, suppressed) != suppressed {
                self.write_model(m, now_ms, IsCounted::No);
            }
        }
        for (i, spec) in options.checks.iter().enumerate() {
            let model = spec.model.as_ref().map(|p| p.model.as_str());
            let why = self.why_quiet((&self.checks[i].node, &spec.name), model, now_ms);
            let suppressed = why.is_some();
            self.has_suppressed |= suppressed;
            // A check of a model pages nobody: its model does.
            if model.is_none() {
                self.note_quiet(Subject::Check(i), why, now_ms);
            }
            if std::mem::replace(&mut self.checks[i].is_suppressed, suppressed) != suppressed {
                self.push_state(i, now_ms);
            }
        }
    }

    /// What keeps it from paging: planned work, or the failure of something that it depends on.
    fn why_quiet(
        &self,
        (node, name): (&str, &str),
        model: Option<&str>,
        now_ms: i64,
    ) -> Option<(DecisionReason, String)> {
        if let Some((work, _)) = self.maintenance_of(name, model, now_ms) {
            return Some((
                DecisionReason::PlannedWork,
                format!("{node}: planned work {work}"),
            ));
        }
        let excuse = self.excuse(node, now_ms)?;
        Some((DecisionReason::DependencyFailed, format!("{node}: {excuse}")))
    }

    /// Until when planned work holds for it, and what it is called.
    pub(super) fn maintenance_of(&self, name: &str, model: Option<&str>, now_ms: i64) -> Option<(&str, i64)> {
        let names: Vec<&str> = [Some(name), model].into_iter().flatten().collect();
        self.options
            .windows
            .iter()
            .find_map(|w| Some((w.name.as_str(), w.holds_for(&names, now_ms)?)))
    }

    /// A window of real requests of one model.
    pub(super) fn saw_traffic(&mut self, m: usize, (requests, failed): (f64, f64), now_ms: i64) {
        let options = self.options.clone();
        let Some(traffic) = &options.models[m].traffic else {
            return;
        };
        let model = &mut self.models[m];
        model.requests = Some((requests, failed));
        let verdict = traffic_verdict(requests, failed, &traffic.policy);
        let policy = CheckPolicy::default();
        let change = model.row.traffic.observe(verdict, &policy, now_ms);
        let change = change.or_else(|| model.row.traffic.expire(&policy, now_ms));
        let value = model.row.traffic.state.value();
        push(
            &mut self.batch,
            &mut model.labels,
            ("lapwing_model_traffic_state", &[]),
            (now_ms, value),
        );
        if let Some(change) = change {
            let subject = format!("traffic/{}", options.models[m].name);
            let mut event = HealthEvent::of_state(subject, (change.from, change.to), now_ms);
            event.reason = lapwing_types::ProbeReason::Traffic.to_string();
            event.detail = format!("{failed:.0} of {requests:.0} requests failed");
            self.keep_model(m);
            self.record(event);
        }
    }

    /// What a look at an endpoint says of it as a shard.
    pub(super) fn tell_fleet(&mut self, i: usize, verdict: Verdict, now_ms: i64) {
        let options = self.options.clone();
        let Some(part) = options.checks[i]
            .model
            .as_ref()
            .filter(|p| p.role == Role::Endpoint)
        else {
            return;
        };
        if verdict == Verdict::Unjudged {
            return;
        }
        let mut facts = vec![ShardFact::Probe {
            ok: verdict != Verdict::Fail,
        }];
        let expected = options.models.iter().find(|m| m.name == part.model);
        let version = match (self.checks[i].version.clone(), expected) {
            (Some(version), _) => Some(version),
            // Where no weights are expected, any that answer are right.
            (None, Some(spec)) if spec.expected_version.is_none() && verdict == Verdict::Pass => {
                Some(String::new())
            }
            _ => None,
        };
        facts.extend(version.map(|version| ShardFact::Weights { version }));
        for fact in facts {
            self.shard_fact(&part.model, &part.part, &fact, now_ms);
        }
    }

    pub(super) fn shard_fact(
        &mut self,
        model: &str,
        shard: &str,
        fact: &ShardFact,
        now_ms: i64,
    ) -> Option<ShardEvent> {
        let m = self.model_at(model)?;
        let policy = self.options.models[m].fleet?;
        let event = self.models[m].row.fleet.observe(shard, fact, &policy, now_ms)?;
        let mut kept = HealthEvent::of_state(
            format!("shard/{model}/{shard}"),
            (HealthState::Unknown, HealthState::Unknown),
            now_ms,
        );
        (kept.from, kept.to) = (event.from.to_string(), event.to.to_string());
        kept.reason = serde_json::to_value(event.reason)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default();
        self.keep_model(m);
        self.record(kept);
        Some(event)
    }

    pub(super) fn keep_model(&mut self, m: usize) {
        let key = format!("model/{}", self.options.models[m].name);
        let row = serde_json::to_value(&self.models[m].row).unwrap_or_default();
        self.rows.insert(key, row);
    }

    fn write_models(&mut self, now_ms: i64, since_ms: i64) {
        for m in 0..self.models.len() {
            if self.models[m].parts.is_on_fallback() {
                self.models[m].row.fallback_ms += since_ms;
                self.keep_model(m);
            }
            self.write_model(m, now_ms, IsCounted::Yes);
        }
        let value = self.system.0.value();
        let name = ("lapwing_health_state", &[][..]);
        push(&mut self.batch, &mut self.system_labels, name, (now_ms, value));
        let down = if self.is_network_down { 1.0 } else { 0.0 };
        let name = ("lapwing_own_network_down", &[][..]);
        push(&mut self.batch, &mut self.system_labels, name, (now_ms, down));
    }

    fn write_model(&mut self, m: usize, now_ms: i64, is_counted: IsCounted) {
        let node = format!("model/{}", self.options.models[m].name);
        let consequences = self
            .causes
            .values()
            .filter(|c| matches!(c, Cause::ConsequenceOf { root } if *root == node));
        let consequences = consequences.count() as f64;
        let spec = &self.options.models[m];
        let planned = self.maintenance_of(&spec.name, None, now_ms).is_some();
        let (fleet_policy, objective) = (spec.fleet, spec.objectives.availability);
        let counts = !planned && is_counted == IsCounted::Yes;
        let attained = if counts { self.attained_now(m) } else { Vec::new() };
        let model = &mut self.models[m];
        let yes = |b: bool| if b { 1.0 } else { 0.0 };
        let mut rows: Vec<Row> = vec![
            ("lapwing_health_state", vec![], model.row.state.value()),
            ("lapwing_health_suppressed", vec![], yes(model.is_suppressed)),
            ("lapwing_health_consequences", vec![], consequences),
            (
                "lapwing_model_on_fallback",
                vec![],
                yes(model.parts.is_on_fallback()),
            ),
            (
                "lapwing_model_fallback_seconds_total",
                vec![],
                model.row.fallback_ms as f64 / 1000.0,
            ),
        ];
        // Planned work and ignorance are not counted against anybody.
        if let Some(available) = model.parts.is_available().filter(|_| counts) {
            rows.push(("lapwing_model_available", vec![], yes(available)));
        }
        rows.extend(objective.map(|o| ("lapwing_model_objective_availability", vec![], o)));
        for (aim, share) in attained {
            rows.push((aim.series(), vec![], share));
        }
        if fleet_policy.is_some() {
            fleet_rows(&model.row.fleet, &mut rows);
        }
        for (name, extra, value) in rows {
            push(
                &mut self.batch,
                &mut model.labels,
                (name, &extra),
                (now_ms, value),
            );
        }
    }
}

/// Whether the objectives are written, too. What was attained is the average of their samples, so those have to come at an even
/// pace: one more with every change would count a short outage twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsCounted {
    No,
    Yes,
}

/// Nothing that it said of its weights is wrong.
fn may_be_right(shard: &Shard, fleet: Option<&Fleet>) -> bool {
    let expected = fleet.and_then(|f| f.expected.as_ref());
    match (&shard.version, expected) {
        (Some(version), Some(expected)) => version == expected,
        _ => true,
    }
}

/// A name, its labels beside the model's, a value.
type Row = (&'static str, ExtraLabels, f64);

fn fleet_rows(fleet: &Fleet, rows: &mut Vec<Row>) {
    for state in ShardState::ALL {
        let count = fleet.shards.values().filter(|s| s.state == state).count();
        rows.push((
            "lapwing_fleet_shards",
            vec![("state", state.to_string())],
            count as f64,
        ));
    }
    rows.push(("lapwing_fleet_serving_shards", vec![], fleet.serving() as f64));
    rows.push(("lapwing_fleet_membership_epoch", vec![], fleet.epoch as f64));
    let names: BTreeSet<&String> = fleet.shards.keys().collect();
    for name in names {
        let shard = &fleet.shards[name];
        let label = vec![("shard", name.clone())];
        rows.push((
            "lapwing_fleet_restart_attempts",
            label.clone(),
            f64::from(shard.restart_attempts),
        ));
        let is_expected = match (&fleet.expected, &shard.version) {
            (Some(expected), Some(version)) => expected == version,
            (Some(_), None) => false,
            (None, _) => true,
        };
        rows.push((
            "lapwing_fleet_shard_weights_expected",
            label,
            if is_expected { 1.0 } else { 0.0 },
        ));
    }
}
