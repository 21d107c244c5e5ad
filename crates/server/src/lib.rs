//! SERVE: how Lapwing is reached: command line, configuration, HTTP.
//!
//! Useful for: starting the program, its API, its files of configuration.
//! Not for: logic of its own; what it does is in the engine and the rooms below.

mod cli;
mod config;
mod dashboards;
mod demo;
mod doctor;
mod http;
mod launch;
mod live;
mod statsd;

pub use cli::cli_main;
