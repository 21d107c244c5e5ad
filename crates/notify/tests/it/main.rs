//! Dispatch on an injected clock, channels against golden payloads.

mod channels;
mod config;
mod dispatch;
mod others;
mod simulation;
mod slack;
mod world;
