//! Health, lived: looks happen on their schedule, states are kept, repairs are carried out within their limits.
//!
//! The way of a look: `job` starts it → `collect::probe` → `board` judges it (with `judge::health`) → samples and rows are
//! written together every half second → what is to be done about it (`repair`) happens after that write.
//!
//! Must never happen here: two looks of one check at once, a repair that was not written down first, a lock held across
//! an await.

mod adopted;
mod annotate;
mod blame;
mod board;
mod changes;
mod check_rows;
mod diagnosis;
mod event;
mod exchange;
mod excuse;
mod hosts;
mod job;
mod models;
mod objectives;
mod pulse;
mod quiet;
mod repair;
mod runner;
mod series;
mod slots;
mod spec;
mod view;
mod weight;

pub use adopted::AdoptError;
pub use event::{AuditEntry, HealthEvent, HealthNote};
pub use job::{Health, HealthError};
pub use series::{phase_family, phase_word};
pub use spec::{
    Action, Aim, CheckKind, CheckSpec, HealthOptions, ModelPart, ModelSpec, Objectives, ReadModel,
    RecoverySpec, Role, TrafficSpec,
};
pub use view::{CheckView, EndpointView, HealthView, MaintenanceView, ModelView, RecoveryView, ShardView};

pub(crate) use job::{start, start_probes};
