//! Outgoing HTTP, and how what it is told is read: numbers as text, durations, sizes.

pub(crate) mod loose;
mod units;

pub use lapwing_http::{
    Authorization, BasicAuth, FetchError, Fetched, HttpClient, HttpConfig, HttpConfigError, OAuth2, Request,
    Secret, TlsConfig, TlsVersion,
};
pub(crate) use lapwing_http::{tls, unpack};
pub use units::{Bytes, Millis, UnitError, parse_duration_ms, parse_size_bytes};
