//! What the crate promises, seen from outside.

mod discovery;
mod host;
mod scrape;
mod server;
