//! The board on which everything that is watched stands with its state. Synchronous; `now_ms` is an argument.
//!
//! A row goes to the state store when a state changes or a streak that leads away from it does, not at every look: a crash
//! forgets neither, and what goes well costs no write.

use super::changes::Change;
use super::check_rows::{CheckRows, PREFIX};
use super::event::{AuditEntry, HealthEvent, HealthNote};
use super::excuse::Aftermath;
use super::hosts::Place;
use super::models::ModelLive;
use super::repair::Effect;
use super::series::{LabelCache, push, push_outcome};
use super::spec::{CheckKind, CheckSpec, HealthOptions};
use lapwing_judge::health::{
    Cause, CheckState, DependencyGraph, NetworkLook, RecoveryState, is_own_network_down,
};
use lapwing_types::{
    Decision, HealthState, Kept, ProbeOutcome, ProbeReason, StateChange, StateKind, StateRowError, Verdict,
    WriteBatch,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

const AUDIT_MAX: usize = 1000;
const NOTES_MAX: usize = 200;
/// With so few checks the network is looked at before each of them fails.
const NETWORK_LOOKED_AT_ALWAYS_MAX: usize = 1000;
/// With more of them only this often: in a storm that would be as many times as there are checks, and each goes through all.
const NETWORK_LOOKED_AT_MS: i64 = 100;

/// One result, as short as a person needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastLook {
    pub(super) at_ms: i64,
    pub(super) duration_s: f64,
    pub(super) verdict: Verdict,
    pub(super) reason: Option<ProbeReason>,
    pub(super) detail: String,
    pub(super) phases: Vec<(lapwing_types::Phase, f64)>,
    pub(super) notes: Vec<(Cow<'static, str>, String)>,
}

/// What is kept of a check over restarts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CheckRow {
    pub(super) state: CheckState,
    pub(super) last_good: Option<LastLook>,
    pub(super) last_bad: Option<LastLook>,
    /// For check-ins: when someone reported last, or when we began to wait.
    pub(super) heard_ms: i64,
}

/// Which look was the last one since the start.
#[derive(Debug, Default)]
pub(super) enum Last {
    #[default]
    None,
    Good,
    Bad,
    /// It said nothing of its target, and is kept nowhere else.
    Unjudged(Box<LastLook>),
}

pub(super) struct Live {
    pub(super) row: CheckRow,
    pub(super) last: Last,
    pub(super) version: Option<String>,
    pub(super) is_under_way: bool,
    pub(super) missed: u64,
    pub(super) place: Option<Place>,
    /// What it is called in the graph of dependencies.
    pub(super) node: String,
    pub(super) labels: LabelCache,
    pub(super) is_suppressed: bool,
}

impl Live {
    pub(super) fn last(&self) -> Option<&LastLook> {
        match &self.last {
            Last::None => None,
            Last::Good => self.row.last_good.as_ref(),
            Last::Bad => self.row.last_bad.as_ref(),
            Last::Unjudged(look) => Some(look),
        }
    }
}

pub(super) struct Board {
    /// What is watched: what was configured, and the models made over the API.
    pub(super) options: Arc<HealthOptions>,
    pub(super) configured: Arc<HealthOptions>,
    pub(super) checks: Vec<Live>,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) models: Vec<ModelLive>,
    /// Whatever outlives a crash, but for what is kept of checks.
    pub(super) rows: Kept<Value>,
    pub(super) check_rows: CheckRows,
    pub(super) events: VecDeque<HealthEvent>,
    pub(super) audit: VecDeque<AuditEntry>,
    pub(super) notes: VecDeque<HealthNote>,
    pub(super) changes: VecDeque<Change>,
    pub(super) next_id: u64,
    pub(super) repairs: BTreeMap<String, RecoveryState>,
    pub(super) effects: Vec<Effect>,
    /// Events whose diagnosis is still to be gathered.
    pub(super) undiagnosed: BTreeSet<u64>,
    /// The last event whose cause was looked for.
    pub(super) judged_up_to: u64,
    /// How many diagnoses were forgotten before their turn, since this was last asked.
    pub(super) undiagnosed_lost: u64,
    pub(super) graph: DependencyGraph,
    pub(super) causes: BTreeMap<String, Cause>,
    pub(super) aftermath: BTreeMap<String, Aftermath>,
    /// What is said already of those that are kept quiet.
    pub(super) quiet: BTreeMap<String, String>,
    pub(super) decisions: Vec<Decision>,
    pub(super) batch: WriteBatch,
    pub(super) is_network_down: bool,
    pub(super) network_looked_ms: i64,
    /// Whether any check or model may not page now.
    pub(super) has_suppressed: bool,
    pub(super) system: (HealthState, i64),
    pub(super) system_labels: LabelCache,
    pub(super) written_ms: i64,
}

