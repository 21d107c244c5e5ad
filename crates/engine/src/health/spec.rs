//! What is to be watched: checks, models, planned work. Made by the configuration, immutable afterwards.

use lapwing_collect::probe::Probe;
use lapwing_judge::health::{CheckPolicy, FleetPolicy, MaintenanceWindow, RecoveryPolicy, TrafficPolicy};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct HealthOptions {
    pub checks: Vec<CheckSpec>,
    pub models: Vec<ModelSpec>,
    pub windows: Vec<MaintenanceWindow>,
    /// Shown on the public status page as its title.
    pub status_title: Option<String>,
    /// How a model that was made over the API is read; without it there are none such.
    pub read_model: Option<ReadModel>,
}

/// From a model as the configuration would say it, in JSON; an error says what is wrong with it.
pub type ReadModel = fn(&serde_json::Value) -> Result<(ModelSpec, Vec<CheckSpec>), String>;

/// One thing that is looked at again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckSpec {
    /// Unique; for a model's endpoint `model/endpoint/probe`.
    pub name: String,
    pub model: Option<ModelPart>,
    pub what: CheckKind,
    /// What relative paths refer to.
    pub base: Option<String>,
    pub interval_ms: i64,
    pub timeout_ms: i64,
    /// A look that passes and takes longer is degraded.
    pub degraded_above_ms: Option<i64>,
    pub policy: CheckPolicy,
    pub labels: BTreeMap<String, String>,
    /// Names of checks and models without which it cannot work.
    pub depends_on: Vec<String>,
    /// Answers only if our own network works.
    pub is_canary: bool,
    pub recovery: Vec<RecoverySpec>,
}

#[cfg(test)]
impl CheckSpec {
    /// A look a second at a port of this machine, which a test changes to its wishes.
    pub(super) fn example(name: &str) -> Self {
        CheckSpec {
            name: name.to_owned(),
            model: None,
            what: Probe::Tcp(Box::new(lapwing_collect::probe::TcpProbe {
                address: Some("127.0.0.1:1".to_owned()),
                ..Default::default()
            }))
            .into(),
            base: None,
            interval_ms: 1000,
            timeout_ms: 500,
            degraded_above_ms: None,
            policy: CheckPolicy::default(),
            labels: BTreeMap::new(),
            depends_on: Vec::new(),
            is_canary: false,
            recovery: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    /// Shared: it is the largest part of a check, and of ten thousand there are several lists.
    Probe(Arc<Probe>),
    /// Someone reports to us; silence for longer than this is a failure.
    CheckIn { deadline_ms: i64 },
}

impl From<Probe> for CheckKind {
    fn from(probe: Probe) -> Self {
        CheckKind::Probe(Arc::new(probe))
    }
}

/// Where in a model a check belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPart {
    pub model: String,
    pub role: Role,
    /// The endpoint's URL, or what the artifact is called.
    pub part: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Endpoint,
    Fallback,
    Other,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Endpoint => "endpoint",
            Role::Fallback => "fallback",
            Role::Other => "other",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelSpec {
    pub name: String,
    pub version: Option<String>,
    pub engine: Option<String>,
    pub owner: Option<String>,
    pub endpoints: Vec<String>,
    pub fallbacks: Vec<String>,
    pub objectives: Objectives,
    pub depends_on: Vec<String>,
    pub traffic: Option<TrafficSpec>,
    /// Endpoints as shards: only those with the expected version serve.
    pub fleet: Option<FleetPolicy>,
    pub expected_version: Option<String>,
    pub recovery: Vec<RecoverySpec>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objectives {
    /// A share, such as 0.995.
    pub availability: Option<f64>,
    pub p95_latency_s: Option<f64>,
    /// PromQL: the share of requests that were fast enough. By the looks at the endpoints without it.
    pub latency_from: Option<String>,
    /// The share of right answers that is aimed at.
    pub quality: Option<f64>,
    /// PromQL: a score from 0 to 1. By the answers to the probes without it.
    pub quality_from: Option<String>,
    pub window_ms: i64,
}

/// What is aimed at, by the word that stands in labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    Availability,
    Latency,
    Quality,
}

impl Aim {
    pub const ALL: [Aim; 3] = [Aim::Availability, Aim::Latency, Aim::Quality];

    pub fn as_str(self) -> &'static str {
        match self {
            Aim::Availability => "availability",
            Aim::Latency => "latency",
            Aim::Quality => "quality",
        }
    }

    /// The series of which the average over a window is what was attained.
    pub fn series(self) -> &'static str {
        match self {
            Aim::Availability => "lapwing_model_available",
            Aim::Latency => "lapwing_model_fast",
            Aim::Quality => "lapwing_model_right",
        }
    }
}

impl Objectives {
    /// The share that is aimed at; of a 95th percentile it is its own.
    pub fn target(&self, aim: Aim) -> Option<f64> {
        match aim {
            Aim::Availability => self.availability,
            Aim::Latency => self.p95_latency_s.map(|_| 0.95),
            Aim::Quality => self.quality,
        }
    }
}

/// How real requests fare, in PromQL over a window of its choice.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficSpec {
    pub requests: String,
    pub failed: String,
    pub policy: TrafficPolicy,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecoverySpec {
    /// Unique within its target.
    pub name: String,
    pub action: Action,
    pub policy: RecoveryPolicy,
    pub timeout_ms: i64,
}

/// What a repair does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Http {
        url: String,
        method: String,
        headers: BTreeMap<String, String>,
        body: Option<String>,
    },
    Command {
        argv: Vec<String>,
    },
    SystemdRestart {
        unit: String,
    },
    ContainerRestart {
        container: String,
        /// Of the engine; Docker's own without it.
        socket: Option<PathBuf>,
    },
    KubernetesRestart {
        namespace: String,
        /// `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`.
        workload: String,
    },
}

impl Action {
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Http { .. } => "http",
            Action::Command { .. } => "command",
            Action::SystemdRestart { .. } => "systemd_restart",
            Action::ContainerRestart { .. } => "container_restart",
            Action::KubernetesRestart { .. } => "kubernetes_restart",
        }
    }
}
