//! What a program uses to be watched: metrics, operations, and the way of both to an engine in the same process or to a server.
//!
//! Reading order: `cells` (numbers that many threads add to), `registry` (names, labels, handles), `page` (all of it as text or as
//! a batch), `operations` (what was done, and its rate, errors and duration), `resources` and `gpus` (what this process uses), `remote`
//! (to a server, in the background), `track` (a piece of work in one line), `bounds` (how large what is said may be).
//!
//! Behind a feature each: `recorder` (`metrics`: the facade of that name), `spans` (`tracing-layer`), `http` (`tower`; with `axum` it
//! knows its routes), and the attribute `#[lapwing::track]` (`macros`).
//!
//! What must never happen in here: a recording call that blocks, panics or fails because a server is away. A handle is bound once,
//! where names and labels are checked; recording through it is a few atomic additions to the calling thread's own cells.

mod bounds;
mod cells;
mod fork;
mod gpus;
#[cfg(feature = "tower")]
mod http;
mod operations;
mod page;
#[cfg(feature = "metrics")]
mod recorder;
mod registry;
mod remote;
mod resources;
#[cfg(feature = "tracing-layer")]
mod spans;
mod spool;
mod track;

pub use cells::{Counter, Gauge, Histogram, Recorded, Summary};
pub use fork::{ForkHold, fork_gate};
#[cfg(feature = "tower")]
pub use http::{HttpLayer, HttpService};
pub use operations::{Ended, OperationHandle, OperationStart, Tracker, TrackerError};
pub use page::Sdk;
#[cfg(feature = "metrics")]
pub use recorder::{MetricsRecorder, RecorderError};
pub use registry::{Family, Metric, MetricSpec, Registry, RegistryError};
pub use remote::{Remote, RemoteError, RemoteOptions, RemoteStatus, Watching, watch};
pub use resources::process_resources;
#[cfg(feature = "tracing-layer")]
pub use spans::TracingLayer;
pub use track::{
    Judged, JudgedAny, JudgedResult, Site, Timing, UntilDropped, global, track, track_async, try_track,
    try_track_async,
};