impl Board {
    pub(super) fn new(
        options: Arc<HealthOptions>,
        kept: Vec<(String, String)>,
        now_ms: i64,
    ) -> (Self, Vec<StateRowError>) {
        let (of_checks, kept) = kept.into_iter().partition(|(key, _)| key.starts_with(PREFIX));
        let (check_rows, mut wrong) = CheckRows::load(of_checks);
        let (rows, other_wrong) = Kept::<Value>::load(StateKind::Health, kept);
        wrong.extend(other_wrong);
        let mut board = Board {
            options: Arc::default(),
            configured: Arc::default(),
            checks: Vec::new(),
            by_name: HashMap::new(),
            models: Vec::new(),
            events: listed(&rows, "event/"),
            audit: listed(&rows, "audit/"),
            notes: listed(&rows, "note/"),
            changes: listed(&rows, "change/"),
            next_id: next_id(&rows),
            repairs: BTreeMap::new(),
            effects: Vec::new(),
            undiagnosed: BTreeSet::new(),
            judged_up_to: 0,
            undiagnosed_lost: 0,
            graph: DependencyGraph::default(),
            causes: BTreeMap::new(),
            aftermath: BTreeMap::new(),
            quiet: BTreeMap::new(),
            decisions: Vec::new(),
            batch: WriteBatch::default(),
            is_network_down: false,
            network_looked_ms: 0,
            has_suppressed: false,
            system: (HealthState::Unknown, now_ms),
            system_labels: LabelCache::of(&[("scope", "system")]),
            written_ms: 0,
            rows,
            check_rows,
        };
        board.resume_diagnoses(now_ms);
        board.configure(options, now_ms);
        (board, wrong)
    }

    /// Nothing is watched, and nothing is left to be written of what was.
    pub(super) fn is_idle(&self) -> bool {
        self.options.checks.is_empty()
            && self.options.models.is_empty()
            && self.system.0 == HealthState::Unknown
            && self.batch.series.is_empty()
            && !self.rows.is_touched()
            && !self.check_rows.is_touched()
    }

    /// Where a check of these options stands now; `None` when it is gone, or asks something else since.
    pub(super) fn now_at(&self, options: &Arc<HealthOptions>, i: usize) -> Option<usize> {
        if Arc::ptr_eq(options, &self.options) {
            return Some(i);
        }
        let spec = options.checks.get(i)?;
        let now_at = *self.by_name.get(&spec.name)?;
        (self.options.checks[now_at] == *spec).then_some(now_at)
    }

    pub(super) fn model_at(&self, name: &str) -> Option<usize> {
        self.options.models.iter().position(|m| m.name == name)
    }

    pub(super) fn model_now_at(&self, options: &Arc<HealthOptions>, m: usize) -> Option<usize> {
        if Arc::ptr_eq(options, &self.options) {
            return Some(m);
        }
        let spec = options.models.get(m)?;
        self.options.models.iter().position(|s| s == spec)
    }

    /// The first look of a check is wanted only as long as there was none.
    pub(super) fn is_wanted(&self, i: usize, is_first: bool) -> bool {
        let live = &self.checks[i];
        !is_first || (live.last().is_none() && !live.is_under_way)
    }

    /// A look is to begin; false while the last one is under way.
    pub(super) fn begin(&mut self, i: usize) -> bool {
        let live = &mut self.checks[i];
        if live.is_under_way {
            live.missed += 1;
            return false;
        }
        live.is_under_way = true;
        true
    }

    /// A look came to its end. `t_ms` is when it was meant to be.
    pub(super) fn finish(&mut self, i: usize, mut outcome: ProbeOutcome, t_ms: i64) {
        let options = self.options.clone();
        let spec = &options.checks[i];
        self.checks[i].is_under_way = false;
        let is_remote = self.checks[i].place.as_ref().is_some_and(|p| !p.is_loopback());
        let is_silent = outcome.reason.is_some_and(ProbeReason::is_network);
        if is_remote && is_silent && !self.is_network_down && self.is_about_to_fail(i) {
            self.look_at_network_before(i, t_ms);
        }
        if self.is_network_down && is_remote && is_silent {
            let detail = format!("our own network is down ({})", outcome.detail);
            outcome.verdict = Verdict::Unjudged;
            outcome.reason = Some(ProbeReason::OwnNetwork);
            outcome.detail = detail;
        }
        if let Some(version) = &outcome.version {
            self.note_version(i, version, t_ms);
        }
        let live = &mut self.checks[i];
        push_outcome(
            &mut self.batch,
            &mut live.labels,
            (spec.what.kind(), &outcome),
            t_ms,
        );
        let look = LastLook::of(&outcome, t_ms);
        live.last = match outcome.verdict {
            Verdict::Pass => {
                live.row.last_good = Some(look);
                Last::Good
            }
            Verdict::Fail | Verdict::Degraded => {
                live.row.last_bad = Some(look);
                Last::Bad
            }
            Verdict::Unjudged => Last::Unjudged(Box::new(look)),
        };
        let leaning = live.row.state.leaning(&spec.policy);
        let change = live.row.state.observe(outcome.verdict, &spec.policy, t_ms);
        let is_leaning_otherwise = live.row.state.leaning(&spec.policy) != leaning;
        if let Some(change) = change {
            let mut event =
                HealthEvent::of_state(format!("check/{}", spec.name), (change.from, change.to), t_ms);
            event.reason = outcome.reason.map(|r| r.to_string()).unwrap_or_default();
            event.detail = outcome.detail;
            self.keep_check(i);
            self.record(event);
            if change.to.is_failing() {
                self.excuse_at_once(i, t_ms);
            }
        } else if is_leaning_otherwise {
            self.keep_check(i);
        }
        self.push_state(i, t_ms);
        self.tell_fleet(i, outcome.verdict, t_ms);
    }

