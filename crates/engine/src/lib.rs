//! LIVE: the object that owns clock, runtime, store and jobs, and their start and stop order.
//!
//! Useful for: running Lapwing inside a program or a test; `lapwing-server` is this plus doors.
//! Not for: HTTP, command lines, configuration files.
//!
//! This is the only crate that reads a clock.

mod alertmanagers;
pub mod backup;
pub mod clock;
mod compute;
mod engine;
mod forward;
mod graph;
pub mod health;
mod jobs;
mod journals;
pub mod layout;
pub mod meter;
mod options;
mod otlp;
mod own;
mod paging;
mod paging_numbers;
mod performance;
mod pushed;
mod queries;
mod scraping;
pub mod sdk;
mod simulated;
mod slow_queries;
mod telling;
mod upkeep;
mod work;

pub use alertmanagers::{AlertmanagerGroup, SortedAlertmanagers};
pub use clock::Clock;
pub use compute::{Compute, ComputeError};
pub use engine::{Engine, StartError, StopError};
pub use health::{Health, HealthOptions};
pub use journals::BaselineError;
#[cfg(feature = "macros")]
pub use lapwing_macros::track;
pub use meter::Meter;
pub use options::EngineOptions;
pub use otlp::{OtlpFailure, OtlpKept};
pub use paging::{Paging, PagingError, PagingOptions};
pub use pushed::{Push, PushError, PushMode, Pushed, PushedGroup};
pub use queries::{Answered, Queries, QueryFailure, QueryLimits, QueryRequest, RunningQuery, StepRange};
pub use scraping::{LOCAL_JOB, Scraping, ScrapingError};
pub use sdk::{track, track_async, try_track, try_track_async};
pub use slow_queries::SlowQuery;
pub use telling::{Meanwhile, MeanwhileError, Telling, ToldPage, replay_and_tell};

/// The examples of the documentation are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
mod documentation {}

/// The name of this machine, as it stands in `instance` labels.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
