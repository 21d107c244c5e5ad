//! Outgoing HTTP, as everything in this crate does it: with a deadline, a bound on the body, and a named reason when
//! it fails.
//!
//! Never: an unbounded body, a request without a deadline, a secret in a message or a `Debug` text.

mod client;
mod config;
mod error;
pub(crate) mod loose;
mod oauth2;
mod secret;
pub(crate) mod tls;
mod units;
pub(crate) mod unpack;

pub use client::{Fetched, HttpClient, Request};
pub use config::{Authorization, BasicAuth, HttpConfig, OAuth2, TlsConfig, TlsVersion};
pub use error::{FetchError, HttpConfigError};
pub use secret::Secret;
pub use units::{Bytes, Millis, UnitError, parse_duration_ms, parse_size_bytes};