    pub(super) fn push_state(&mut self, i: usize, t_ms: i64) {
        let live = &mut self.checks[i];
        let scope = [("scope", "check".to_owned())];
        let value = live.row.state.state.value();
        push(
            &mut self.batch,
            &mut live.labels,
            ("lapwing_health_state", &scope),
            (t_ms, value),
        );
        let suppressed = if live.is_suppressed { 1.0 } else { 0.0 };
        let name = ("lapwing_health_suppressed", &scope[..]);
        push(&mut self.batch, &mut live.labels, name, (t_ms, suppressed));
    }

    pub(super) fn keep_check(&mut self, i: usize) {
        self.check_rows
            .put(&self.options.checks[i].name, &self.checks[i].row);
    }

    /// Writes an event down; what is too many of them is forgotten with the next write.
    pub(super) fn record(&mut self, mut event: HealthEvent) {
        event.id = self.take_id();
        self.undiagnosed.insert(event.id);
        self.events.push_back(event);
        self.keep_event(self.events.len() - 1);
    }

    /// Its row is as it stands now.
    pub(super) fn keep_event(&mut self, at: usize) {
        let event = &self.events[at];
        let row = serde_json::to_value(event).unwrap_or_default();
        self.rows.insert(format!("event/{:016}", event.id), row);
    }

    pub(super) fn record_audit(&mut self, entry: AuditEntry) {
        let id = self.take_id();
        self.rows.insert(
            format!("audit/{id:016}"),
            serde_json::to_value(&entry).unwrap_or_default(),
        );
        self.audit.push_back(entry);
        self.forget("audit/", AUDIT_MAX);
        while self.audit.len() > AUDIT_MAX {
            self.audit.pop_front();
        }
    }

    pub(super) fn record_note(&mut self, note: HealthNote) {
        let id = self.take_id();
        self.rows.insert(
            format!("note/{id:016}"),
            serde_json::to_value(&note).unwrap_or_default(),
        );
        self.notes.push_back(note);
        self.forget("note/", NOTES_MAX);
        while self.notes.len() > NOTES_MAX {
            self.notes.pop_front();
        }
    }

    pub(super) fn forget(&mut self, prefix: &str, max: usize) {
        let keys: Vec<String> = self
            .rows
            .keys()
            .filter(|k| k.starts_with(prefix))
            .map(str::to_owned)
            .collect();
        for key in keys.iter().take(keys.len().saturating_sub(max)) {
            self.rows.remove(key);
        }
    }

    pub(super) fn diagnosed(&mut self, id: u64, mut diagnosis: Value) {
        let Some(at) = self.events.iter().position(|e| e.id == id) else {
            return;
        };
        // Of an event that another followed since, today's cause is not the cause.
        let subject = &self.events[at].subject;
        let is_newest = !self.events.iter().skip(at + 1).any(|e| e.subject == *subject);
        let cause = self.cause_of(&self.events[at]).filter(|_| is_newest);
        if let (Value::Object(found), Some(root)) = (&mut diagnosis, cause) {
            found.insert("cause".to_owned(), Value::String(root.to_owned()));
        }
        self.events[at].diagnosis = diagnosis;
        self.keep_event(at);
    }

    pub(super) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Someone reports: it worked, or it did not. `None` when nobody waits for that name.
    pub(super) fn check_in(&mut self, name: &str, (ok, detail): (bool, &str), now_ms: i64) -> Option<()> {
        let i = *self.by_name.get(name)?;
        if !matches!(self.options.checks[i].what, CheckKind::CheckIn { .. }) {
            return None;
        }
        self.checks[i].row.heard_ms = now_ms;
        let outcome = if ok {
            ProbeOutcome::pass()
        } else {
            ProbeOutcome::fail(ProbeReason::ExitCode, format!("it reported a failure: {detail}"))
        };
        self.finish(i, outcome, now_ms);
        self.keep_check(i);
        Some(())
    }

