//! REACH: how another machine is reached over HTTP. Who we are, whom we trust, through what proxy, in Prometheus's and
//! Alertmanager's words; tokens; and requests with a deadline, a bound on the body, and a named reason when they fail.
//!
//! Never: an unbounded body, a request without a deadline, a secret in a message or a `Debug` text.

mod client;
mod config;
mod error;
mod oauth2;
mod proxy;
mod reach;
mod secret;
pub mod tls;
pub mod unpack;

pub use client::{Fetched, HttpClient, Request};
pub use config::{Authorization, BasicAuth, HttpConfig, OAuth2, TlsConfig, TlsVersion};
pub use error::{FetchError, HttpConfigError};
pub use proxy::Proxying;
pub use reach::Reach;
pub use secret::Secret;
