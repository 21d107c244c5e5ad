//! What every kind of discovery is to the manager: something that is asked, answers with all it knows, and says when
//! to ask again.

use super::error::DiscoveryError;
use super::group::TargetGroup;
use std::future::Future;
use std::pin::Pin;

pub(super) type Answer<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<TargetGroup>, DiscoveryError>> + Send + 'a>>;

/// A body of any discovery is at most so large: the list of all pods of a large cluster.
pub(super) const BODY_BYTES_MAX: u64 = 256 << 20;
/// Targets that one provider may give; beyond it something is wrong, and memory would follow.
pub(super) const TARGETS_MAX: usize = 200_000;

pub(super) trait Provider: Send {
    /// All groups as of now. A watching provider first waits for a change.
    fn next(&mut self, now_ms: i64) -> Answer<'_>;

    /// How long to wait before asking again; `None`: the answer will never change.
    fn pause_ms(&self) -> Option<i64>;

    /// For messages and for the API.
    fn name(&self) -> String;
}
