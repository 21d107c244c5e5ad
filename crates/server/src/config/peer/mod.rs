//! The peers' own files, read as they read them: what is known counts, what has no meaning here is named in a warning.

mod prometheus;
mod web;

pub(crate) use prometheus::{PrometheusFile, load_prometheus};
pub(crate) use web::read_web_config;
