//! NVIDIA GPUs: what NVML says, under DCGM exporter's names where it has one (`DCGM_FI_DEV_…`), under `gpu_…` where
//! it has none or a misleading one. `docs/decisions/0011-names-of-host-and-gpu-series.md` says why.
//!
//! Reading order: `reading` (what one GPU may say; every value may be missing) → `nvml` (who says it) → `collector`
//! (what was lost since) → `series` (names).

mod collector;
mod nvml;
mod reading;
mod series;

pub use collector::{GpuCollector, GpuOptions};
pub use nvml::{GpuGlance, NvmlSource};
pub use reading::{
    EccErrors, GpuError, GpuFill, GpuIdentity, GpuReading, GpuSource, MigInstance, NvLinkErrors,
    ProcessMemory, RemappedRows, Xid,
};
