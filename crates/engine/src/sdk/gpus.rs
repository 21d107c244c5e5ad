//! How full the GPUs are, around an operation: nothing where there is no driver, and nothing yet while its library is being loaded,
//! which takes longer than a program should wait for it. A forked child asks no more: the library does not survive a fork.

use lapwing_collect::gpu::{GpuFill, GpuGlance};
use lapwing_judge::performance::GpuUse;
use std::sync::{Once, OnceLock};

static GLANCE: OnceLock<(u32, GpuGlance)> = OnceLock::new();

/// One entry per GPU that this process may see, whoever uses it.
pub(super) fn glance() -> Vec<GpuUse> {
    static LOADING: Once = Once::new();
    LOADING.call_once(|| {
        let load = || {
            if let Ok(glance) = GpuGlance::load() {
                let _ = GLANCE.set((std::process::id(), glance));
            }
        };
        // A process that may start no thread does without.
        let _ = std::thread::Builder::new()
            .name("lapwing-gpus".to_owned())
            .spawn(load);
    });
    match GLANCE.get() {
        Some((pid, glance)) if *pid == std::process::id() => glance.read().into_iter().map(shown).collect(),
        _ => Vec::new(),
    }
}

fn shown(fill: GpuFill) -> GpuUse {
    GpuUse {
        gpu: fill.index.to_string(),
        utilization_percent: fill.utilization_percent.map(f64::from),
        memory_used_bytes: Some(fill.memory_used_bytes as f64),
        memory_total_bytes: Some(fill.memory_total_bytes as f64),
        ..GpuUse::default()
    }
}
