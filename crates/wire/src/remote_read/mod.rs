//! Prometheus remote read, both directions: what is asked (`request`), the answer as plain samples (`samples`) and as
//! a stream of chunks (`stream`). Bodies of requests and of plain answers are snappy blocks, streams are not compressed.

mod error;
mod request;
mod samples;
mod stream;

pub use error::RemoteReadError;
pub use request::{Query, ReadRequest, ResponseType};
pub use samples::{decode_samples, encode_samples};
pub use stream::{SAMPLES_PER_CHUNK, StreamReader, StreamWriter, StreamedSeries};
