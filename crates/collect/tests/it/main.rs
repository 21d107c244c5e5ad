//! What the crate promises, seen from outside.

mod config;
mod discovery;
mod gpu;
mod host;
mod http;
mod scrape;
mod server;
