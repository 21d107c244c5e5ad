//! The exposition format in protobuf: length-delimited `io.prometheus.client.MetricFamily`, the only one that carries
//! native histograms. Read of pages that are scraped, written for those who federate.

mod read;
mod write;

pub use read::{ExpositionError, ExpositionOptions, ExpositionPage, parse, parse_to_batch};
pub use write::{FederatedSample, FederatedValue, write};
