//! The queries of a contest, timed from the outside: what a dashboard, an alert rule and an explorer ask.
//!
//! Two servers that hold the same data must return the same number of series; where they do not, the bench says so, for
//! a wrong answer is never fast.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::clock;

enum Shape {
    Instant,
    /// Over the given share of the data, with a step in seconds.
    Range(f64, f64),
    /// A listing of label values or series.
    List(&'static str),
}

pub(super) struct Query {
    pub(super) name: &'static str,
    expr: &'static str,
    shape: Shape,
}

/// `SPAN` stands for the length of the data, at most six hours.
pub(super) const QUERIES: &[Query] = &[
    Query {
        name: "instant, one series",
        expr: r#"node_load1{instance="host-00004"}"#,
        shape: Shape::Instant,
    },
    Query {
        name: "rate, one per host",
        expr: "rate(vllm:generation_tokens_total[5m])",
        shape: Shape::Instant,
    },
    Query {
        name: "threshold, one per host",
        expr: "vllm:num_requests_waiting > 8",
        shape: Shape::Instant,
    },
    Query {
        name: "sum by, everything",
        expr: r#"sum by (__name__) ({job="bench"})"#,
        shape: Shape::Instant,
    },
    Query {
        name: "topk of rates",
        expr: "topk(10, sum by (instance) (rate(http_requests_total[5m])))",
        shape: Shape::Instant,
    },
    Query {
        name: "p99 from buckets",
        expr: "histogram_quantile(0.99, sum by (le) (rate(vllm:e2e_request_latency_seconds_bucket[5m])))",
        shape: Shape::Instant,
    },
    Query {
        name: "ratio join",
        expr: r#"sum by (instance) (rate(http_requests_total{code=~"2.."}[5m]))
                 / sum by (instance) (rate(http_requests_total[5m])) > 0.001"#,
        shape: Shape::Instant,
    },
    Query {
        name: "regex count",
        expr: r#"count by (job) ({instance=~"host-00[0-4].*", __name__=~"node_.*"})"#,
        shape: Shape::Instant,
    },
    Query {
        name: "avg_over_time[1h]",
        expr: "avg by (zone) (avg_over_time(DCGM_FI_DEV_GPU_UTIL[1h]))",
        shape: Shape::Instant,
    },
    Query {
        name: "quantile_over_time[span]",
        expr: "max by (feature) (quantile_over_time(0.95, ml_feature_drift_psi[SPAN]))",
        shape: Shape::Instant,
    },
    Query {
        name: "range span x 15 s, 100 hosts",
        expr: r#"rate(node_network_receive_bytes_total{instance=~"host-000..", device="eth0"}[5m])"#,
        shape: Shape::Range(1.0, 15.0),
    },
    Query {
        name: "range span/6 x 60 s, sum",
        expr: "sum by (zone) (rate(vllm:generation_tokens_total[5m]))",
        shape: Shape::Range(1.0 / 6.0, 60.0),
    },
    Query {
        name: "range span x 60 s, histogram",
        expr: r#"histogram_quantile(0.95, sum by (le) (rate(vllm:e2e_request_latency_seconds_bucket{instance=~"host-000.."}[5m])))"#,
        shape: Shape::Range(1.0, 60.0),
    },
    Query {
        name: "range span x 60 s, one series",
        expr: r#"DCGM_FI_DEV_GPU_UTIL{instance="host-00007", gpu="0"}"#,
        shape: Shape::Range(1.0, 60.0),
    },
    Query {
        name: "values of a label",
        expr: "",
        shape: Shape::List("/api/v1/label/instance/values"),
    },
    Query {
        name: "series of a host",
        expr: r#"{instance="host-00009"}"#,
        shape: Shape::List("/api/v1/series"),
    },
];

const SPAN_MAX_S: f64 = 6.0 * 3_600.0;

/// The data that is asked about, in Unix seconds.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) start_s: f64,
    pub(super) end_s: f64,
}

/// The median time, that of all but one in a hundred runs (with fewer runs: of all), and how many series came back.
pub(super) struct Answer {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) series: usize,
}

pub(super) fn ask(
    agent: &ureq::Agent,
    base: &str,
    query: &Query,
    window: Window,
    repeat: usize,
) -> Result<Answer> {
    let mut times = Vec::with_capacity(repeat);
    let mut series = 0;
    // The first run fills caches and opens the connection; it is not timed. Each later one asks for another moment, so
    // that no result cache can answer.
    for run in 0..=repeat {
        let shift_s = 15.0 * (run % 8) as f64;
        let (path, parameters) = parameters(query, window, shift_s);
        let start = clock::now();
        let mut request = agent.get(format!("{base}{path}"));
        for (name, value) in &parameters {
            request = request.query(name, value);
        }
        let mut answer = request
            .call()
            .with_context(|| format!("ask for {}", query.name))?;
        let body = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_vec()
            .context("read an answer")?;
        if run > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        if run == 0 {
            series = count(&serde_json::from_slice(&body).context("understand an answer")?)?;
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(Answer {
        p50_ms: times[times.len() / 2],
        p99_ms: times[(times.len() * 99 / 100).min(times.len() - 1)],
        series,
    })
}

fn parameters(query: &Query, window: Window, shift_s: f64) -> (&'static str, Vec<(&'static str, String)>) {
    let span = (window.end_s - window.start_s).min(SPAN_MAX_S);
    let end = window.end_s - shift_s;
    let seconds = |s: f64| format!("{s:.3}");
    let expr = query.expr.replace("SPAN", &format!("{}s", span as u64));
    match query.shape {
        Shape::Instant => ("/api/v1/query", vec![("query", expr), ("time", seconds(end))]),
        Shape::Range(share, step) => {
            let start = end - span * share;
            let range = [
                ("start", seconds(start)),
                ("end", seconds(end)),
                ("step", seconds(step)),
            ];
            (
                "/api/v1/query_range",
                std::iter::once(("query", expr)).chain(range).collect(),
            )
        }
        Shape::List(path) => {
            let mut list = vec![("start", seconds(window.start_s)), ("end", seconds(end))];
            if !expr.is_empty() {
                list.push(("match[]", expr));
            }
            (path, list)
        }
    }
}

fn count(answer: &Value) -> Result<usize> {
    if answer["status"] != "success" {
        bail!("the answer is an error: {}", answer["error"]);
    }
    let list = answer["data"]
        .as_array()
        .or_else(|| answer["data"]["result"].as_array());
    Ok(list.context("the answer holds no list")?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_and_errors_seen() {
        let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(
            count(&value(r#"{"status":"success","data":{"result":[1,2]}}"#)).expect("counted"),
            2
        );
        assert_eq!(
            count(&value(r#"{"status":"success","data":["a"]}"#)).expect("counted"),
            1
        );
        assert!(count(&value(r#"{"status":"error","error":"no"}"#)).is_err());
        assert!(count(&value(r#"{"status":"success"}"#)).is_err());
    }

    #[test]
    fn spans_are_bounded_and_written_out() {
        let query = QUERIES
            .iter()
            .find(|q| q.expr.contains("SPAN"))
            .expect("one uses the span");
        let expr = |hours: f64| {
            parameters(
                query,
                Window {
                    start_s: 0.0,
                    end_s: hours * 3_600.0,
                },
                0.0,
            )
            .1[0]
                .1
                .clone()
        };
        assert!(expr(1.0).contains("[3600s]"));
        assert!(expr(24.0).contains("[21600s]"));
    }
}
