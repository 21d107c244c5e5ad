//! The Pushgateway's paths, and what a push means to the series in it.
//!
//! `/metrics/job/<job>{/<label>/<value>}` names a group; `job@base64` or `label@base64` says that the value is in
//! base64 (URL-safe, padding optional; `=` is the empty value), a label that starts with `U__` is unescaped. A push may
//! not carry timestamps, and the labels of the group win over those in the body.

use crate::names::{is_legacy_label_name, unescape_values};
use crate::proto_exposition::{ExpositionError, ExpositionOptions, parse_to_batch as proto_to_batch};
use crate::text::{Format, ParseError, parse_to_batch};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use lapwing_types::{Labels, METRIC_NAME, WriteBatch};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const BASE64_SUFFIX: &str = "@base64";
/// A time that no push means: it marks lines without a timestamp.
const NO_TIME: i64 = i64::MIN;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("the path does not begin with /job/NAME")]
    NoJob,
    #[error("the job's name is empty")]
    EmptyJob,
    #[error("label {name:?} has no value")]
    OddSegments { name: String },
    #[error("label name {name:?} is invalid")]
    BadName { name: String },
    #[error("label {name:?} appears more than once")]
    Duplicate { name: String },
    #[error("the value of {name:?} is not valid base64 of text")]
    BadBase64 { name: String },
    #[error("the path is not valid percent-encoding of text")]
    BadPercent,
}

#[derive(Debug, thiserror::Error)]
pub enum GroupBodyError {
    #[error("the body does not parse")]
    Parse {
        #[source]
        source: ParseError,
    },
    #[error("the body does not parse as protobuf")]
    Protobuf {
        #[source]
        source: ExpositionError,
    },
    #[error("the series {series} has a timestamp, which a push may not have")]
    Timestamp { series: String },
}

/// The labels of the group that `path` (what follows `/metrics`, still percent-encoded) names.
pub fn parse_group(path: &str) -> Result<Labels, GroupError> {
    let segments: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(percent_decode)
        .collect::<Result<_, _>>()?;
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in segments.chunks(2) {
        let name = &pair[0];
        if pairs.is_empty() && name.strip_suffix(BASE64_SUFFIX).unwrap_or(name) != "job" {
            return Err(GroupError::NoJob);
        }
        let Some(raw) = pair.get(1) else {
            return Err(GroupError::OddSegments { name: name.clone() });
        };
        let (name, value) = match name.strip_suffix(BASE64_SUFFIX) {
            Some(name) => (name, decode_base64(name, raw)?),
            None => (name.as_str(), raw.clone()),
        };
        let unescaped = unescape_values(name);
        let escaped = unescaped != name;
        if unescaped.is_empty() || unescaped.starts_with("__") || !(escaped || is_legacy_label_name(name)) {
            let name = name.to_owned();
            return Err(GroupError::BadName { name });
        }
        if pairs.iter().any(|(n, _)| *n == unescaped) {
            let name = unescaped.into_owned();
            return Err(GroupError::Duplicate { name });
        }
        pairs.push((unescaped.into_owned(), value));
    }
    if pairs[0].1.is_empty() {
        return Err(GroupError::EmptyJob);
    }
    Labels::from_pairs(pairs).map_err(|_| GroupError::NoJob)
}

/// The body of a push into a group. The group's labels replace those of the body; a series without `instance` stays
/// without, so that it does not pass for a series of this server.
pub fn parse_body(
    body: &[u8],
    format: Format,
    group: &Labels,
    now_ms: i64,
) -> Result<WriteBatch, GroupBodyError> {
    let batch = parse_to_batch(body, format, NO_TIME).map_err(|source| GroupBodyError::Parse { source })?;
    into_group(batch, group, now_ms)
}

/// The same for a body in protobuf, as the Go client pushes by default.
pub fn parse_proto_body(body: &[u8], group: &Labels, now_ms: i64) -> Result<WriteBatch, GroupBodyError> {
    let options = ExpositionOptions {
        classic_beside_native: true,
        ..ExpositionOptions::at(NO_TIME)
    };
    let batch = proto_to_batch(body, options).map_err(|source| GroupBodyError::Protobuf { source })?;
    into_group(batch, group, now_ms)
}

fn into_group(mut batch: WriteBatch, group: &Labels, now_ms: i64) -> Result<WriteBatch, GroupBodyError> {
    for series in &mut batch.series {
        let times = series.samples.iter_mut().map(|s| &mut s.t_ms);
        for t_ms in times.chain(series.histograms.iter_mut().map(|(t_ms, _)| t_ms)) {
            if *t_ms != NO_TIME {
                let series = series.labels.to_string();
                return Err(GroupBodyError::Timestamp { series });
            }
            *t_ms = now_ms;
        }
        let mut labels = series.labels.to_builder();
        for (name, value) in group {
            if name != METRIC_NAME {
                labels.set(name, value);
            }
        }
        series.labels = labels.build();
    }
    Ok(batch)
}

fn decode_base64(name: &str, raw: &str) -> Result<String, GroupError> {
    if raw == "=" {
        return Ok(String::new());
    }
    let bytes = BASE64.decode(raw).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| GroupError::BadBase64 {
            name: name.to_owned(),
        })
}

fn percent_decode(segment: &str) -> Result<String, GroupError> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(bytes.next()?).to_digit(16)?;
            Some(digit as u8)
        };
        let decoded = digit().zip(digit()).map(|(high, low)| (high << 4) | low);
        out.push(decoded.ok_or(GroupError::BadPercent)?);
    }
    String::from_utf8(out).map_err(|_| GroupError::BadPercent)
}