    /// A check-in is looked at as a probe is: is it overdue?
    pub(super) fn look_at_check_in(&mut self, i: usize, deadline_ms: i64, now_ms: i64) {
        self.checks[i].is_under_way = false;
        let silent_ms = now_ms - self.checks[i].row.heard_ms;
        if silent_ms > deadline_ms {
            let silent = lapwing_types::format_duration_ms(silent_ms / 1000 * 1000);
            let allowed = lapwing_types::format_duration_ms(deadline_ms);
            let detail = format!("nobody reported for {silent}, {allowed} are allowed");
            self.finish(i, ProbeOutcome::fail(ProbeReason::Overdue, detail), now_ms);
        } else {
            self.push_state(i, now_ms);
        }
    }

    /// One more failure and it is unhealthy.
    fn is_about_to_fail(&self, i: usize) -> bool {
        let state = &self.checks[i].row.state;
        !state.state.is_failing() && state.failing + 1 >= self.options.checks[i].policy.failures
    }

    /// The last chance not to blame this check: the next tick may come after its failure was written.
    fn look_at_network_before(&mut self, i: usize, now_ms: i64) {
        let is_small = self.checks.len() <= NETWORK_LOOKED_AT_ALWAYS_MAX;
        if is_small || (now_ms - self.network_looked_ms).abs() >= NETWORK_LOOKED_AT_MS {
            self.look_at_network(Some(i), now_ms);
        }
    }

    /// Whether nothing outside of this machine answers. `silent` has just not answered, which its last look does not show yet.
    pub(super) fn look_at_network(&mut self, silent: Option<usize>, now_ms: i64) {
        self.network_looked_ms = now_ms;
        let options = self.options.clone();
        let fresh = |at_ms: i64, spec: &CheckSpec| now_ms - at_ms <= 3 * spec.interval_ms + spec.timeout_ms;
        let looks = options
            .checks
            .iter()
            .zip(&self.checks)
            .enumerate()
            .filter_map(|(at, (spec, live))| {
                let place = live.place.as_ref().filter(|place| !place.is_loopback())?;
                let is_silent = match live.last() {
                    _ if silent == Some(at) => true,
                    Some(last) if fresh(last.at_ms, spec) => last
                        .reason
                        .is_some_and(|r| r.is_network() || r == ProbeReason::OwnNetwork),
                    _ => return None,
                };
                Some(NetworkLook {
                    host: &place.host,
                    is_canary: spec.is_canary,
                    is_silent,
                })
            });
        // With ten thousand checks that answer there is nothing to sort out.
        let is_down = looks.clone().any(|l| l.is_silent) && is_own_network_down(looks);
        if is_down != self.is_network_down {
            self.is_network_down = is_down;
            let word = |down: bool| if down { "network_down" } else { "network_up" };
            let mut event = HealthEvent::of_state(
                "system".to_owned(),
                (HealthState::Unknown, HealthState::Unknown),
                now_ms,
            );
            (event.from, event.to) = (word(!is_down).to_owned(), word(is_down).to_owned());
            event.reason = ProbeReason::OwnNetwork.to_string();
            self.record(event);
        }
    }

    pub(super) fn take_changes(&mut self) -> Vec<StateChange> {
        self.forget_events();
        let mut changes = self.rows.take_changes();
        changes.extend(self.check_rows.take_changes());
        changes
    }
}

impl CheckKind {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            CheckKind::Probe(probe) => probe.kind(),
            CheckKind::CheckIn { .. } => "check_in",
        }
    }
}

impl LastLook {
    fn of(outcome: &ProbeOutcome, at_ms: i64) -> Self {
        LastLook {
            at_ms,
            duration_s: outcome.duration_s,
            verdict: outcome.verdict,
            reason: outcome.reason,
            detail: outcome.detail.clone(),
            phases: outcome.phases.clone(),
            notes: outcome
                .notes
                .iter()
                .map(|(name, text)| (Cow::Borrowed(*name), text.clone()))
                .collect(),
        }
    }
}

fn listed<T: serde::de::DeserializeOwned>(rows: &Kept<Value>, prefix: &str) -> VecDeque<T> {
    rows.iter()
        .filter(|(k, _)| k.starts_with(prefix))
        .filter_map(|(_, v)| serde_json::from_value(v.clone()).ok())
        .collect()
}

fn next_id(rows: &Kept<Value>) -> u64 {
    let numbers = rows.keys().filter_map(|k| {
        let (kind, id) = k.split_once('/')?;
        matches!(kind, "event" | "audit" | "note" | "change").then(|| id.parse::<u64>().ok())?
    });
    numbers.max().unwrap_or(0)
}
