//! Four GPUs of one host, in dcgm-exporter's names. One of them falls off the bus for a while.

use super::exposition::Family;
use super::story::Moment;

const GPUS: [&str; 4] = ["0", "1", "2", "3"];
const LOST: usize = 2;
const MEMORY_MIB: f64 = 81_920.0;
/// The driver's number for "GPU has fallen off the bus".
const XID_LOST: f64 = 79.0;

#[derive(Clone, Copy, Debug, Default)]
struct Gpu {
    busy: f64,
    memory: f64,
    celsius: f64,
    watts: f64,
    replays: f64,
    joules: f64,
    is_lost: bool,
}

#[derive(Debug, Default)]
pub(super) struct Gpus {
    all: [Gpu; 4],
}

impl Gpus {
    pub(super) fn step(&mut self, now: &Moment, dt_s: f64) {
        for (i, gpu) in self.all.iter_mut().enumerate() {
            let channel = 30 + i as u64;
            // 0 and 1 serve chat, 2 embeds, 3 reranks.
            let wanted = match i {
                0 | 1 => (0.45 + 0.4 * now.daylight()) * if now.chat_slowdown() > 2.0 { 1.25 } else { 1.0 },
                2 => 0.3 + 0.35 * now.daylight(),
                _ if now.rerank_is_wedged() => 0.0,
                _ => 0.2 + 0.3 * now.daylight(),
            };
            gpu.is_lost = i == LOST && now.gpu_is_lost();
            gpu.busy = if gpu.is_lost {
                0.0
            } else {
                (wanted + 0.08 * now.noise(channel, 90_000)).clamp(0.0, 0.99)
            };
            gpu.memory = match i {
                0 | 1 => 0.91 + 0.01 * now.noise(channel + 10, 600_000),
                _ if gpu.is_lost => 0.0,
                _ => 0.38 + 0.03 * now.noise(channel + 10, 600_000),
            };
            gpu.celsius = (34.0 + 38.0 * gpu.busy + 2.0 * now.noise(channel + 20, 300_000)).round();
            gpu.watts = 72.0 + 560.0 * gpu.busy;
            gpu.joules += gpu.watts * dt_s;
            gpu.replays += if i == LOST && now.gpu_is_lost() {
                dt_s * 0.4
            } else {
                0.0
            };
        }
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let family = |make: fn(&'static str, &'static str) -> Family,
                      (name, help): (&'static str, &'static str),
                      value: &dyn Fn(&Gpu) -> f64| {
            let mut family = make(name, help);
            for (gpu, id) in self.all.iter().zip(GPUS) {
                let uuid = format!("GPU-6f1c20aa-0000-4000-8000-00000000000{id}");
                let labels = [
                    ("gpu", id),
                    ("UUID", uuid.as_str()),
                    ("modelName", "NVIDIA H100 80GB HBM3"),
                    ("Hostname", "gpu-1"),
                ];
                family.push(&labels, value(gpu));
            }
            family
        };
        let gauge = |text, value: &dyn Fn(&Gpu) -> f64| family(Family::gauge, text, value);
        let counter = |text, value: &dyn Fn(&Gpu) -> f64| family(Family::counter, text, value);
        vec![
            gauge(("DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %)."), &|g| {
                (g.busy * 100.0).round()
            }),
            gauge(
                ("DCGM_FI_DEV_FB_USED", "Framebuffer memory used (in MiB)."),
                &|g| (g.memory * MEMORY_MIB).round(),
            ),
            gauge(
                ("DCGM_FI_DEV_FB_FREE", "Framebuffer memory free (in MiB)."),
                &|g| ((1.0 - g.memory) * MEMORY_MIB).round(),
            ),
            gauge(("DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C)."), &|g| {
                g.celsius
            }),
            gauge(("DCGM_FI_DEV_POWER_USAGE", "Power draw (in W)."), &|g| g.watts),
            gauge(
                (
                    "DCGM_FI_DEV_XID_ERRORS",
                    "Value of the last XID error encountered.",
                ),
                &|g| if g.is_lost { XID_LOST } else { 0.0 },
            ),
            counter(
                ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "Total number of PCIe retries."),
                &|g| g.replays.floor(),
            ),
            counter(
                (
                    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
                    "Total energy consumption since boot (in mJ).",
                ),
                &|g| (g.joules * 1000.0).floor(),
            ),
        ]
    }
}
