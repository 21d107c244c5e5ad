//! What every kind of discovery is to the manager: something that is asked, answers with all it knows, and says when
//! to ask again.

use super::error::DiscoveryError;
use super::group::TargetGroup;
use crate::http::{HttpClient, Millis, Request};
use serde::de::DeserializeOwned;
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

    /// What was amiss with the last answer although there was one; asked once after each.
    fn complaint(&mut self) -> Option<DiscoveryError> {
        None
    }

    /// How long to wait before asking again; `None`: the answer will never change.
    fn pause_ms(&self) -> Option<i64>;

    /// For messages and for the API.
    fn name(&self) -> String;
}

const FETCH_TIMEOUT_MS: i64 = 30_000;
/// Nobody is asked more often, whatever the configuration says.
const PAUSE_MIN_MS: i64 = 1000;

/// The wait of a provider that is asked again and again.
pub(super) fn pause_of(refresh_interval: Millis) -> i64 {
    refresh_interval.0.max(PAUSE_MIN_MS)
}

/// One answer of an HTTP API, read as JSON.
pub(super) async fn get_json<T: DeserializeOwned>(
    client: &HttpClient,
    url: &str,
    headers: &[(&str, &str)],
    now_ms: i64,
) -> Result<T, DiscoveryError> {
    let request = Request {
        url,
        headers,
        timeout_ms: FETCH_TIMEOUT_MS,
        body_bytes_max: BODY_BYTES_MAX,
        now_ms,
    };
    let fetched = client
        .get(&request)
        .await
        .map_err(|source| DiscoveryError::Fetch {
            url: url.to_owned(),
            source,
        })?;
    serde_json::from_slice(&fetched.body).map_err(|e| DiscoveryError::Invalid {
        what: format!("the answer of {url}"),
        detail: e.to_string(),
    })
}
