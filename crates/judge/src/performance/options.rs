//! What counts as slow, as often, as scarce. All of it can be set; the defaults are those that seed 3 wrote into its code.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub start_ms: i64,
    pub end_ms: i64,
}

impl Window {
    pub fn contains(&self, t_ms: i64) -> bool {
        self.start_ms <= t_ms && t_ms <= self.end_ms
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceOptions {
    /// An operation that takes longer is slow.
    pub slow_s: f64,
    /// A larger share of slow operations is a bottleneck.
    pub slow_share_max: f64,
    pub failure_share_max: f64,
    pub cpu_percent_max: f64,
    pub cpu_share_max: f64,
    pub memory_percent_max: f64,
    pub memory_share_max: f64,
    pub disk_free_bytes_min: f64,
    pub gpu_memory_share_max: f64,
    pub download_mean_s_max: f64,
    pub health_check_mean_s_max: f64,
    pub fallback_failure_share_max: f64,
    /// Fewer readings than this have no trend.
    pub trend_readings_min: usize,
    /// A smaller relative change between the halves is "stable".
    pub trend_change_min: f64,
    /// Operations named as evidence of one finding.
    pub evidence_max: usize,
}

impl Default for PerformanceOptions {
    fn default() -> Self {
        PerformanceOptions {
            slow_s: 30.0,
            slow_share_max: 0.10,
            failure_share_max: 0.05,
            cpu_percent_max: 80.0,
            cpu_share_max: 0.20,
            memory_percent_max: 85.0,
            memory_share_max: 0.20,
            disk_free_bytes_min: 5.0 * 1024.0 * 1024.0 * 1024.0,
            gpu_memory_share_max: 0.95,
            download_mean_s_max: 300.0,
            health_check_mean_s_max: 30.0,
            fallback_failure_share_max: 0.10,
            trend_readings_min: 10,
            trend_change_min: 0.10,
            evidence_max: 5,
        }
    }
}
