//! What the screen shows, asked over the same API as the web UI.

use lapwing_types::HealthState;
use serde::Deserialize;
use std::cmp::Reverse;
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
    /// What fires before what is silenced, worst first, the newest first.
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

/// Models of which a sample came of late, also where nobody asks them anything.
const FRESH: &str = "count by (model) ({model!=\"\", __name__!~\"ALERTS|ALERTS_FOR_STATE\"})";
const FRESH_NAMED: &str = "count by (model_name) ({model_name!=\"\", __name__!~\"ALERTS|ALERTS_FOR_STATE\"})";
/// What Lapwing's own checks of the models say.
const HEALTH: &str = "max by (model) (lapwing_health_state{scope=\"model\"})";
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
    #[serde(default, rename = "startsAt")]
    starts_at: String,
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
    let measured = Measured {
        traffic: server.by(TRAFFIC, "model").await?,
        errors: server.by(ERRORS, "model").await?,
        p95: server.by(P95, "model").await?,
        health: server.by(HEALTH, "model").await?,
        past: server.past(now_s).await?,
    };
    let mut fresh = server.by(FRESH, "model").await?;
    fresh.extend(server.by(FRESH_NAMED, "model_name").await?);
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
        models: models(&measured, fresh.into_keys(), &listed),
        hosts: hosts.collect(),
        alerts: alerts(&listed),
    })
}

/// By the names of the models.
#[derive(Default)]
struct Measured {
    traffic: BTreeMap<String, f64>,
    errors: BTreeMap<String, f64>,
    p95: BTreeMap<String, f64>,
    health: BTreeMap<String, f64>,
    past: BTreeMap<String, Vec<f64>>,
}

/// All that send samples, are checked or are named by an alert; worst first.
fn models(measured: &Measured, fresh: impl Iterator<Item = String>, listed: &[ListedAlert]) -> Vec<Model> {
    let mut names: Vec<String> = fresh.collect();
    names.extend(measured.traffic.keys().chain(measured.health.keys()).cloned());
    let labels = ["model", "model_name"];
    let named = |a: &ListedAlert| labels.map(|l| a.labels.get(l).filter(|v| !v.is_empty()).cloned());
    names.extend(listed.iter().flat_map(named).flatten());
    names.sort();
    names.dedup();
    let mut models: Vec<Model> = names
        .into_iter()
        .map(|name| model(name, measured, listed))
        .collect();
    models.sort_by(|a, b| {
        let rank = |m: &Model| (!m.is_failing, m.because.is_empty());
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    models
}

fn model(name: String, measured: &Measured, listed: &[ListedAlert]) -> Model {
    let health = measured.health.get(&name).copied();
    let is_at_least = |state: HealthState| health.is_some_and(|v| v >= state.value());
    let states = [
        HealthState::Critical,
        HealthState::Unhealthy,
        HealthState::Degraded,
    ];
    let unwell = states.into_iter().find(|state| is_at_least(*state));
    let mut because = because(listed, &name);
    because.extend(unwell.map(|state| format!("its checks: {}", state.as_str())));
    Model {
        traffic: measured.traffic.get(&name).copied(),
        errors: measured.errors.get(&name).copied(),
        p95_s: measured.p95.get(&name).copied(),
        past: measured.past.get(&name).cloned().unwrap_or_default(),
        is_failing: unwell.is_some_and(HealthState::is_failing)
            || listed.iter().any(|a| is_about(a, &name) && is_critical(a)),
        because,
        name,
    }
}

/// As in the web UI: from 0, the worst, to 5. One that nobody knows stands between warnings and what only informs.
pub(super) fn severity_rank(severity: &str) -> u8 {
    match severity.to_lowercase().as_str() {
        "page" | "emergency" | "critical" => 0,
        "error" | "high" => 1,
        "warning" | "warn" | "medium" | "ticket" => 2,
        "info" | "low" => 4,
        "none" => 5,
        _ => 3,
    }
}

/// What somebody is called for.
pub(super) fn is_failing(severity: &str) -> bool {
    severity_rank(severity) <= 1
}

fn alerts(listed: &[ListedAlert]) -> Vec<Alert> {
    let mut rows: Vec<&ListedAlert> = listed.iter().collect();
    rows.sort_by_cached_key(|alert| {
        let severity = alert.labels.get("severity").map_or("", String::as_str);
        let since = alert.starts_at.parse::<jiff::Timestamp>().ok();
        let name = alert.labels.get("alertname").cloned();
        (
            is_suppressed(alert),
            severity_rank(severity),
            Reverse(since),
            name,
        )
    });
    rows.into_iter().map(shown).collect()
}

fn is_suppressed(alert: &ListedAlert) -> bool {
    alert.status.state == "suppressed"
}

fn is_about(alert: &ListedAlert, name: &str) -> bool {
    ["model", "model_name"]
        .iter()
        .any(|l| alert.labels.get(*l).is_some_and(|v| v == name))
}

fn is_critical(alert: &ListedAlert) -> bool {
    alert.labels.get("severity").is_some_and(|s| is_failing(s))
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
        is_suppressed: is_suppressed(alert),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str, severity: &str, state: &str, starts_at: &str, model: &str) -> ListedAlert {
        let labels = [("alertname", name), ("severity", severity), ("model_name", model)];
        ListedAlert {
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            annotations: BTreeMap::new(),
            status: ListedStatus {
                state: state.to_owned(),
            },
            starts_at: starts_at.to_owned(),
        }
    }

    #[test]
    fn alerts_stand_worst_first_and_what_is_silenced_last() {
        let (early, late) = ("2026-11-21T02:00:00Z", "2026-11-21T03:00:00.5Z");
        let listed = [
            alert("hushed", "critical", "suppressed", late, ""),
            alert("info", "info", "active", late, ""),
            alert("old", "critical", "active", early, ""),
            alert("warned", "warning", "active", late, ""),
            alert("new", "emergency", "active", late, ""),
            alert("odd", "purple", "active", late, ""),
        ];
        let names: Vec<String> = alerts(&listed).into_iter().map(|a| a.name).collect();
        assert_eq!(names, ["new", "old", "warned", "odd", "info", "hushed"]);
    }

    #[test]
    fn a_model_is_as_bad_as_its_worst_alert_or_its_checks() {
        let health = [("checked", 3.0), ("weak", 1.0), ("well", 0.0), ("unheard", -1.0)];
        let measured = Measured {
            health: health.map(|(k, v)| (k.to_owned(), v)).into(),
            ..Measured::default()
        };
        let listed = [
            alert("Down", "emergency", "active", "", "called"),
            alert("Slow", "info", "active", "", "told"),
        ];
        let all = models(&measured, ["idle".to_owned()].into_iter(), &listed);
        let said: Vec<(&str, bool, String)> = all
            .iter()
            .map(|m| (m.name.as_str(), m.is_failing, m.because.join(", ")))
            .collect();
        let expect = [
            ("called", true, "Down"),
            ("checked", true, "its checks: critical"),
            ("told", false, "Slow"),
            ("weak", false, "its checks: degraded"),
            ("idle", false, ""),
            ("unheard", false, ""),
            ("well", false, ""),
        ];
        assert_eq!(said, expect.map(|(n, f, b)| (n, f, b.to_owned())));
    }
}
