//! The store as its users see it: through its public interface, on a real directory.

mod fault_fs;
mod live_blocks;
mod metrics_at_once;
mod metrics_basic;
mod metrics_blocks;
mod metrics_bounds;
mod metrics_clock;
mod metrics_crash;
mod metrics_damage;
mod metrics_import;
mod metrics_past;
mod metrics_replay;
mod metrics_threads;
mod metrics_tiers;
mod metrics_unnamed;
