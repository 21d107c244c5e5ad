//! `POST /api/v1/write`: Prometheus remote write 1.0 and 2.0.
//!
//! The hot path of Lapwing. A series that was seen before is found by the bytes of its labels and costs no decoding of
//! them; a request is one batch for the store and one record in its log. Answers: 204 with the `…-Written` headers; 400
//! when some of it was refused (the rest is kept); 413, 415; 503 with Retry-After when it should come again.

use super::body::{self, Received, Refused, refusal_line, unless_for_later, with_causes};
use crate::http::AppState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lapwing_store::metrics::{AppendError, AppendOutcome, Appender, MetricsStore};
use lapwing_wire::remote_write::{RemoteWriteError, v1, v2};
use lapwing_wire::snappy::{Decompressor, SnappyError};
use std::cell::RefCell;
use std::fmt::Write;

const SAMPLES_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// This many refused series are named in an answer; the rest are counted.
const REFUSALS_NAMED_MAX: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

pub(crate) async fn write(State(state): State<AppState>, request: Request) -> Result<Response, Refused> {
    if !state.config().receive.remote_write {
        return Err(Refused::closed("remote write", "receive.remote_write"));
    }
    let version = version_of(request.headers())?;
    let received = body::receive(&state, "remote_write", request).await?;
    let (store, gate) = (state.engine.store().clone(), state.gate.clone());
    let now_ms = state.engine.now_ms();
    let written = state
        .engine
        .compute_ingest(move || {
            let written = append(&store, version, &received, now_ms)?;
            let samples = written.outcome.samples + written.outcome.histograms;
            gate.charge(&received.source, "remote_write", samples);
            Ok::<_, Refused>(written)
        })
        .await
        .map_err(|e| Refused::later(e.to_string()))??;
    Ok(written.into_response())
}

fn version_of(headers: &HeaderMap) -> Result<Version, Refused> {
    let text = |name: HeaderName| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_owned()
    };
    let encoding = text(header::CONTENT_ENCODING);
    if !encoding.is_empty() && encoding != "snappy" {
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content encoding {encoding:?} is not supported; remote write uses snappy"),
        ));
    }
    let content_type = text(header::CONTENT_TYPE);
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or("");
    if !media.is_empty() && media != "application/x-protobuf" {
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content type {media:?} is not supported; remote write uses application/x-protobuf"),
        ));
    }
    match parts.find_map(|p| p.strip_prefix("proto=")) {
        None | Some("prometheus.WriteRequest") => Ok(Version::V1),
        Some("io.prometheus.write.v2.Request") => Ok(Version::V2),
        Some(other) => Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "message {other:?} is not known; use prometheus.WriteRequest or io.prometheus.write.v2.Request"
            ),
        )),
    }
}

/// What was kept, and what was not and why.
#[derive(Debug)]
struct Written {
    outcome: AppendOutcome,
    /// Series that could not even be decoded.
    undecodable: Vec<String>,
}

/// A sender that repeats itself every few seconds sends less at a time; what was reserved for one that catches up is given back.
const KEPT_BYTES_MAX: usize = 4 << 20;

thread_local! {
    /// Kept between requests: the buffers of a steady sender reach their size once.
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

fn append(
    store: &MetricsStore,
    version: Version,
    received: &Received,
    now_ms: i64,
) -> Result<Written, Refused> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let message = decompressor
            .decompress(&received.body, received.unpacked_bytes_max)
            .map_err(snappy_refusal)?;
        let mut appender = store.appender(&received.source, now_ms);
        let mut undecodable = Vec::new();
        let decoded = match version {
            Version::V1 => append_v1(message, &mut appender, &mut undecodable),
            Version::V2 => append_v2(message, &mut appender, &mut undecodable),
        };
        decoded.map_err(|e| Refused::bad(with_causes(&e)))?;
        let outcome = appender.commit().map_err(commit_refusal)?;
        let outcome = match undecodable.is_empty() {
            true => unless_for_later(outcome)?,
            false => outcome,
        };
        decompressor.shrink_to(KEPT_BYTES_MAX);
        Ok(Written { outcome, undecodable })
    })
}

/// An error in the framing fails the request; one inside a series costs that series only.
fn append_v1(
    message: &[u8],
    appender: &mut Appender,
    undecodable: &mut Vec<String>,
) -> Result<(), RemoteWriteError> {
    let request = v1::WriteRequest::decode(message)?;
    for series in request.series() {
        let appended = series
            .and_then(|series| append_series_v1(&series, appender).map_err(|error| series.named(error)));
        undecodable.extend(appended.err().map(|error| with_causes(&error)));
    }
    for metadata in request.metadata() {
        match metadata {
            Ok((family, metadata)) => appender.metadata(&family, metadata),
            Err(error) => undecodable.push(format!("metadata: {}", with_causes(&error))),
        }
    }
    Ok(())
}

