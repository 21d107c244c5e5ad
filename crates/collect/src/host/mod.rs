//! The host: how busy, how full, how well, under the names node_exporter gave these facts.
//!
//! One file per collector; each has a pure `parse` and a `collect` that reads under a settable root. A new collector is
//! one file and one line in [`collector`].

mod cgroup;
mod collector;
mod cpu;
mod disk;
mod filesystem;
#[cfg(test)]
mod fuzz;
mod hwmon;
mod identity;
mod infiniband;
mod kernel;
mod load;
mod memory;
mod netclass;
mod netstat;
mod network;
mod pressure;
mod root;
mod stat;
mod statvfs;
mod thermal;
mod vmstat;

pub use collector::HostCollector;
pub use root::HostError;
pub(crate) use root::{Root, number};
