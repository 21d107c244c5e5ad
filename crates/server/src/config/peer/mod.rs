//! The peers' own files, read as they read them: what is known counts, what has no meaning here is named in a warning.

mod alertmanager;
mod either;
mod prometheus;
mod shown;
mod web;

pub(crate) use alertmanager::{AlertmanagerFile, load_alertmanager};
pub(crate) use either::{Kind, load_either};
pub(crate) use prometheus::{PrometheusFile, load_prometheus};
use web::read_web_file;