fn append_series_v1(series: &v1::RawSeries<'_>, appender: &mut Appender) -> Result<(), RemoteWriteError> {
    let found = match appender.lookup_raw(series.raw_labels()) {
        Some(found) => found,
        None => {
            let labels = series.labels()?;
            // A refusal is noted by the appender itself, with its reason.
            let Ok(bound) = appender.bind_raw(series.raw_labels(), &labels) else {
                return Ok(());
            };
            bound
        }
    };
    for sample in series.samples() {
        let sample = sample?;
        appender.push(found, sample.t_ms, sample.value);
    }
    for timed in series.histograms()? {
        appender.push_histogram(found, timed.t_ms, timed.histogram);
    }
    for exemplar in series.exemplars()? {
        appender.push_exemplar(found, exemplar);
    }
    Ok(())
}

fn append_v2(
    message: &[u8],
    appender: &mut Appender,
    undecodable: &mut Vec<String>,
) -> Result<(), RemoteWriteError> {
    let request = v2::Request::decode(message)?;
    let mut key = Vec::with_capacity(256);
    let mut told = request.told();
    for series in request.series() {
        let series = match series {
            Ok(series) => series,
            Err(error) => {
                undecodable.push(with_causes(&error));
                continue;
            }
        };
        let appended = append_series_v2(&series, &mut key, appender);
        // What is said about a series costs none of its samples.
        let metadata = series.new_metadata(&mut told).map(|new| {
            if let Some((family, metadata)) = new {
                appender.metadata(&family, metadata);
            }
        });
        for error in [appended.err(), metadata.err()].into_iter().flatten() {
            undecodable.push(with_causes(&series.named(error)));
        }
    }
    Ok(())
}

fn append_series_v2(
    series: &v2::RawSeries<'_>,
    key: &mut Vec<u8>,
    appender: &mut Appender,
) -> Result<(), RemoteWriteError> {
    series.key(key)?;
    let found = match appender.lookup_raw(key) {
        Some(found) => found,
        None => {
            let labels = series.labels()?;
            let Ok(bound) = appender.bind_raw(key, &labels) else {
                return Ok(());
            };
            bound
        }
    };
    let histograms = series.histograms()?;
    let created_ms = series.created_ms();
    for sample in series.samples() {
        let v2::StartedSample { sample, start_ms } = sample?;
        appender.push(found, sample.t_ms, sample.value);
        if let Some(start_ms) = start_ms.or(created_ms) {
            appender.push_start(found, sample.t_ms, start_ms);
        }
    }
    for timed in histograms {
        if let Some(start_ms) = timed.start_ms.or(created_ms) {
            appender.push_start(found, timed.t_ms, start_ms);
        }
        appender.push_histogram(found, timed.t_ms, timed.histogram);
    }
    for exemplar in series.exemplars()? {
        appender.push_exemplar(found, exemplar);
    }
    Ok(())
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let headers = [
            (SAMPLES_WRITTEN, self.outcome.samples.to_string()),
            (HISTOGRAMS_WRITTEN, self.outcome.histograms.to_string()),
            (EXEMPLARS_WRITTEN, self.outcome.exemplars.to_string()),
        ];
        let refused = self.outcome.refused_count + self.undecodable.len();
        if refused == 0 {
            return (StatusCode::NO_CONTENT, headers).into_response();
        }
        let mut message = format!("{refused} refused, the rest is kept:\n");
        let named = self.outcome.refused.iter().map(refusal_line);
        for line in self
            .undecodable
            .iter()
            .cloned()
            .chain(named)
            .take(REFUSALS_NAMED_MAX)
        {
            let _ = writeln!(message, "{line}");
        }
        (StatusCode::BAD_REQUEST, headers, message).into_response()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "stands as `map_err(commit_refusal)`"
)]
pub(super) fn commit_refusal(error: AppendError) -> Refused {
    Refused::later(with_causes(&error))
}

