//! One thing that was done, and what the machine was doing meanwhile.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of thing was done. The words are those of the seeds where they have one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum OperationKind {
    Request,
    Inference,
    Download,
    HealthCheck,
    Fallback,
    Analytics,
    SystemResource,
    Model,
    Pipeline,
    TrainingStep,
    Custom(String),
}

impl OperationKind {
    pub const KNOWN: [OperationKind; 10] = [
        OperationKind::Request,
        OperationKind::Inference,
        OperationKind::Download,
        OperationKind::HealthCheck,
        OperationKind::Fallback,
        OperationKind::Analytics,
        OperationKind::SystemResource,
        OperationKind::Model,
        OperationKind::Pipeline,
        OperationKind::TrainingStep,
    ];

    pub fn as_str(&self) -> &str {
        match self {
            OperationKind::Request => "request",
            OperationKind::Inference => "inference",
            OperationKind::Download => "download_operation",
            OperationKind::HealthCheck => "health_check",
            OperationKind::Fallback => "fallback_strategy",
            OperationKind::Analytics => "analytics_collection",
            OperationKind::SystemResource => "system_resource",
            OperationKind::Model => "model_operation",
            OperationKind::Pipeline => "pipeline",
            OperationKind::TrainingStep => "training_step",
            OperationKind::Custom(word) => word,
        }
    }
}

impl From<String> for OperationKind {
    fn from(word: String) -> Self {
        let known = OperationKind::KNOWN.into_iter().find(|k| k.as_str() == word);
        known.unwrap_or(match word.as_str() {
            "download" => OperationKind::Download,
            "fallback" => OperationKind::Fallback,
            "analytics" => OperationKind::Analytics,
            "model" => OperationKind::Model,
            _ => OperationKind::Custom(word),
        })
    }
}

impl From<OperationKind> for String {
    fn from(kind: OperationKind) -> Self {
        kind.as_str().to_owned()
    }
}

/// What the machine or one process uses at an instant. Whatever could not be read is absent, which is not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceSnapshot {
    pub t_ms: i64,
    pub cpu_percent: Option<f64>,
    pub memory_percent: Option<f64>,
    pub memory_used_bytes: Option<f64>,
    pub memory_available_bytes: Option<f64>,
    pub disk_percent: Option<f64>,
    pub disk_free_bytes: Option<f64>,
    pub disk_read_bytes: Option<f64>,
    pub disk_written_bytes: Option<f64>,
    pub network_sent_bytes: Option<f64>,
    pub network_received_bytes: Option<f64>,
    /// Of this process.
    pub process_cpu_s: Option<f64>,
    pub process_memory_bytes: Option<f64>,
    pub process_threads: Option<f64>,
    pub load1: Option<f64>,
    /// All of them, not the first.
    pub gpus: Vec<GpuUse>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuUse {
    pub gpu: String,
    pub model: String,
    pub utilization_percent: Option<f64>,
    pub memory_used_bytes: Option<f64>,
    pub memory_total_bytes: Option<f64>,
    pub temperature_celsius: Option<f64>,
    pub power_watts: Option<f64>,
}

/// The difference between two readings of one process around an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceUse {
    pub cpu_s: Option<f64>,
    pub memory_before_bytes: Option<f64>,
    pub memory_after_bytes: Option<f64>,
    pub read_bytes: Option<f64>,
    pub written_bytes: Option<f64>,
    pub gpu_memory_before_bytes: Option<f64>,
    pub gpu_memory_after_bytes: Option<f64>,
}

/// An operation that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: OperationKind,
    pub name: String,
    #[serde(default)]
    pub parent: Option<String>,
    pub started_ms: i64,
    pub duration_s: f64,
    pub success: bool,
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    pub resources: Option<ResourceUse>,
}

impl Operation {
    pub fn ended_ms(&self) -> i64 {
        self.started_ms
            .saturating_add((self.duration_s.max(0.0) * 1000.0) as i64)
    }
}
