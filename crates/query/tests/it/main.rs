//! The crate from outside: scripts in the language of Prometheus's own tests, answers compared with a real Prometheus,
//! and what a caller relies on.

mod differential;
mod explain;
mod hostile;
mod memory;
mod script;
mod scripts;
mod sliding;
mod tiers;
