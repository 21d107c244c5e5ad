//! Bottlenecks and what to do about them. Each says which numbers, over which window, and which operations made it be said:
//! a recommendation that cannot be checked is not one.

use super::operation::{Operation, OperationKind, ResourceSnapshot};
use super::options::{PerformanceOptions, Window};
use crate::quantile::mean;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BottleneckKind {
    SlowOperations,
    Failures,
    Cpu,
    Memory,
    DiskSpace,
    GpuMemory,
    SlowDownloads,
    SlowHealthChecks,
    FailedFallbacks,
}

/// An operation that is part of the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub id: String,
    pub name: String,
    pub started_ms: i64,
    pub duration_s: f64,
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bottleneck {
    pub kind: BottleneckKind,
    pub message: String,
    /// What was measured, and what it was compared with.
    pub value: f64,
    pub threshold: f64,
    /// Of how many operations or readings.
    pub of: usize,
    pub window: Window,
    pub operations: Vec<Evidence>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    pub because: BottleneckKind,
    pub message: String,
    pub value: f64,
    pub threshold: f64,
    pub window: Window,
    pub operations: Vec<Evidence>,
}

/// The facts of one window.
pub(super) struct Facts<'a> {
    pub(super) operations: &'a [&'a Operation],
    pub(super) readings: &'a [&'a ResourceSnapshot],
    pub(super) window: Window,
    pub(super) options: &'a PerformanceOptions,
}

impl Facts<'_> {
    pub(super) fn bottlenecks(&self) -> Vec<Bottleneck> {
        let mut found = Vec::new();
        found.extend(self.slow());
        found.extend(self.failures());
        found.extend(self.scarce());
        found.extend(self.by_kind());
        found
    }

    fn slow(&self) -> Option<Bottleneck> {
        let o = self.options;
        let slow: Vec<&Operation> = self.pick(|op| op.duration_s > o.slow_s);
        let share = self.share(slow.len(), self.operations.len())?;
        let message = |n: usize, of: usize| {
            format!(
                "{n} of {of} operations ({:.1}%) took longer than {} s",
                share * 100.0,
                o.slow_s
            )
        };
        (share > o.slow_share_max).then(|| Bottleneck {
            message: message(slow.len(), self.operations.len()),
            operations: self.evidence(&slow),
            ..self.bottleneck(
                BottleneckKind::SlowOperations,
                (share, o.slow_share_max),
                self.operations.len(),
            )
        })
    }

    fn failures(&self) -> Option<Bottleneck> {
        let failed: Vec<&Operation> = self.pick(|op| !op.success);
        let share = self.share(failed.len(), self.operations.len())?;
        let most = self.options.failure_share_max;
        (share > most).then(|| Bottleneck {
            message: format!(
                "{} of {} operations ({:.1}%) failed",
                failed.len(),
                self.operations.len(),
                share * 100.0
            ),
            operations: self.evidence(&failed),
            ..self.bottleneck(BottleneckKind::Failures, (share, most), self.operations.len())
        })
    }

    fn scarce(&self) -> Vec<Bottleneck> {
        let o = self.options;
        let mut found = Vec::new();
        let cpu = |r: &ResourceSnapshot| r.cpu_percent;
        let memory = |r: &ResourceSnapshot| r.memory_percent;
        found.extend(self.often(
            BottleneckKind::Cpu,
            ("CPU", cpu),
            (o.cpu_percent_max, o.cpu_share_max),
        ));
        found.extend(self.often(
            BottleneckKind::Memory,
            ("memory", memory),
            (o.memory_percent_max, o.memory_share_max),
        ));
        let free = self.readings.iter().filter_map(|r| r.disk_free_bytes);
        if let Some(least) = free.min_by(f64::total_cmp).filter(|f| *f < o.disk_free_bytes_min) {
            found.push(Bottleneck {
                message: format!("only {:.1} GB of disk were free", least / 1e9),
                ..self.bottleneck(
                    BottleneckKind::DiskSpace,
                    (least, o.disk_free_bytes_min),
                    self.readings.len(),
                )
            });
        }
        let gpu_share = |r: &&ResourceSnapshot| {
            let shares = r.gpus.iter().filter_map(|g| {
                let total = g.memory_total_bytes.filter(|t| *t > 0.0)?;
                Some((g.memory_used_bytes? / total, g.gpu.clone()))
            });
            shares.max_by(|a, b| a.0.total_cmp(&b.0))
        };
        let fullest = self.readings.iter().filter_map(gpu_share);
        if let Some((share, gpu)) = fullest.max_by(|a, b| a.0.total_cmp(&b.0))
            && share > o.gpu_memory_share_max
        {
            found.push(Bottleneck {
                message: format!("memory of GPU {gpu} was {:.1}% full", share * 100.0),
                ..self.bottleneck(
                    BottleneckKind::GpuMemory,
                    (share, o.gpu_memory_share_max),
                    self.readings.len(),
                )
            });
        }
        found
    }

    fn often(
        &self,
        kind: BottleneckKind,
        (word, pick): (&str, fn(&ResourceSnapshot) -> Option<f64>),
        (most, share_max): (f64, f64),
    ) -> Option<Bottleneck> {
        let values: Vec<(i64, f64)> = self
            .readings
            .iter()
            .filter_map(|r| pick(r).map(|v| (r.t_ms, v)))
            .collect();
        let above: Vec<i64> = values
            .iter()
            .filter(|(_, v)| *v > most)
            .map(|(t, _)| *t)
            .collect();
        let share = self.share(above.len(), values.len())?;
        if share <= share_max {
            return None;
        }
        // Whatever ran while it was scarce.
        let during = self.pick(|op| above.iter().any(|t| op.started_ms <= *t && *t <= op.ended_ms()));
        Some(Bottleneck {
            message: format!(
                "{word} usage was above {most}% in {} of {} readings ({:.0}%)",
                above.len(),
                values.len(),
                share * 100.0
            ),
            operations: self.evidence(&during),
            ..self.bottleneck(kind, (share, share_max), values.len())
        })
    }

    fn by_kind(&self) -> Vec<Bottleneck> {
        let o = self.options;
        let mut found = Vec::new();
        let means = [
            (
                OperationKind::Download,
                BottleneckKind::SlowDownloads,
                "downloads",
                o.download_mean_s_max,
            ),
            (
                OperationKind::HealthCheck,
                BottleneckKind::SlowHealthChecks,
                "health checks",
                o.health_check_mean_s_max,
            ),
        ];
        for (kind, bottleneck, word, most) in means {
            let of_kind = self.pick(|op| op.kind == kind);
            let durations: Vec<f64> = of_kind.iter().map(|op| op.duration_s).collect();
            if let Some(average) = mean(&durations).filter(|m| *m > most) {
                found.push(Bottleneck {
                    message: format!("{} {word} took {average:.1} s on average", of_kind.len()),
                    operations: self.evidence(&of_kind),
                    ..self.bottleneck(bottleneck, (average, most), of_kind.len())
                });
            }
        }
        let fallbacks = self.pick(|op| op.kind == OperationKind::Fallback);
        let failed: Vec<&Operation> = fallbacks.iter().copied().filter(|op| !op.success).collect();
        let most = o.fallback_failure_share_max;
        if let Some(share) = self.share(failed.len(), fallbacks.len()).filter(|s| *s > most) {
            found.push(Bottleneck {
                message: format!(
                    "{} of {} fallbacks ({:.1}%) failed",
                    failed.len(),
                    fallbacks.len(),
                    share * 100.0
                ),
                operations: self.evidence(&failed),
                ..self.bottleneck(BottleneckKind::FailedFallbacks, (share, most), fallbacks.len())
            });
        }
        found
    }

    fn bottleneck(&self, kind: BottleneckKind, (value, threshold): (f64, f64), of: usize) -> Bottleneck {
        Bottleneck {
            kind,
            message: String::new(),
            value,
            threshold,
            of,
            window: self.window,
            operations: Vec::new(),
        }
    }

    fn pick(&self, which: impl Fn(&Operation) -> bool) -> Vec<&Operation> {
        self.operations.iter().copied().filter(|op| which(op)).collect()
    }

    fn share(&self, part: usize, of: usize) -> Option<f64> {
        (of > 0).then(|| part as f64 / of as f64)
    }

    /// The slowest first.
    fn evidence(&self, operations: &[&Operation]) -> Vec<Evidence> {
        let mut slowest = operations.to_vec();
        slowest.sort_by(|a, b| b.duration_s.total_cmp(&a.duration_s));
        let first = slowest.into_iter().take(self.options.evidence_max);
        first
            .map(|op| Evidence {
                id: op.id.clone(),
                name: op.name.clone(),
                started_ms: op.started_ms,
                duration_s: op.duration_s,
                error: op.error.clone(),
            })
            .collect()
    }
}

