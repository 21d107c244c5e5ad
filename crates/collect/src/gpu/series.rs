//! Names and labels of what GPUs say.

use super::collector::Known;
use super::reading::{GpuIdentity, GpuReading};
use crate::host::Root;
use crate::page::Page;
use lapwing_types::MetricKind::{self, Counter, Gauge};
use std::collections::BTreeMap;

const MIB: f64 = 1024.0 * 1024.0;

/// NVML's bits of `nvmlClocksThrottleReasons`.
const THROTTLE_REASONS: [(u64, &str); 9] = [
    (0x1, "gpu_idle"),
    (0x2, "applications_clocks_setting"),
    (0x4, "sw_power_cap"),
    (0x8, "hw_slowdown"),
    (0x10, "sync_boost"),
    (0x20, "sw_thermal_slowdown"),
    (0x40, "hw_thermal_slowdown"),
    (0x80, "hw_power_brake"),
    (0x100, "display_clock_setting"),
];

type Value = fn(&GpuReading) -> Option<f64>;

fn int(value: Option<u32>) -> Option<f64> {
    value.map(f64::from)
}

fn big(value: Option<u64>) -> Option<f64> {
    value.map(|v| v as f64)
}

fn mib(value: Option<u64>) -> Option<f64> {
    value.map(|v| v as f64 / MIB)
}

/// Name, kind, help, value; one line is one series per GPU.
const SERIES: [(&str, MetricKind, &str, Value); 38] = [
    (
        "DCGM_FI_DEV_SM_CLOCK",
        Gauge,
        "Clock of the multiprocessors in MHz.",
        |r| int(r.sm_clock_mhz),
    ),
    (
        "DCGM_FI_DEV_MEM_CLOCK",
        Gauge,
        "Clock of the memory in MHz.",
        |r| int(r.memory_clock_mhz),
    ),
    (
        "DCGM_FI_DEV_GPU_TEMP",
        Gauge,
        "Temperature in degrees Celsius.",
        |r| int(r.temperature_celsius),
    ),
    (
        "DCGM_FI_DEV_MEMORY_TEMP",
        Gauge,
        "Temperature of the memory in degrees Celsius.",
        |r| big(r.memory_temperature_celsius),
    ),
    ("DCGM_FI_DEV_POWER_USAGE", Gauge, "Power drawn in W.", |r| {
        r.power_milliwatts.map(|m| f64::from(m) / 1000.0)
    }),
    (
        "DCGM_FI_DEV_ENFORCED_POWER_LIMIT",
        Gauge,
        "Power it may draw in W.",
        |r| r.power_limit_milliwatts.map(|m| f64::from(m) / 1000.0),
    ),
    (
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        Counter,
        "Energy used since the driver was loaded, in mJ.",
        |r| big(r.energy_millijoules),
    ),
    (
        "DCGM_FI_DEV_GPU_UTIL",
        Gauge,
        "Time with a kernel running, in percent.",
        |r| int(r.utilization_percent),
    ),
    (
        "DCGM_FI_DEV_MEM_COPY_UTIL",
        Gauge,
        "Time with the memory busy, in percent.",
        |r| int(r.memory_copy_percent),
    ),
    (
        "DCGM_FI_DEV_ENC_UTIL",
        Gauge,
        "Use of the encoder in percent.",
        |r| int(r.encoder_percent),
    ),
    (
        "DCGM_FI_DEV_DEC_UTIL",
        Gauge,
        "Use of the decoder in percent.",
        |r| int(r.decoder_percent),
    ),
    ("DCGM_FI_DEV_FB_TOTAL", Gauge, "Memory in MiB.", |r| {
        mib(r.memory_total_bytes)
    }),
    ("DCGM_FI_DEV_FB_USED", Gauge, "Memory in use in MiB.", |r| {
        mib(r.memory_used_bytes)
    }),
    ("DCGM_FI_DEV_FB_FREE", Gauge, "Memory free in MiB.", |r| {
        mib(r.memory_free_bytes)
    }),
    (
        "DCGM_FI_DEV_FB_RESERVED",
        Gauge,
        "Memory kept by the driver in MiB.",
        |r| mib(r.memory_reserved_bytes),
    ),
    (
        "DCGM_FI_DEV_FAN_SPEED",
        Gauge,
        "Speed of the fan in percent.",
        |r| int(r.fan_percent),
    ),
    (
        "DCGM_FI_DEV_PSTATE",
        Gauge,
        "Performance state, 0 is the fastest.",
        |r| int(r.performance_state),
    ),
    (
        "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS",
        Gauge,
        "Why the clocks are held back, as bits.",
        |r| big(r.throttle_reasons),
    ),
    (
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
        Counter,
        "PCIe packets sent again.",
        |r| int(r.pcie_replays),
    ),
    (
        "DCGM_FI_DEV_PCIE_LINK_GEN",
        Gauge,
        "PCIe generation in use.",
        |r| int(r.pcie_generation),
    ),
    ("DCGM_FI_DEV_PCIE_LINK_WIDTH", Gauge, "PCIe lanes in use.", |r| {
        int(r.pcie_width)
    }),
    (
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
        Counter,
        "Corrected memory errors since the driver was loaded.",
        |r| Some(r.ecc?.corrected_volatile as f64),
    ),
    (
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        Counter,
        "Uncorrected memory errors since the driver was loaded.",
        |r| Some(r.ecc?.uncorrected_volatile as f64),
    ),
    (
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
        Counter,
        "Corrected memory errors in its life.",
        |r| Some(r.ecc?.corrected_aggregate as f64),
    ),
    (
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
        Counter,
        "Uncorrected memory errors in its life.",
        |r| Some(r.ecc?.uncorrected_aggregate as f64),
    ),
    (
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        Counter,
        "Rows of memory replaced for corrected errors.",
        |r| Some(r.remapped_rows?.correctable as f64),
    ),
    (
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        Counter,
        "Rows of memory replaced for uncorrected errors.",
        |r| Some(r.remapped_rows?.uncorrectable as f64),
    ),
    (
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
        Gauge,
        "1 when no spare row was left.",
        |r| Some(f64::from(u8::from(r.remapped_rows?.failed))),
    ),
    (
        "DCGM_FI_DEV_ROW_REMAP_PENDING",
        Gauge,
        "1 when rows wait for a reset.",
        |r| Some(f64::from(u8::from(r.remapped_rows?.pending))),
    ),
    (
        "gpu_usage",
        Gauge,
        "Share of time with a kernel running, 0 to 1.",
        |r| r.utilization_percent.map(|p| f64::from(p) / 100.0),
    ),
    (
        "gpu_memory_usage",
        Gauge,
        "Share of memory in use, 0 to 1.",
        |r| {
            let total = r.memory_total_bytes.filter(|t| *t > 0)?;
            Some(r.memory_used_bytes? as f64 / total as f64)
        },
    ),
    ("gpu_nvlink_links_active", Gauge, "NVLinks that are up.", |r| {
        int(r.nvlink_active)
    }),
    (
        "gpu_nvlink_sent_bytes_total",
        Counter,
        "Bytes sent over NVLink.",
        |r| big(r.nvlink_sent_bytes),
    ),
    (
        "gpu_nvlink_received_bytes_total",
        Counter,
        "Bytes received over NVLink.",
        |r| big(r.nvlink_received_bytes),
    ),
    (
        "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
        Counter,
        "NVLink flow control errors.",
        |r| Some(r.nvlink_errors?.crc_flit as f64),
    ),
    (
        "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
        Counter,
        "NVLink data errors.",
        |r| Some(r.nvlink_errors?.crc_data as f64),
    ),
    (
        "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
        Counter,
        "NVLink packets sent again.",
        |r| Some(r.nvlink_errors?.replay as f64),
    ),
    (
        "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
        Counter,
        "NVLink recoveries.",
        |r| Some(r.nvlink_errors?.recovery as f64),
    ),
];

