//! Dispatch on an injected clock, channels against golden payloads.

mod config;
mod dispatch;
mod world;
