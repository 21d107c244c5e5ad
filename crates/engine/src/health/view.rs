//! Health as the API shows it: the whole tree, worst first.

use super::board::{Board, CheckRow, LastLook, Live};
use super::event::{AuditEntry, HealthEvent, HealthNote};
use super::job::Health;
use super::models::ModelLive;
use super::spec::{CheckKind, CheckSpec, ModelSpec, Role};
use lapwing_judge::health::{Cause, RecoveryPhase};
use lapwing_types::{HealthState, Phase, ProbeReason, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthView {
    pub state: HealthState,
    pub since_ms: i64,
    pub own_network_down: bool,
    pub models: Vec<ModelView>,
    /// Those that belong to no model.
    pub checks: Vec<CheckView>,
    pub maintenance: Vec<MaintenanceView>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelView {
    pub name: String,
    pub state: HealthState,
    pub since_ms: i64,
    pub version: Option<String>,
    pub engine: Option<String>,
    pub owner: Option<String>,
    /// `config`, or `api`.
    #[serde(default)]
    pub origin: String,
    pub on_fallback: bool,
    pub available: Option<bool>,
    /// What caused it, where it is a consequence.
    pub consequence_of: Option<String>,
    /// Pages nobody now: a consequence, or under planned work.
    #[serde(default)]
    pub suppressed: bool,
    /// What fails only because of it.
    #[serde(default)]
    pub consequences: Vec<String>,
    pub maintenance: Option<String>,
    pub traffic: HealthState,
    pub requests: Option<(f64, f64)>,
    pub endpoints: Vec<EndpointView>,
    pub shards: Vec<ShardView>,
    pub membership_epoch: Option<u64>,
    pub objectives: BTreeMap<String, f64>,
    pub recovery: Vec<RecoveryView>,
    pub depends_on: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EndpointView {
    pub url: String,
    pub role: String,
    pub state: HealthState,
    pub checks: Vec<CheckView>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardView {
    pub name: String,
    pub state: String,
    pub since_ms: i64,
    pub version: Option<String>,
    /// Why it does not serve as it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub probe_failures: u32,
    pub request_failures: u32,
    pub restart_attempts: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckView {
    pub name: String,
    pub kind: String,
    pub state: HealthState,
    pub since_ms: i64,
    pub verdict: Option<Verdict>,
    pub reason: Option<ProbeReason>,
    pub detail: String,
    pub last_ms: Option<i64>,
    pub duration_s: Option<f64>,
    pub phases: BTreeMap<Phase, f64>,
    pub notes: BTreeMap<String, String>,
    pub version: Option<String>,
    pub interval_ms: i64,
    pub missed: u64,
    pub consequence_of: Option<String>,
    #[serde(default)]
    pub suppressed: bool,
    #[serde(default)]
    pub consequences: Vec<String>,
    pub maintenance: Option<String>,
    pub recovery: Vec<RecoveryView>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecoveryView {
    pub target: String,
    pub name: String,
    pub action: String,
    pub phase: RecoveryPhase,
    pub dry_run: bool,
    pub needs_approval: bool,
    pub started_last_hour: usize,
    pub per_hour_max: u32,
    pub escalated: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MaintenanceView {
    pub name: String,
    pub of: Vec<String>,
    pub until_ms: i64,
}

impl Health {
    pub fn view(&self, now_ms: i64) -> HealthView {
        self.change(|board| board.view(now_ms))
    }

    /// The newest first.
    pub fn events(&self, limit: usize) -> Vec<HealthEvent> {
        self.change(|board| board.events.iter().rev().take(limit).cloned().collect())
    }

    /// What repairs did and did not do; the newest first.
    pub fn audit(&self, limit: usize) -> Vec<AuditEntry> {
        self.change(|board| board.audit.iter().rev().take(limit).cloned().collect())
    }

    pub fn notes(&self) -> Vec<HealthNote> {
        self.change(|board| board.notes.iter().rev().cloned().collect())
    }

    /// Of a model or a check by its name, or of the whole.
    pub fn state_of(&self, name: Option<&str>) -> Option<HealthState> {
        self.change(|board| {
            let Some(name) = name else {
                return Some(board.system.0);
            };
            let model = board.model_at(name);
            let state = model.map(|m| board.models[m].row.state);
            state.or_else(|| board.by_name.get(name).map(|i| board.checks[*i].row.state.state))
        })
    }
}

impl Board {
    fn view(&self, now_ms: i64) -> HealthView {
        let rows = self.options.checks.iter().zip(&self.checks);
        let mut checks: Vec<CheckView> = rows
            .filter(|(spec, _)| spec.model.is_none())
            .map(|(spec, live)| self.check_view(spec, live, now_ms))
            .collect();
        checks.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.name.cmp(&b.name)));
        let models = self.options.models.iter().zip(&self.models);
        let mut models: Vec<ModelView> = models.map(|(s, l)| self.model_view(s, l, now_ms)).collect();
        models.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.name.cmp(&b.name)));
        let windows = self.options.windows.iter().filter_map(|w| {
            Some(MaintenanceView {
                name: w.name.clone(),
                of: w.of.clone(),
                until_ms: w.when.until_ms(now_ms)?,
            })
        });
        HealthView {
            state: self.system.0,
            since_ms: self.system.1,
            own_network_down: self.is_network_down,
            models,
            checks,
            maintenance: windows.collect(),
        }
    }

    pub(super) fn consequences_of(&self, node: &str) -> Vec<String> {
        let all = self.causes.iter();
        all.filter(|(_, cause)| matches!(cause, Cause::ConsequenceOf { root } if root == node))
            .map(|(child, _)| child.clone())
            .collect()
    }

    fn root_of(&self, node: &str) -> Option<String> {
        match self.causes.get(node)? {
            Cause::Root => None,
            Cause::ConsequenceOf { root } => Some(root.clone()),
        }
    }

    fn model_view(&self, spec: &ModelSpec, live: &ModelLive, now_ms: i64) -> ModelView {
        let mut endpoints: Vec<EndpointView> = Vec::new();
        for i in &live.checks {
            let (check, of) = (&self.options.checks[*i], &self.checks[*i]);
            let Some(part) = &check.model else { continue };
            let view = self.check_view(check, of, now_ms);
            let role = part.role.as_str();
            match endpoints
                .iter_mut()
                .find(|e| e.url == part.part && e.role == role)
            {
                Some(endpoint) => {
                    endpoint.state = endpoint.state.max(view.state);
                    endpoint.checks.push(view);
                }
                None => endpoints.push(EndpointView {
                    url: part.part.clone(),
                    role: role.to_owned(),
                    state: view.state,
                    checks: vec![view],
                }),
            }
        }
        let endpoint_first = |e: &EndpointView| e.role != Role::Endpoint.as_str();
        endpoints.sort_by(|a, b| (endpoint_first(a), b.state).cmp(&(endpoint_first(b), a.state)));
        let fleet = &live.row.fleet;
        ModelView {
            name: spec.name.clone(),
            state: live.row.state,
            since_ms: live.row.since_ms,
            version: spec.version.clone(),
            engine: spec.engine.clone(),
            owner: spec.owner.clone(),
            origin: self.origin_of(&spec.name).to_owned(),
            on_fallback: live.parts.is_on_fallback(),
            available: live.parts.is_available(),
            consequence_of: self.root_of(&format!("model/{}", spec.name)),
            suppressed: live.is_suppressed,
            consequences: self.consequences_of(&format!("model/{}", spec.name)),
            maintenance: self
                .maintenance_of(&spec.name, None, now_ms)
                .map(|(n, _)| n.to_owned()),
            traffic: live.row.traffic.state,
            requests: live.requests,
            endpoints,
            shards: fleet
                .shards
                .iter()
                .map(|(name, shard)| ShardView {
                    name: name.clone(),
                    state: shard.state.to_string(),
                    since_ms: shard.since_ms,
                    version: shard.version.clone(),
                    why: shard.why(fleet.expected.as_deref()),
                    probe_failures: shard.probe_failures,
                    request_failures: shard.request_failures,
                    restart_attempts: shard.restart_attempts,
                })
                .collect(),
            membership_epoch: spec.fleet.map(|_| fleet.epoch),
            objectives: live.objectives.clone(),
            recovery: self.recovery_views(&format!("model/{}", spec.name), &spec.recovery),
            depends_on: spec.depends_on.clone(),
        }
    }

    fn check_view(&self, spec: &CheckSpec, live: &Live, now_ms: i64) -> CheckView {
        let last: Option<&LastLook> = live.last();
        let row: &CheckRow = &live.row;
        let model = spec.model.as_ref().map(|p| p.model.as_str());
        let last_ms = match spec.what {
            CheckKind::CheckIn { .. } => Some(row.heard_ms),
            CheckKind::Probe(_) => last.map(|l| l.at_ms),
        };
        CheckView {
            name: spec.name.clone(),
            kind: spec.what.kind().to_owned(),
            state: row.state.state,
            since_ms: row.state.since_ms,
            verdict: last.map(|l| l.verdict),
            reason: last.and_then(|l| l.reason),
            detail: last.map(|l| l.detail.clone()).unwrap_or_default(),
            last_ms,
            duration_s: last.map(|l| l.duration_s),
            phases: last
                .map(|l| l.phases.iter().copied().collect())
                .unwrap_or_default(),
            notes: last
                .map(|l| l.notes.iter().map(|(n, t)| (n.to_string(), t.clone())).collect())
                .unwrap_or_default(),
            version: live.version.clone(),
            interval_ms: spec.interval_ms,
            missed: live.missed,
            consequence_of: self.root_of(&format!("check/{}", spec.name)),
            suppressed: live.is_suppressed,
            consequences: self.consequences_of(&format!("check/{}", spec.name)),
            maintenance: self
                .maintenance_of(&spec.name, model, now_ms)
                .map(|(n, _)| n.to_owned()),
            recovery: self.recovery_views(&format!("check/{}", spec.name), &spec.recovery),
        }
    }

    fn recovery_views(&self, target: &str, specs: &[super::spec::RecoverySpec]) -> Vec<RecoveryView> {
        specs
            .iter()
            .map(|spec| {
                let state = self.repairs.get(&format!("repair/{target}/{}", spec.name));
                RecoveryView {
                    target: target.to_owned(),
                    name: spec.name.clone(),
                    action: spec.action.kind().to_owned(),
                    phase: state.map(|s| s.phase).unwrap_or_default(),
                    dry_run: spec.policy.is_dry_run,
                    needs_approval: spec.policy.needs_approval,
                    started_last_hour: state.map_or(0, |s| s.started_ms.len()),
                    per_hour_max: spec.policy.per_hour_max,
                    escalated: state.is_some_and(|s| s.is_escalated),
                }
            })
            .collect()
    }
}
