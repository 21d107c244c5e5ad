//! StatsD, with DogStatsD's tags: lines (`parse`) and what they add up to (`aggregate`).
//!
//! Names become legacy names (`api.requests` is `api_requests`). A counter is a running total, as Prometheus expects; a
//! gauge is its last value; a set is the number of distinct values since the last flush; timers (milliseconds, kept in
//! seconds), histograms and distributions become native histograms with buckets 9 % wide.

mod aggregate;
mod parse;

pub use aggregate::{Before, Statsd, StatsdLimits, StatsdReject};
pub use parse::{StatsdError, StatsdKind, StatsdLine, parse_line};
