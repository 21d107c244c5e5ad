//! What a program uses to be watched: metrics, operations, and the way of both to an engine in the same process or to a server.
//!
//! Reading order: `cells` (numbers that many threads add to), `registry` (names, labels, handles), `page` (all of it as text or as
//! a batch), `operations` (what was done, and its rate, errors and duration), `resources` (what this process uses), `remote`
//! (to a server, in the background).
//!
//! What must never happen in here: a recording call that blocks, panics or fails because a server is away. A handle is bound once,
//! where names and labels are checked; recording through it is a few atomic additions to the calling thread's own cells.

mod cells;
mod fork;
mod operations;
mod page;
mod registry;
mod remote;
mod resources;
mod spool;

pub use cells::{Counter, Gauge, Histogram, Recorded, Summary};
pub use fork::{ForkHold, fork_gate};
pub use operations::{Ended, OperationHandle, OperationStart, Tracker, TrackerError};
pub use page::Sdk;
pub use registry::{Family, Metric, MetricSpec, Registry, RegistryError};
pub use remote::{Remote, RemoteError, RemoteOptions, RemoteStatus};
pub use resources::process_resources;
