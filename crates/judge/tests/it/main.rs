//! Rules on an injected clock, against a table instead of a store.

mod alerting;
mod files;
mod lint;
mod packs;
mod parallel;
mod prometheus;
mod promql;
mod seeds;
mod shapes;
mod table;
mod unit_tests;
