//! LETTERS: what these bytes mean, and how nouns are spelled as bytes.
//!
//! Useful for: remote write and read, exposition formats, OTLP, pushes, results of queries as JSON.
//! Not for: sockets, disks, clocks, compression of whole bodies (the server's), keeping anything (`store`).
//!
//! Every decoder takes a slice and bounds what it allocates by a small multiple of the slice's length; none panics on
//! any input. A timestamp that the source left out is an argument, never a clock.

pub mod chunk;
pub mod classic_buckets;
mod crc32c;
pub mod import;
pub mod names;
mod native_buckets;
pub mod otlp;
pub mod prom_json;
pub mod prom_tsdb;
pub mod proto_exposition;
pub mod protobuf;
pub mod push;
pub mod pushgateway;
pub mod remote_read;
pub mod remote_write;
pub mod snappy;
pub mod statsd;
pub mod text;
