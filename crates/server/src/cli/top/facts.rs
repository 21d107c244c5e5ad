//! What the screen shows, asked over the same API as the web UI.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A server that takes longer is said to be away.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("cannot reach {url}; `lapwing` starts it")]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} answers {status}")]
    Refused { url: String, status: u16 },
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) server: String,
    /// Worst first.
    pub(super) models: Vec<Model>,
    pub(super) alerts: Vec<Alert>,
    pub(super) hosts: Vec<Host>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) is_failing: bool,
    pub(super) because: Vec<String>,
    pub(super) traffic: Option<f64>,
    pub(super) errors: Option<f64>,
    pub(super) p95_s: Option<f64>,
    /// Requests per second over the last hour.
    pub(super) past: Vec<f64>,
}

#[derive(Debug)]
pub(super) struct Alert {
    pub(super) severity: String,
    pub(super) name: String,
    pub(super) about: String,
    pub(super) summary: String,
    pub(super) is_suppressed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<f64>,
    pub(super) load: Option<f64>,
}

/// Each brings the model's name to the label `model`: vLLM, SGLang, Triton, and Lapwing's own.
const TRAFFIC: &str = "label_replace(sum by (model_name) (rate(vllm:request_success_total[2m])), \"model\", \"$1\", \"model_name\", \"(.*)\") \
    or label_replace(sum by (model_name) (rate(sglang:num_requests_total[2m])), \"model\", \"$1\", \"model_name\", \"(.*)\") \
    or sum by (model) (rate(nv_inference_request_success[2m])) or sum by (model) (rate(lapwing_operations_total[2m]))";
const ERRORS: &str = "label_replace(sum by (model_name) (rate(vllm:request_success_total{finished_reason=~\"abort|error\"}[2m])) \
    / sum by (model_name) (rate(vllm:request_success_total[2m])), \"model\", \"$1\", \"model_name\", \"(.*)\") \
    or sum by (model) (rate(nv_inference_request_failure[2m])) / (sum by (model) (rate(nv_inference_request_success[2m])) + sum by (model) (rate(nv_inference_request_failure[2m]))) \
    or sum by (model) (rate(lapwing_operations_total{outcome=\"error\"}[2m])) / sum by (model) (rate(lapwing_operations_total[2m]))";
const P95: &str = "label_replace(histogram_quantile(0.95, sum by (model_name, le) (rate(vllm:e2e_request_latency_seconds_bucket[2m]))), \"model\", \"$1\", \"model_name\", \"(.*)\") \
    or label_replace(histogram_quantile(0.95, sum by (model_name, le) (rate(sglang:e2e_request_latency_seconds_bucket[2m]))), \"model\", \"$1\", \"model_name\", \"(.*)\") \
    or histogram_quantile(0.95, sum by (model, le) (rate(lapwing_operation_duration_seconds_bucket[2m])))";
const CPU: &str = "1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[2m]))";
const MEMORY: &str = "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes";
const LOAD: &str = "node_load1";

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Found {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

#[derive(Deserialize)]
struct ListedAlert {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    status: ListedStatus,
}

#[derive(Deserialize)]
struct ListedStatus {
    state: String,
}

struct Server<'a> {
    client: reqwest::Client,
    url: &'a str,
    token: Option<&'a str>,
}

