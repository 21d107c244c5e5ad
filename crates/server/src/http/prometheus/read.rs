//! `POST /api/v1/read`: remote read, as samples or as streamed chunks.

use super::external::External;
use crate::http::AppState;
use crate::http::ingest::body::{self, Refused, with_causes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Sample, SeriesWrite};
use lapwing_wire::remote_read::{Query, ReadRequest, ResponseType, StreamWriter, encode_samples};
use lapwing_wire::snappy::Decompressor;

/// Prometheus's own default for `--storage.remote.read-sample-limit`.
const SAMPLES_MAX: usize = 50_000_000;

pub(crate) async fn read(State(state): State<AppState>, request: Request) -> Result<Response, Refused> {
    let received = body::receive(&state, "remote_read", request).await?;
    let snapshot = state.engine.store().snapshot();
    let external = External::of(&state);
    state
        .engine
        .compute_queries(move || {
            let mut decompressor = Decompressor::new();
            let message = decompressor
                .decompress(&received.body, received.unpacked_bytes_max)
                .map_err(|e| Refused::bad(with_causes(&e)))?;
            let request = ReadRequest::decode(message).map_err(|e| Refused::bad(with_causes(&e)))?;
            let kind = request
                .response_type()
                .map_err(|e| Refused::bad(with_causes(&e)))?;
            let results = request
                .queries
                .iter()
                .map(|query| select(&snapshot, query, &external))
                .collect::<Result<Vec<_>, _>>()?;
            answer(kind, &results)
        })
        .await
        .map_err(|e| Refused::later(e.to_string()))?
}

fn select(
    source: &impl SeriesSource,
    query: &Query,
    external: &External,
) -> Result<Vec<SeriesWrite>, Refused> {
    // As in Prometheus, nobody gets everything by asking for nothing.
    if query.matchers.is_empty() {
        return Ok(Vec::new());
    }
    let matchers = external.look_through(&query.matchers);
    let selection = Selection {
        matchers: matchers.map_err(|e| Refused::bad(with_causes(&e)))?,
        start_ms: query.start_ms,
        end_ms: query.end_ms,
        series_max: None,
    };
    let failed =
        |e: lapwing_store::ReadError| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, with_causes(&e));
    let mut all = Vec::new();
    let mut samples = 0;
    let mut points = SeriesPoints::default();
    for series in source.select(&selection).map_err(failed)? {
        points.clear();
        series
            .reader
            .read(query.start_ms, query.end_ms, &mut points)
            .map_err(failed)?;
        samples += points.len();
        if samples > SAMPLES_MAX {
            return Err(Refused::bad(format!(
                "the read asks for more than {SAMPLES_MAX} samples"
            )));
        }
        if points.is_empty() {
            continue;
        }
        let floats = points.times_ms.iter().zip(&points.values);
        all.push(SeriesWrite {
            labels: external.add_to(&series.labels),
            samples: floats.map(|(&t_ms, &value)| Sample { t_ms, value }).collect(),
            histograms: points
                .histograms
                .iter()
                .map(|(t, h)| (*t, h.to_histogram()))
                .collect(),
            ..SeriesWrite::default()
        });
    }
    Ok(all)
}

fn answer(kind: ResponseType, results: &[Vec<SeriesWrite>]) -> Result<Response, Refused> {
    match kind {
        ResponseType::Samples => {
            let packed = snap::raw::Encoder::new()
                .compress_vec(&encode_samples(results))
                .map_err(|e| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
            let headers = [
                (header::CONTENT_TYPE, "application/x-protobuf"),
                (header::CONTENT_ENCODING, "snappy"),
            ];
            Ok((headers, packed).into_response())
        }
        ResponseType::StreamedXorChunks => {
            let mut writer = StreamWriter::new();
            let mut out = Vec::new();
            for (i, result) in results.iter().enumerate() {
                for series in result {
                    writer.series(i, series);
                    out.append(&mut writer.take());
                }
            }
            let content_type = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
            Ok(([(header::CONTENT_TYPE, content_type)], out).into_response())
        }
    }
}