/// Labels of a GPU as DCGM exporter has them.
struct GpuLabels {
    gpu: String,
    device: String,
}

impl GpuLabels {
    fn new(identity: &GpuIdentity) -> Self {
        GpuLabels {
            gpu: identity.index.to_string(),
            device: format!("nvidia{}", identity.index),
        }
    }

    fn with<'a>(&'a self, identity: &'a GpuIdentity, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut labels = vec![
            ("gpu", self.gpu.as_str()),
            ("UUID", &identity.uuid),
            ("pci_bus_id", &identity.pci_bus_id),
            ("device", &self.device),
            ("modelName", &identity.model),
        ];
        labels.extend(more);
        labels
    }
}

pub(super) fn readings(page: &mut Page, readings: &[GpuReading]) {
    for (name, kind, help, value) in SERIES {
        let mut family = page.family(name, kind, help);
        for r in readings {
            if let Some(value) = value(r) {
                family.set(&GpuLabels::new(&r.identity).with(&r.identity, &[]), value);
            }
        }
    }
    throttling(page, readings);
    let mut violations = page.counter("gpu_violation_seconds_total", "Seconds held back, by cause.");
    for r in readings {
        for (policy, ns) in &r.violations_ns {
            let labels = GpuLabels::new(&r.identity);
            violations.set(&labels.with(&r.identity, &[("policy", policy)]), *ns as f64 / 1e9);
        }
    }
    mig(page, readings);
}

