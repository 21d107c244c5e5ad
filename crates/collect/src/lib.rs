//! FETCH: what does the world say now?
//!
//! Useful for: reading the host, this process and its GPUs, scraping exporters, finding what can be scraped.
//! Not for: keeping (`store`), judging (`judge`), telling (`notify`).
//!
//! Nothing in here reads a clock: `now_ms` is an argument or an injected closure; waiting is `tokio::time`, so that a
//! test pauses it. What was read leaves as a `WriteBatch`.

pub mod discovery;
mod dns_packet;
pub mod glob;
pub mod gpu;
pub mod host;
pub mod http;
mod page;
pub mod probe;
pub mod process;
pub mod relabel;
pub mod schedule;
pub mod scrape;
mod sink;

pub use sink::{BatchSink, Clock, KnownSample, SeriesKey, SinkError, Stopwatch};
