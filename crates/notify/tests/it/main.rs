//! Dispatch on an injected clock, channels against golden payloads.

mod channels;
mod config;
mod dispatch;
mod simulation;
mod slack;
mod world;
