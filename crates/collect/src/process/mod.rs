//! This process: CPU, memory, open files, under the names every Prometheus client library uses.

mod own;

pub use own::ProcessCollector;
