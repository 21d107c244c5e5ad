//! LIVE: the object that owns clock, runtime, store and jobs, and their start and stop order.
//!
//! Useful for: running Lapwing inside a program or a test; `lapwing-server` is this plus doors.
//! Not for: HTTP, command lines, configuration files.
//!
//! This is the only crate that reads a clock.

pub mod clock;
pub mod meter;