pub(super) fn recommend(bottleneck: &Bottleneck) -> Recommendation {
    let names = {
        let mut names: Vec<&str> = bottleneck.operations.iter().map(|e| e.name.as_str()).collect();
        names.dedup();
        names.join(", ")
    };
    let todo = match bottleneck.kind {
        BottleneckKind::SlowOperations => {
            format!("look at the slowest ({names}): profile them, cache what repeats, or batch what is small")
        }
        BottleneckKind::Failures => {
            format!("look at the errors of {names}; retry with a backoff what is transient")
        }
        BottleneckKind::Cpu => "lower concurrency, move work off this host, or add cores".to_owned(),
        BottleneckKind::Memory => "use smaller batches, release what is cached, or add memory".to_owned(),
        BottleneckKind::DiskSpace => "remove old models and logs, or add disk".to_owned(),
        BottleneckKind::GpuMemory => {
            "use smaller batches or a shorter context, quantize, or spread over more GPUs".to_owned()
        }
        BottleneckKind::SlowDownloads => {
            "use a nearer mirror or a local cache, and download in parallel".to_owned()
        }
        BottleneckKind::SlowHealthChecks => {
            "make the checks cheaper, give them a timeout, or run them less often".to_owned()
        }
        BottleneckKind::FailedFallbacks => "test the fallbacks: they fail when they are needed".to_owned(),
    };
    Recommendation {
        because: bottleneck.kind,
        message: format!("{}: {todo}", bottleneck.message),
        value: bottleneck.value,
        threshold: bottleneck.threshold,
        window: bottleneck.window,
        operations: bottleneck.operations.clone(),
    }
}
