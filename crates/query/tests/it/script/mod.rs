//! The language of Prometheus's PromQL test scripts: `load`, `clear`, `eval`, `expect`.

mod compare;
mod parse;
mod run;
mod series;

pub(crate) use compare::almost_equal;
pub(crate) use run::run;
