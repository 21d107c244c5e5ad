//! What crosses the crate's border, format by format: round trips, hostile input, the specifications' examples.

mod cases;
mod notation;
mod otlp;
mod prom_tsdb;
mod promtool;
mod proto_exposition;
mod proto_federation;
mod push;
mod remote_read;
mod remote_write;
mod strategies;
mod text;
