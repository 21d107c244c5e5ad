//! `query`, `query_range` and their relatives.

use super::envelope::{ApiError, ErrorClass, Success};
use super::params::{Params, invalid};
use super::selector;
use crate::http::{AppState, with_causes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use lapwing::{Answered, QueryFailure, QueryRequest};
use lapwing_query::{QueryError, QueryValue, SampleValue};
use lapwing_wire::prom_json::{
    push_float, push_histogram_point, push_json_str, push_labels, push_point, push_seconds,
};
use std::fmt::Write;

/// More steps than this in one range query are refused, as Prometheus does: enough for a week at a minute, or a pixel
/// each on any screen.
const STEPS_MAX: i64 = 11_000;

pub(crate) async fn instant(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let at_ms = params.time_ms("time")?.unwrap_or_else(|| state.engine.now_ms());
    let request = request_of(&params)?;
    let limit = params.limit()?;
    let want_stats = params.get("stats").is_some();
    let result = state
        .engine
        .queries()
        .instant(request, at_ms)
        .await
        .map_err(failure)?;
    Ok(answer(result, limit, want_stats))
}

pub(crate) async fn range(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let range = range_of(&params)?;
    let request = request_of(&params)?;
    let limit = params.limit()?;
    let want_stats = params.get("stats").is_some();
    let result = run_range(&state, request, range).await?;
    Ok(answer(result, limit, want_stats))
}

pub(crate) async fn run_range(
    state: &AppState,
    request: QueryRequest,
    range: lapwing::StepRange,
) -> Result<Answered, ApiError> {
    let result = state.engine.queries().range(request, range).await;
    result.map_err(failure)
}

/// `start`, `end` and `step`, within what one query may ask.
pub(crate) fn range_of(params: &Params) -> Result<lapwing::StepRange, ApiError> {
    let start_ms = params.time_ms("start")?.ok_or_else(|| missing("start"))?;
    let end_ms = params.time_ms("end")?.ok_or_else(|| missing("end"))?;
    let step_ms = params.duration_ms("step")?.ok_or_else(|| missing("step"))?;
    if end_ms < start_ms {
        return Err(ApiError::bad_data(
            "invalid parameter \"end\": end timestamp must not be before start time",
        ));
    }
    if step_ms <= 0 {
        return Err(ApiError::bad_data(
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (end_ms - start_ms) / step_ms > STEPS_MAX {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    Ok(lapwing::StepRange {
        start_ms,
        end_ms,
        step_ms,
    })
}

pub(crate) async fn format(params: Params) -> Result<Success, ApiError> {
    let expr = lapwing_query::promql::parse(params.require("query")?).map_err(|e| parse_failure(&e))?;
    let mut data = String::new();
    push_json_str(&mut data, &expr.pretty());
    Ok(Success {
        data,
        ..Success::default()
    })
}

pub(crate) async fn parse(params: Params) -> Result<Success, ApiError> {
    let expr = lapwing_query::promql::parse(params.require("query")?).map_err(|e| parse_failure(&e))?;
    Success::json(&expr.to_json())
}

pub(crate) async fn exemplars(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let expr = params.require("query")?;
    let (start_ms, end_ms) = params.time_range_ms()?;
    if end_ms < start_ms {
        return Err(invalid("end", "end timestamp must not be before start timestamp"));
    }
    let selectors = selector::of_expression(expr)?;
    let snapshot = state.engine.store().snapshot();
    let found = state
        .engine
        .compute_queries(move || selector::exemplars(&snapshot, selectors, start_ms, end_ms))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))??;
    let mut data = String::from("[");
    for (i, (labels, exemplars)) in found.iter().enumerate() {
        data.push_str(if i > 0 {
            ",{\"seriesLabels\":"
        } else {
            "{\"seriesLabels\":"
        });
        push_labels(&mut data, labels);
        data.push_str(",\"exemplars\":[");
        for (j, exemplar) in exemplars.iter().enumerate() {
            data.push_str(if j > 0 { ",{\"labels\":" } else { "{\"labels\":" });
            push_labels(&mut data, &exemplar.labels);
            data.push_str(",\"value\":\"");
            push_float(&mut data, exemplar.value);
            data.push_str("\",\"timestamp\":");
            push_seconds(&mut data, exemplar.t_ms.unwrap_or(0));
            data.push('}');
        }
        data.push_str("]}");
    }
    data.push(']');
    Ok(Success {
        data,
        ..Success::default()
    })
}

pub(crate) async fn running(State(state): State<AppState>) -> Result<Success, ApiError> {
    Success::json(&state.engine.queries().running())
}

/// The slowest of the last day, whoever asked them.
pub(crate) async fn slow(State(state): State<AppState>) -> Result<Success, ApiError> {
    Success::json(&state.engine.queries().slow())
}

pub(crate) async fn kill(
    State(state): State<AppState>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Success, ApiError> {
    let Path(id) =
        id.map_err(|e| ApiError::bad_data(format!("invalid number of a query: {}", e.body_text())))?;
    if state.engine.queries().kill(id) {
        Success::json(&serde_json::json!({ "killed": id }))
    } else {
        Err(ApiError::new(
            ErrorClass::NotFound,
            format!("no query {id} is running"),
        ))
    }
}

pub(crate) fn request_of(params: &Params) -> Result<QueryRequest, ApiError> {
    Ok(QueryRequest {
        expr: params.require("query")?.to_owned(),
        // None is asked for where it is not positive, as in Prometheus.
        lookback_ms: params.duration_ms("lookback_delta")?.filter(|ms| *ms > 0),
        timeout_ms: params.duration_ms("timeout")?,
        explain: params.flag("explain"),
    })
}

fn missing(name: &str) -> ApiError {
    ApiError::bad_data(format!(
        "invalid parameter {name:?}: cannot parse \"\" to a valid {}",
        if name == "step" { "duration" } else { "timestamp" }
    ))
}

pub(super) fn parse_failure(error: &lapwing_query::promql::ParseError) -> ApiError {
    ApiError::bad_data(format!("invalid parameter \"query\": {error}"))
}

fn failure(failure: QueryFailure) -> ApiError {
    let message = with_causes(&failure);
    let class = match failure {
        QueryFailure::Busy | QueryFailure::Stopping => ErrorClass::Unavailable,
        QueryFailure::Panicked => ErrorClass::Internal,
        QueryFailure::Query(error) => match error {
            QueryError::Parse(error) => return parse_failure(&error),
            QueryError::BadData(why) => return invalid("query", &why),
            QueryError::Timeout => ErrorClass::Timeout,
            QueryError::Cancelled => ErrorClass::Canceled,
            QueryError::Storage(_) => ErrorClass::Internal,
            _ => ErrorClass::Execution,
        },
    };
    ApiError::new(class, message)
}

fn answer(answered: Answered, limit: Option<usize>, want_stats: bool) -> Success {
    let Answered {
        result,
        queue_s,
        eval_s,
    } = answered;
    let mut warnings = result.warnings;
    let mut data = String::with_capacity(256);
    data.push_str("{\"resultType\":\"");
    match &result.value {
        QueryValue::Scalar { t_ms, value } => {
            data.push_str("scalar\",\"result\":");
            push_point(&mut data, *t_ms, *value);
        }
        QueryValue::Str { t_ms, value } => {
            data.push_str("string\",\"result\":[");
            push_seconds(&mut data, *t_ms);
            data.push(',');
            push_json_str(&mut data, value);
            data.push(']');
        }
        QueryValue::Vector(samples) => {
            data.push_str("vector\",\"result\":[");
            let shown = limited(samples.len(), limit, &mut warnings);
            data.reserve(shown * 160);
            for (i, sample) in samples[..shown].iter().enumerate() {
                data.push_str(if i > 0 { ",{\"metric\":" } else { "{\"metric\":" });
                push_labels(&mut data, &sample.labels);
                match &sample.value {
                    SampleValue::Float(v) => {
                        data.push_str(",\"value\":");
                        push_point(&mut data, sample.t_ms, *v);
                    }
                    SampleValue::Histogram(h) => {
                        data.push_str(",\"histogram\":");
                        push_histogram_point(&mut data, sample.t_ms, h);
                    }
                }
                data.push('}');
            }
            data.push(']');
        }
        QueryValue::Matrix(series) => {
            data.push_str("matrix\",\"result\":[");
            let shown = limited(series.len(), limit, &mut warnings);
            let points: usize = series[..shown].iter().map(|one| one.floats.len()).sum();
            data.reserve(shown * 160 + points * 32);
            for (i, one) in series[..shown].iter().enumerate() {
                data.push_str(if i > 0 { ",{\"metric\":" } else { "{\"metric\":" });
                push_labels(&mut data, &one.labels);
                push_list(&mut data, "values", &one.floats, |out, (t, v)| {
                    push_point(out, *t, *v);
                });
                push_list(&mut data, "histograms", &one.histograms, |out, (t, h)| {
                    push_histogram_point(out, *t, h);
                });
                data.push('}');
            }
            data.push(']');
        }
    }
    if want_stats {
        push_stats(&mut data, &result.stats, (queue_s, eval_s));
    }
    if let Some(tree) = &result.explained {
        data.push_str(",\"explain\":");
        data.push_str(&serde_json::to_string(tree).unwrap_or_else(|_| "null".to_owned()));
    }
    data.push('}');
    Success {
        data,
        warnings,
        infos: result.infos,
    }
}

fn push_list<T>(out: &mut String, key: &str, items: &[T], push: impl Fn(&mut String, &T)) {
    if items.is_empty() {
        return;
    }
    let _ = write!(out, ",\"{key}\":[");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

fn push_stats(out: &mut String, stats: &lapwing_query::QueryStats, (queue_s, eval_s): (f64, f64)) {
    let _ = write!(
        out,
        ",\"stats\":{{\"timings\":{{\"evalTotalTime\":{0},\"resultSortTime\":0,\"queryPreparationTime\":0,\
         \"innerEvalTime\":{0},\"execQueueTime\":{1},\"execTotalTime\":{2}}},\
         \"samples\":{{\"totalQueryableSamples\":{3},\"peakSamples\":{4}}}}}",
        eval_s,
        queue_s,
        eval_s + queue_s,
        stats.samples_total,
        stats.samples_peak
    );
}

fn limited(count: usize, limit: Option<usize>, warnings: &mut Vec<String>) -> usize {
    match limit {
        Some(limit) if count > limit => {
            warnings.push("results truncated due to limit".to_owned());
            limit
        }
        _ => count,
    }
}