fn snappy_refusal(error: SnappyError) -> Refused {
    match error {
        SnappyError::TooLarge { .. } => Refused::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        other => Refused::bad(with_causes(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_store::SeriesSource;
    use lapwing_store::metrics::MetricsOptions;
    use lapwing_wire::protobuf::Writer;

    const T0: i64 = 1_700_000_000_000;

    /// One series `name` with a sample, and what is said about it: the kind and the symbol of its help.
    fn series_v2(w: &mut Writer, name: u64, t_ms: i64, about: Option<(u64, u64)>) {
        w.message(5, |w| {
            w.packed_varints(1, [1, name]);
            w.message(2, |w| {
                w.double(1, 1.0);
                w.int64(2, t_ms);
            });
            if let Some((kind, help)) = about {
                w.message(5, |w| {
                    w.uint64(1, kind);
                    w.uint64(3, help);
                });
            }
        });
    }

    fn request_v2(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut w = Writer::new();
        for symbol in ["", "__name__", "a_total", "b", "old help", "new help"] {
            w.bytes(4, symbol.as_bytes());
        }
        fill(&mut w);
        w.into_bytes()
    }

    /// What is said of the series that are not kept, after how many samples are.
    fn sent(store: &MetricsStore, version: Version, message: &[u8]) -> (usize, Vec<String>) {
        let mut appender = store.appender("test", T0);
        let mut mistakes = Vec::new();
        match version {
            Version::V1 => append_v1(message, &mut appender, &mut mistakes).unwrap(),
            Version::V2 => append_v2(message, &mut appender, &mut mistakes).unwrap(),
        }
        (appender.commit().unwrap().samples, mistakes)
    }

    #[test]
    fn what_is_said_of_a_known_series_is_taken() {
        let store = MetricsStore::in_memory(MetricsOptions::default());
        let said = |t_ms: i64, about: Option<(u64, u64)>| {
            let request = request_v2(|w| series_v2(w, 2, t_ms, about));
            assert_eq!(sent(&store, Version::V2, &request), (1, vec![]));
            let known = store.snapshot().metadata(Some("a_total"));
            known
                .first()
                .map(|(_, m)| format!("{} {}", m.kind.as_str(), m.help))
        };
        assert_eq!(said(T0 - 3, None), None);
        assert_eq!(said(T0 - 2, Some((1, 4))).as_deref(), Some("counter old help"));
        assert_eq!(said(T0 - 1, Some((2, 5))).as_deref(), Some("gauge new help"));
        assert_eq!(said(T0, None).as_deref(), Some("gauge new help"));
    }

    #[test]
    fn a_broken_series_is_named_and_costs_no_other() {
        let store = MetricsStore::in_memory(MetricsOptions::default());
        let request = request_v2(|w| {
            series_v2(w, 2, T0, None);
            w.bytes(5, b"\x0a\x02\x01\x03\x12\x7f");
            // Its help does not exist; its sample does.
            series_v2(w, 3, T0, Some((1, 99)));
        });
        let (samples, mistakes) = sent(&store, Version::V2, &request);
        assert_eq!(samples, 2);
        assert_eq!(
            mistakes,
            [
                "series 2 of the request, {__name__=\"b\"}: the message is not valid protobuf: field 2 claims 127 bytes, 0 are left",
                "the series b: symbol 99 is referred to, the request has 6",
            ]
        );
        let mut w = Writer::new();
        let label = |w: &mut Writer, name: &str, value: &str| {
            w.message(1, |w| {
                w.string(1, name);
                w.string(2, value);
            });
        };
        for (name, bad) in [("c", false), ("bad", true), ("d", false)] {
            w.message(1, |w| {
                label(w, "__name__", name);
                w.message(2, |w| {
                    if bad {
                        w.string(1, "a text");
                    }
                    w.int64(2, T0);
                });
            });
        }
        w.message(3, |w| w.bytes(2, &[0xff]));
        let (samples, mistakes) = sent(&store, Version::V1, w.as_bytes());
        assert_eq!(samples, 2);
        assert_eq!(
            mistakes,
            [
                "the series bad: the message is not valid protobuf: field 1 does not have the type double",
                "metadata: the message is not valid protobuf: field 2 is not valid UTF-8",
            ]
        );
    }

    #[test]
    fn a_symbol_that_is_no_text_costs_those_who_refer_to_it() {
        let store = MetricsStore::in_memory(MetricsOptions::default());
        let mut w = Writer::new();
        for symbol in [&b""[..], b"__name__", b"good", b"bad\xff", b"help"] {
            w.bytes(4, symbol);
        }
        series_v2(&mut w, 2, T0, Some((1, 4)));
        series_v2(&mut w, 3, T0, None);
        // Its help is no text; its sample is one.
        series_v2(&mut w, 2, T0 + 1, Some((2, 3)));
        let (samples, mistakes) = sent(&store, Version::V2, w.as_bytes());
        assert_eq!(samples, 2);
        assert_eq!(
            mistakes,
            [
                "series 2 of the request, {__name__=\"<symbol 3>\"}: symbol 3 is not valid UTF-8",
                "the series good: symbol 3 is not valid UTF-8",
            ]
        );
    }

    fn check(content_type: &str, encoding: &str, expect: Result<Version, u16>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        let got = version_of(&headers).map_err(|r| r.status.as_u16());
        assert_eq!(got, expect, "{content_type} {encoding}");
    }

    #[test]
    fn the_content_type_names_the_version() {
        check("application/x-protobuf", "snappy", Ok(Version::V1));
        check(
            "application/x-protobuf;proto=prometheus.WriteRequest",
            "snappy",
            Ok(Version::V1),
        );
        check(
            "application/x-protobuf; proto=io.prometheus.write.v2.Request",
            "snappy",
            Ok(Version::V2),
        );
        check("application/x-protobuf;proto=x", "snappy", Err(415));
        check("application/json", "snappy", Err(415));
        check("application/x-protobuf", "gzip", Err(415));
    }
}
