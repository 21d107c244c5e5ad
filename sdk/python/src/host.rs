//! This host and its GPUs, through the collectors of the server.

use crate::errors;
use lapwing::Clock;
use lapwing::sdk::{fork_gate, process_resources};
use lapwing_collect::gpu::{GpuCollector, GpuOptions, NvmlSource};
use lapwing_collect::host::HostCollector;
use lapwing_judge::performance::{GpuUse, ResourceSnapshot};
use lapwing_types::{SeriesWrite, WriteBatch};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

const MIB: f64 = 1024.0 * 1024.0;

struct Collectors {
    host: HostCollector,
    /// None where there is no driver.
    gpus: Option<GpuCollector>,
}

/// Reads the host. The share of CPU time is that since the reading before.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Host {
    collectors: Mutex<Collectors>,
}

#[pymethods]
impl Host {
    #[new]
    fn new(py: Python<'_>) -> Self {
        py.detach(|| {
            let root = PathBuf::from("/");
            let options = GpuOptions {
                root: root.clone(),
                ..GpuOptions::default()
            };
            let gpus = NvmlSource::load()
                .ok()
                .map(|source| GpuCollector::new(Box::new(source), options));
            Host {
                collectors: Mutex::new(Collectors {
                    host: HostCollector::new(root),
                    gpus,
                }),
            }
        })
    }

    /// Everything at this instant, as JSON.
    fn sample(&self, py: Python<'_>) -> PyResult<String> {
        let snapshot = py.detach(|| {
            let _gate = fork_gate();
            let now_ms = Clock::system().now_ms();
            let mut collectors = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
            let mut batch = collectors.host.collect(now_ms);
            if let Some(gpus) = &mut collectors.gpus {
                batch.series.extend(gpus.collect(now_ms).series);
            }
            read(&batch, now_ms)
        });
        serde_json::to_string(&snapshot).map_err(|e| errors::runtime(&e))
    }
}

fn read(batch: &WriteBatch, now_ms: i64) -> ResourceSnapshot {
    let named = |name: &'static str| {
        batch
            .series
            .iter()
            .filter(move |s| s.labels.metric_name() == Some(name))
    };
    let value = |s: &SeriesWrite| s.samples.first().map(|sample| sample.value);
    let one = |name: &'static str| named(name).find_map(value);
    let sum = |name: &'static str, skip: (&str, &str)| {
        let values = named(name)
            .filter(|s| s.labels.get(skip.0) != Some(skip.1))
            .filter_map(value);
        values.reduce(|a, b| a + b)
    };
    let at_root = |name: &'static str| {
        let root = named(name).find(|s| s.labels.get("mountpoint") == Some("/"));
        root.or_else(|| named(name).next()).and_then(value)
    };
    let own = process_resources(now_ms);
    let total = one("node_memory_MemTotal_bytes");
    let available = one("node_memory_MemAvailable_bytes");
    ResourceSnapshot {
        t_ms: now_ms,
        cpu_percent: one("cpu_usage").map(|v| v * 100.0),
        memory_percent: one("memory_usage").map(|v| v * 100.0),
        memory_used_bytes: total.zip(available).map(|(t, a)| t - a),
        memory_available_bytes: available,
        disk_percent: at_root("disk_usage").map(|v| v * 100.0),
        disk_free_bytes: at_root("node_filesystem_avail_bytes"),
        disk_read_bytes: sum("node_disk_read_bytes_total", ("", "")),
        disk_written_bytes: sum("node_disk_written_bytes_total", ("", "")),
        network_sent_bytes: sum("node_network_transmit_bytes_total", ("device", "lo")),
        network_received_bytes: sum("node_network_receive_bytes_total", ("device", "lo")),
        load1: one("node_load1"),
        gpus: gpus(batch),
        ..own
    }
}

fn gpus(batch: &WriteBatch) -> Vec<GpuUse> {
    let mut by_gpu: BTreeMap<String, GpuUse> = BTreeMap::new();
    for series in &batch.series {
        let (Some(name), Some(gpu)) = (series.labels.metric_name(), series.labels.get("gpu")) else {
            continue;
        };
        let Some(value) = series.samples.first().map(|s| s.value) else {
            continue;
        };
        let entry = by_gpu.entry(gpu.to_owned()).or_default();
        entry.gpu = gpu.to_owned();
        if let Some(model) = series.labels.get("modelName") {
            entry.model = model.to_owned();
        }
        match name {
            "DCGM_FI_DEV_GPU_UTIL" => entry.utilization_percent = Some(value),
            "DCGM_FI_DEV_FB_USED" => entry.memory_used_bytes = Some(value * MIB),
            "DCGM_FI_DEV_FB_TOTAL" => entry.memory_total_bytes = Some(value * MIB),
            "DCGM_FI_DEV_GPU_TEMP" => entry.temperature_celsius = Some(value),
            "DCGM_FI_DEV_POWER_USAGE" => entry.power_watts = Some(value),
            _ => {}
        }
    }
    by_gpu.into_values().collect()
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Host>()
}
