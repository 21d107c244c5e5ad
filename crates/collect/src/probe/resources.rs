//! This host's own resources against thresholds: degraded above 70 %, unhealthy above 90 %, each settable.

use super::look::{Fault, Found, Look};
use lapwing_types::{ProbeReason, Verdict};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// CPU time is a difference between two readings this far apart.
const CPU_WINDOW: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourcesProbe {
    pub cpu: Option<Thresholds>,
    pub memory: Option<Thresholds>,
    pub disk: Option<Thresholds>,
    /// The file systems that are looked at.
    pub paths: Vec<PathBuf>,
}

impl Default for ResourcesProbe {
    fn default() -> Self {
        ResourcesProbe {
            cpu: Some(Thresholds::default()),
            memory: Some(Thresholds::default()),
            disk: Some(Thresholds::default()),
            paths: vec!["/".into()],
        }
    }
}

/// In percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    pub degraded: f64,
    pub unhealthy: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            degraded: 70.0,
            unhealthy: 90.0,
        }
    }
}

impl Thresholds {
    pub(super) fn check(self) -> Result<(), String> {
        match self.degraded > self.unhealthy {
            true => Err(format!(
                "degraded at {} % lies above unhealthy at {} %",
                self.degraded, self.unhealthy
            )),
            false => Ok(()),
        }
    }

    pub(super) fn judge(self, what: &str, percent: f64) -> Found {
        let said = |limit: f64| format!("{what} is used to {percent:.1} %, above {limit} %");
        if percent > self.unhealthy {
            Err(Fault::new(ProbeReason::Threshold, said(self.unhealthy)))
        } else if percent > self.degraded {
            Err(Fault::degraded(ProbeReason::Threshold, said(self.degraded)))
        } else {
            Ok(())
        }
    }
}

impl ResourcesProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        let all = [self.cpu, self.memory, self.disk];
        all.iter().flatten().try_for_each(|t| t.check())
    }

    /// The worst of them decides; all are measured.
    pub(super) async fn look(&self, look: &Look) -> Found {
        let mut worst: Found = Ok(());
        let mut judge = |found: Found| {
            let weight = |f: &Found| match f {
                Ok(()) => 0,
                Err(fault) if fault.verdict == Verdict::Fail => 2,
                Err(_) => 1,
            };
            if weight(&found) > weight(&worst) {
                worst = found;
            }
        };
        if let Some(limits) = self.memory {
            let percent = memory_percent(&read("/proc/meminfo")?)
                .ok_or_else(|| Fault::unjudged(ProbeReason::Internal, "/proc/meminfo does not read"))?;
            look.measure_with("probe_resource_used_percent", &[("resource", "memory")], percent);
            judge(limits.judge("memory", percent));
        }
        if let Some(limits) = self.disk {
            for path in &self.paths {
                // On a blocking thread: a dead file server answers never, and the look's timeout is over it.
                let of = path.clone();
                let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&of)).await;
                let asked = asked.map_err(|e| Fault::unjudged(ProbeReason::Internal, e.to_string()))?;
                let shown = path.display().to_string();
                let stat = asked.map_err(|e| Fault::new(ProbeReason::NotFound, format!("{shown}: {e}")))?;
                // As df shows it: what only root may use counts as used.
                let used = stat.f_blocks.saturating_sub(stat.f_bfree) as f64;
                let percent = 100.0 * used / (used + stat.f_bavail as f64).max(1.0);
                let labels = [("resource", "disk"), ("path", shown.as_str())];
                look.measure_with("probe_resource_used_percent", &labels, percent);
                judge(limits.judge(&format!("disk {shown}"), percent));
            }
        }
        if let Some(limits) = self.cpu {
            let before = cpu_times(&read("/proc/stat")?);
            tokio::time::sleep(CPU_WINDOW.min(Duration::from_millis(look.timeout_ms.unsigned_abs() / 2)))
                .await;
            let after = cpu_times(&read("/proc/stat")?);
            if let (Some((busy, all)), Some((busy_then, all_then))) = (after, before) {
                let percent = 100.0 * (busy - busy_then) / (all - all_then).max(1.0);
                look.measure_with("probe_resource_used_percent", &[("resource", "cpu")], percent);
                judge(limits.judge("cpu", percent));
            }
        }
        worst
    }
}

fn read(path: &str) -> Result<String, Fault> {
    std::fs::read_to_string(path)
        .map_err(|e| Fault::unjudged(ProbeReason::NotPermitted, format!("{path}: {e}")))
}

fn memory_percent(meminfo: &str) -> Option<f64> {
    let field = |name: &str| -> Option<f64> {
        let line = meminfo
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let total = field("MemTotal").filter(|t| *t > 0.0)?;
    Some(100.0 * (1.0 - field("MemAvailable")? / total))
}

/// Busy and all ticks of all CPUs; idle and waiting for I/O are not busy.
fn cpu_times(stat: &str) -> Option<(f64, f64)> {
    let line = stat.lines().find_map(|l| l.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line
        .split_whitespace()
        .take(8)
        .filter_map(|t| t.parse().ok())
        .collect();
    let (all, idle) = (ticks.iter().sum::<f64>(), ticks.get(3)? + ticks.get(4)?);
    Some((all - idle, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degraded_above_70_and_unhealthy_above_90() {
        let verdict = |percent| {
            Thresholds::default()
                .judge("memory", percent)
                .err()
                .map(|f| f.verdict)
        };
        assert_eq!(verdict(70.0), None);
        assert_eq!(verdict(70.1), Some(Verdict::Degraded));
        assert_eq!(verdict(90.0), Some(Verdict::Degraded));
        assert_eq!(verdict(90.1), Some(Verdict::Fail));
    }

    #[test]
    fn reads_what_the_kernel_says() {
        assert_eq!(
            memory_percent("MemTotal: 200 kB\nMemAvailable: 50 kB\n"),
            Some(75.0)
        );
        assert_eq!(memory_percent("MemTotal: 0 kB\n"), None);
        assert_eq!(cpu_times("cpu  10 0 10 70 10 0 0 0 5 5\n"), Some((20.0, 100.0)));
    }
}
