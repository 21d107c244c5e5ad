//! What the crate promises, seen from outside.

mod artifact;
mod config;
mod discovery;
mod gpu;
mod host;
mod http;
mod probe;
mod probe_peers;
mod probe_servers;
mod scrape;
mod server;
