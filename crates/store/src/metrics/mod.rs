//! The metrics engine: samples in, a consistent view of them out.
//!
//! Reading order: `options`, `refusal` (the contract), `store` (the handle), `appender` and `commit` (the way in), `log` and
//! `head` (where it goes), `snapshot` (the way out), `vfs` (what it asks of the disk). The design and its reasons are in
//! `docs/decisions/0001-how-metrics-are-kept.md`.

mod appender;
mod backup;
pub mod block;
mod blocks;
mod checkpoint;
pub mod codec;
pub mod columns;
mod commit;
mod compact;
mod core;
mod debris;
mod families;
mod flush;
mod head;
mod import;
mod leap;
mod log;
mod losses;
mod maintain;
mod manifest;
mod merged;
mod options;
mod pace;
mod pair_numbers;
mod refusal;
mod replay;
mod scrub;
mod snapshot;
mod starts;
mod stats;
mod store;
pub mod tier;
mod tier_reader;
mod tiers;
mod verify;
pub mod vfs;

pub use crate::bytes::Malformed;
pub use appender::{Appender, SeriesRef};
pub use backup::BackupReport;
pub use head::index::Cardinality;
pub use import::{ImportReport, Importer};
pub use log::replay::DamagedRange;
pub use losses::{BlockLosses, LostStretch};
pub use maintain::MaintenanceReport;
pub use options::{Durability, MetricsLimits, MetricsOptions, Retention, TierPolicy};
pub use refusal::{AppendError, AppendOutcome, OpenError, Refusal, Refused, is_disk_full};
pub use replay::OpenReport;
pub use snapshot::Snapshot;
pub use stats::{DamageCount, MemoryParts, StoreNumbers, StoreStats};
pub use store::MetricsStore;
pub use verify::VerifyReport;
