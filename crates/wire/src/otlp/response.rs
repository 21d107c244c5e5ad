//! What the SDK is told: `ExportMetricsServiceResponse` with `partial_success`, and `google.rpc.Status` for errors.

use super::error::Rejection;
use crate::protobuf::Writer;
use std::fmt::Write as _;

/// Reasons named in the message; more are counted only, so that a bad client does not get a book.
const REASONS_MAX: usize = 10;

pub fn encode_response_proto(rejections: &[Rejection]) -> Vec<u8> {
    let mut w = Writer::new();
    if !rejections.is_empty() {
        w.message(1, |w| {
            w.uint64(1, rejected(rejections));
            w.string(2, &message(rejections));
        });
    }
    w.into_bytes()
}

pub fn encode_response_json(rejections: &[Rejection]) -> String {
    if rejections.is_empty() {
        return "{}".to_owned();
    }
    // A 64-bit integer is a string in this JSON.
    let partial = serde_json::json!({
        "partialSuccess": {
            "rejectedDataPoints": rejected(rejections).to_string(),
            "errorMessage": message(rejections),
        }
    });
    partial.to_string()
}

/// The body of an HTTP error. `code` is one of gRPC's.
pub fn encode_status_proto(code: u32, message: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.uint64(1, u64::from(code));
    w.string(2, message);
    w.into_bytes()
}

pub fn encode_status_json(code: u32, message: &str) -> String {
    serde_json::json!({ "code": code, "message": message }).to_string()
}

fn rejected(rejections: &[Rejection]) -> u64 {
    rejections.iter().map(|r| r.points_count).sum()
}

fn message(rejections: &[Rejection]) -> String {
    let mut text = String::new();
    for (i, rejection) in rejections.iter().take(REASONS_MAX).enumerate() {
        let separator = if i == 0 { "" } else { "; " };
        let Rejection {
            metric,
            first,
            reason,
            points_count,
        } = rejection;
        let series = if first.is_empty() { metric } else { first };
        let others = match points_count {
            ..=1 => "",
            _ if first.is_empty() => "",
            _ => " and others",
        };
        let _ = write!(text, "{separator}{series}{others}: {reason} ({points_count})");
    }
    if rejections.len() > REASONS_MAX {
        let _ = write!(text, "; and {} more reasons", rejections.len() - REASONS_MAX);
    }
    text
}
