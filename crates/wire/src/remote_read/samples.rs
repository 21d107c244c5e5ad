//! `prometheus.ReadResponse`: the series of each query with plain samples and native histograms.

use super::RemoteReadError;
use crate::protobuf::{Reader, Writer};
use crate::remote_write::{encode_series_v1, v1};
use lapwing_types::SeriesWrite;

/// One list of series per query, in the order of the queries. Uncompressed.
pub fn encode_samples(results: &[Vec<SeriesWrite>]) -> Vec<u8> {
    let mut w = Writer::new();
    for result in results {
        w.message(1, |w| {
            for series in result {
                encode_series_v1(w, 1, series);
            }
        });
    }
    w.into_bytes()
}

pub fn decode_samples(bytes: &[u8]) -> Result<Vec<Vec<SeriesWrite>>, RemoteReadError> {
    let mut results = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        if field.number == 1 {
            // A result has its series where a write request has them.
            let result = v1::WriteRequest::decode(field.bytes()?)?;
            results.push(result.to_batch()?.series);
        }
    }
    Ok(results)
}
