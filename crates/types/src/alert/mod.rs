//! What is said about something bad: how bad, about whom, since when, and what was decided about it.
//!
//! Useful for: `judge` (which finds it), `notify` (which tells it), `store::state` (which keeps both honest).
//! Not for: deciding anything.

mod decision;
mod event;
mod fingerprint;
mod kept;
mod noun;
mod severity;

pub use decision::{Decision, DecisionReason, DecisionStep};
pub use event::{AlertEvent, AlertEventKind, RuleRef};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use kept::{Kept, LedgerEntry, LedgerEvent, StateBatch, StateChange, StateKind, StateRowError};
pub use noun::{ALERT_NAME, Alert, AlertState, SEVERITY_LABEL};
pub use severity::Severity;
