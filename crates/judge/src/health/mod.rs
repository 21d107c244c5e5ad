//! How well does it work? (state, facts, now) → (state, events), and nothing else.
//!
//! Useful for: the state of a check, a fleet of shards, a model and the whole; root causes; whether to repair.
//! Not for: looking (`collect::probe`), waiting, repairing: the engine does those.
//!
//! Must never happen here: a state that flips on fewer looks than its thresholds, a shard that is let back in without the
//! expected weights, a repair beyond its budget.

mod budget;
mod check;
mod fleet;
mod graph;
mod maintenance;
mod network;
mod recovery;
mod rollup;
mod traffic;

pub use budget::{ErrorBudget, error_budget};
pub use check::{CheckPolicy, CheckState, StateChange};
pub use fleet::{Fleet, FleetPolicy, Shard, ShardEvent, ShardFact, ShardReason};
pub use graph::{Cause, DependencyGraph};
pub use maintenance::{MaintenanceWindow, Recurrence, WindowError};
pub use network::{NetworkLook, is_own_network_down};
pub use recovery::{
    RecoveryEvent, RecoveryFacts, RecoveryPhase, RecoveryPolicy, RecoveryRefusal, RecoveryState,
};
pub use rollup::{EndpointHealth, model_state, worst};
pub use traffic::{TrafficPolicy, traffic_verdict};