fn throttling(page: &mut Page, readings: &[GpuReading]) {
    let mut throttled = page.gauge(
        "gpu_throttled",
        "1 when the clocks are held back for this reason.",
    );
    for r in readings {
        let Some(bits) = r.throttle_reasons else {
            continue;
        };
        let labels = GpuLabels::new(&r.identity);
        for (bit, reason) in THROTTLE_REASONS {
            let on = f64::from(u8::from(bits & bit != 0));
            throttled.set(&labels.with(&r.identity, &[("reason", reason)]), on);
        }
    }
}

fn mig(page: &mut Page, readings: &[GpuReading]) {
    let mut enabled = page.gauge("gpu_mig_enabled", "1 when the GPU is partitioned.");
    for r in readings {
        if let Some(on) = r.mig_enabled {
            let labels = GpuLabels::new(&r.identity);
            enabled.set(&labels.with(&r.identity, &[]), f64::from(u8::from(on)));
        }
    }
    let mut family = |name: &str, help: &str, value: fn(&super::MigInstance) -> Option<f64>| {
        let mut family = page.gauge(name, help);
        for r in readings {
            for instance in &r.mig_instances {
                let (labels, id) = (GpuLabels::new(&r.identity), instance.index.to_string());
                let more = [
                    ("GPU_I_ID", id.as_str()),
                    ("GPU_I_PROFILE", &instance.profile),
                    ("mig_uuid", &instance.uuid),
                ];
                if let Some(value) = value(instance) {
                    family.set(&labels.with(&r.identity, &more), value);
                }
            }
        }
    };
    family("gpu_mig_memory_bytes", "Memory of a partition.", |i| {
        big(i.memory_total_bytes)
    });
    family(
        "gpu_mig_memory_used_bytes",
        "Memory of a partition in use.",
        |i| big(i.memory_used_bytes),
    );
}

/// Memory by program rather than by process id: a server that restarts stays one series.
pub(super) fn processes(page: &mut Page, root: &Root, readings: &[GpuReading]) {
    let mut by_program: BTreeMap<(usize, String), (f64, f64)> = BTreeMap::new();
    for (i, r) in readings.iter().enumerate() {
        for process in &r.processes {
            let name = root.read_line(&format!("proc/{}/comm", process.pid));
            // In a container other programs' names are hidden.
            let name = name.unwrap_or_else(|| "unknown".to_owned());
            let sum = by_program.entry((i, name)).or_default();
            sum.0 += 1.0;
            sum.1 += big(process.memory_bytes).unwrap_or(0.0);
        }
    }
    let mut family = |name: &str, help: &str, value: fn(&(f64, f64)) -> f64| {
        let mut family = page.gauge(name, help);
        for ((i, program), sum) in &by_program {
            let identity = &readings[*i].identity;
            family.set(
                &GpuLabels::new(identity).with(identity, &[("process", program)]),
                value(sum),
            );
        }
    };
    family(
        "gpu_processes",
        "Processes that compute on the GPU, by program.",
        |s| s.0,
    );
    family(
        "gpu_process_memory_bytes",
        "Memory of the GPU held by a program.",
        |s| s.1,
    );
}

/// What is known of GPUs whether they answer or not.
pub(super) fn known(page: &mut Page, known: &BTreeMap<String, Known>) {
    let mut family = page.gauge(
        "gpu_lost",
        "1 when a GPU that was there does not answer any more.",
    );
    for k in known.values() {
        let lost = f64::from(u8::from(!k.present));
        family.set(&GpuLabels::new(&k.identity).with(&k.identity, &[]), lost);
    }
    let mut family = page.gauge("gpu_info", "What a GPU is, in labels; always 1.");
    for k in known.values().filter(|k| k.present) {
        let driver = [("driver_version", k.identity.driver_version.as_str())];
        family.set(&GpuLabels::new(&k.identity).with(&k.identity, &driver), 1.0);
    }
    let mut family = page.counter(
        "gpu_xid_errors_total",
        "Critical errors reported by the driver, by their number.",
    );
    for k in known.values() {
        for (xid, count) in &k.xids {
            let (labels, xid) = (GpuLabels::new(&k.identity), xid.to_string());
            family.set(&labels.with(&k.identity, &[("xid", &xid)]), *count as f64);
        }
    }
    let mut family = page.gauge(
        "DCGM_FI_DEV_XID_ERRORS",
        "Number of the last critical error, 0 before the first.",
    );
    for k in known.values() {
        family.set(
            &GpuLabels::new(&k.identity).with(&k.identity, &[]),
            k.last_xid as f64,
        );
    }
}