impl Server<'_> {
    async fn get<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, AskError> {
        let text = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let base = self.url.trim_end_matches('/');
        let mut request = self.client.get(format!("{base}{path}?{text}"));
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        let unreachable = |source| AskError::Unreachable {
            url: self.url.to_owned(),
            source,
        };
        let answer = request.send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(AskError::Refused {
                url: self.url.to_owned(),
                status: answer.status().as_u16(),
            });
        }
        answer.json().await.map_err(unreachable)
    }

    /// The value of each series by one of its labels; what is no number is unknown.
    async fn by(&self, expr: &str, label: &str) -> Result<BTreeMap<String, f64>, AskError> {
        let found: Envelope<Found> = self.get("/api/v1/query", &[("query", expr)]).await?;
        let rows = found.data.result.into_iter().filter_map(|series| {
            let value = series.value?.1.parse::<f64>().ok().filter(|v| v.is_finite())?;
            Some((series.metric.get(label)?.clone(), value))
        });
        Ok(rows.collect())
    }

    async fn past(&self, now_s: f64) -> Result<BTreeMap<String, Vec<f64>>, AskError> {
        let (start, end) = ((now_s - 3600.0).to_string(), now_s.to_string());
        let query = [
            ("query", TRAFFIC),
            ("start", &start),
            ("end", &end),
            ("step", "120"),
        ];
        let found: Envelope<Found> = self.get("/api/v1/query_range", &query).await?;
        let rows = found.data.result.into_iter().filter_map(|series| {
            let values = series.values.iter().filter_map(|(_, v)| v.parse().ok()).collect();
            Some((series.metric.get("model")?.clone(), values))
        });
        Ok(rows.collect())
    }
}

pub(super) async fn ask(url: &str, token: Option<&str>) -> Result<Facts, AskError> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).build();
    let client = client.map_err(|source| AskError::Unreachable {
        url: url.to_owned(),
        source,
    })?;
    let server = Server { client, url, token };
    let listed: Vec<ListedAlert> = server.get("/api/v2/alerts", &[]).await?;
    let now_s = lapwing::Clock::system().now_ms() as f64 / 1000.0;
    let traffic = server.by(TRAFFIC, "model").await?;
    let errors = server.by(ERRORS, "model").await?;
    let p95 = server.by(P95, "model").await?;
    let past = server.past(now_s).await?;
    let mut models: Vec<Model> = names(&traffic, &listed)
        .into_iter()
        .map(|name| Model {
            traffic: traffic.get(&name).copied(),
            errors: errors.get(&name).copied(),
            p95_s: p95.get(&name).copied(),
            past: past.get(&name).cloned().unwrap_or_default(),
            is_failing: listed.iter().any(|a| is_about(a, &name) && is_critical(a)),
            because: because(&listed, &name),
            name,
        })
        .collect();
    models.sort_by(|a, b| {
        let rank = |m: &Model| (!m.is_failing, m.because.is_empty());
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    let (cpu, memory, load) = (
        server.by(CPU, "instance").await?,
        server.by(MEMORY, "instance").await?,
        server.by(LOAD, "instance").await?,
    );
    let hosts = load.keys().map(|name| Host {
        name: name.clone(),
        cpu: cpu.get(name).copied(),
        memory: memory.get(name).copied(),
        load: load.get(name).copied(),
    });
    Ok(Facts {
        server: url.to_owned(),
        models,
        hosts: hosts.collect(),
        alerts: listed.iter().map(shown).collect(),
    })
}

fn names(traffic: &BTreeMap<String, f64>, alerts: &[ListedAlert]) -> Vec<String> {
    let mut names: Vec<String> = traffic.keys().cloned().collect();
    names.extend(alerts.iter().filter_map(|a| a.labels.get("model").cloned()));
    names.sort();
    names.dedup();
    names
}

fn is_about(alert: &ListedAlert, name: &str) -> bool {
    ["model", "model_name"]
        .iter()
        .any(|l| alert.labels.get(*l).is_some_and(|v| v == name))
}

fn is_critical(alert: &ListedAlert) -> bool {
    matches!(
        alert.labels.get("severity").map(String::as_str),
        Some("critical" | "page" | "error")
    )
}

fn because(alerts: &[ListedAlert], name: &str) -> Vec<String> {
    let mine = alerts.iter().filter(|a| is_about(a, name));
    mine.filter_map(|a| a.labels.get("alertname").cloned()).collect()
}

fn shown(alert: &ListedAlert) -> Alert {
    let label = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
    let about = ["model", "model_name", "instance", "job"]
        .iter()
        .map(|l| label(l))
        .find(|v| !v.is_empty());
    Alert {
        severity: label("severity"),
        name: label("alertname"),
        about: about.unwrap_or_default(),
        summary: alert.annotations.get("summary").cloned().unwrap_or_default(),
        is_suppressed: alert.status.state == "suppressed",
    }
}
