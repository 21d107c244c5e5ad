//! Unit tests of rules: promtool's files as they are, and what Lapwing adds to them.
//!
//! Samples go in, alerts and answers come out, on a clock that starts where the test says; nothing is read from a store.

mod file;
mod histogram;
mod run;
mod series;

pub use file::{
    AlertTest, Deed, ExpectedAlert, ExpectedPage, ExpectedSample, ExprTest, InputSeries, TestCase, TestFile,
};
pub use run::{Failure, run_case};
pub use series::{SeriesError, parse_labels, parse_series};
