//! With no configuration at all: which model servers and exporters run on this host?
//!
//! The well-known ports of loopback are asked for their metrics, and who answers is told by the names on the page, never
//! by the port: 8000 is vLLM's, and half the world's. A page that nobody is recognised on is not taken.

use crate::http::Request;
use crate::scrape::Fetch;
use lapwing_types::{Labels, LabelsBuilder};
use lapwing_wire::text::{Entry, Exposition, Format, Parser, from_content_type};
use std::collections::BTreeSet;

/// Loopback answers in microseconds; what takes longer than this is busy, and is asked again later.
const TIMEOUT_MS: i64 = 500;
const BODY_BYTES_MAX: u64 = 16 << 20;
/// Names of models taken from one page.
const MODELS_MAX: usize = 16;

/// A place to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub port: u16,
    pub path: &'static str,
}

const fn at(port: u16) -> Candidate {
    Candidate {
        port,
        path: "/metrics",
    }
}

/// Default ports: vLLM, KServe and others 8000–8002 (Triton 8002), LiteLLM 4000, BentoML 3000, SGLang 30000, TGI 80,
/// 8080 and 3000, TEI the same, TorchServe 8082, Ray 8080 and 44217 (autoscaler), 44227 (dashboard), Seldon 9006 and
/// 6000, llama.cpp 8080, Ollama's exporters 11434, DCGM 9400, node_exporter 9100, and exporters of what models lean on.
pub const LOCAL_CANDIDATES: [Candidate; 24] = [
    at(8000),
    at(8001),
    at(8002),
    at(8003),
    at(8080),
    at(8081),
    at(8082),
    at(80),
    at(3000),
    at(4000),
    at(5000),
    at(6000),
    at(9000),
    at(9006),
    at(9090),
    at(9100),
    at(9121),
    at(9187),
    at(9400),
    at(9835),
    at(11434),
    at(30000),
    at(44217),
    at(44227),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundKind {
    ModelServer,
    Exporter,
}

/// Something that was found and recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub kind: FoundKind,
    /// What it is: `vllm`, `dcgm`, …
    pub name: &'static str,
    pub url: String,
    pub address: String,
    pub path: &'static str,
    /// Names of models on its page, ascending.
    pub models: Vec<String>,
    /// A sentence for the person who wonders.
    pub why: String,
}

impl Found {
    /// As a discovered target: the engine's name is the job.
    pub fn target(&self) -> Labels {
        let mut labels = LabelsBuilder::new();
        labels.set("__address__", self.address.as_str());
        labels.set("__metrics_path__", self.path);
        labels.set("job", self.name);
        if self.kind == FoundKind::ModelServer {
            labels.set("engine", self.name);
        }
        if let [model] = self.models.as_slice() {
            labels.set("model", model.as_str());
        }
        labels.build()
    }
}

/// Beginning of a metric's name, who has it, what it is. The first that fits wins, so servers stand before what may
/// run inside them (a Ray page holds vLLM's metrics under its own prefix).
const MARKS: [(&str, &str, FoundKind); 31] = [
    ("vllm:", "vllm", FoundKind::ModelServer),
    ("kserve_vllm:", "kserve", FoundKind::ModelServer),
    ("sglang:", "sglang", FoundKind::ModelServer),
    ("tgi_", "tgi", FoundKind::ModelServer),
    ("te_request_", "tei", FoundKind::ModelServer),
    ("te_embed_", "tei", FoundKind::ModelServer),
    ("te_queue_size", "tei", FoundKind::ModelServer),
    ("nv_inference_", "triton", FoundKind::ModelServer),
    ("nv_trt_llm_", "triton", FoundKind::ModelServer),
    ("ts_inference_", "torchserve", FoundKind::ModelServer),
    ("ts_queue_latency_", "torchserve", FoundKind::ModelServer),
    ("request_predict_seconds", "kserve", FoundKind::ModelServer),
    ("request_preprocess_seconds", "kserve", FoundKind::ModelServer),
    ("bentoml_service_", "bentoml", FoundKind::ModelServer),
    ("seldon_", "seldon", FoundKind::ModelServer),
    ("litellm_", "litellm", FoundKind::ModelServer),
    ("llamacpp:", "llamacpp", FoundKind::ModelServer),
    ("ollama_", "ollama", FoundKind::ModelServer),
    ("lmdeploy:", "lmdeploy", FoundKind::ModelServer),
    ("ray_serve_", "ray", FoundKind::ModelServer),
    ("serve_deployment_", "ray", FoundKind::ModelServer),
    ("ray_", "ray", FoundKind::ModelServer),
    ("autoscaler_", "ray", FoundKind::ModelServer),
    (":tensorflow:", "tensorflow_serving", FoundKind::ModelServer),
    ("DCGM_FI_", "dcgm", FoundKind::Exporter),
    ("nvidia_smi_", "nvidia_gpu", FoundKind::Exporter),
    ("redis_up", "redis", FoundKind::Exporter),
    ("pg_up", "postgres", FoundKind::Exporter),
    ("prometheus_build_info", "prometheus", FoundKind::Exporter),
    ("node_cpu_seconds_total", "node", FoundKind::Exporter),
    ("node_uname_info", "node", FoundKind::Exporter),
];

/// Asks every candidate at once; the answer is there after one timeout at most.
pub async fn find_local(fetch: &dyn Fetch, host: &str, candidates: &[Candidate], now_ms: i64) -> Vec<Found> {
    let asked = candidates.iter().map(|c| ask(fetch, host, *c, now_ms));
    futures_util::future::join_all(asked)
        .await
        .into_iter()
        .flatten()
        .collect()
}

async fn ask(fetch: &dyn Fetch, host: &str, candidate: Candidate, now_ms: i64) -> Option<Found> {
    let address = format!("{host}:{}", candidate.port);
    let url = format!("http://{address}{}", candidate.path);
    let request = Request {
        url: &url,
        headers: &[("accept", "text/plain;version=0.0.4,*/*;q=0.1")],
        timeout_ms: TIMEOUT_MS,
        body_bytes_max: BODY_BYTES_MAX,
        now_ms,
    };
    let fetched = fetch.fetch(&request).await.ok()?;
    let format = match from_content_type(&fetched.content_type) {
        Some(Exposition::OpenMetrics) => Format::OpenMetrics,
        Some(Exposition::Text) => Format::Prometheus,
        Some(Exposition::Protobuf) | None => return None,
    };
    let (kind, name, mark, models) = recognise(&fetched.body, format)?;
    Some(Found {
        kind,
        name,
        why: format!(
            "port {} of this host shows {mark}…, which {name} exposes",
            candidate.port
        ),
        url,
        address,
        path: candidate.path,
        models,
    })
}

/// Who exposes this page: what it is, its name, the mark it was known by, and the models it names.
pub fn recognise(
    body: &[u8],
    format: Format,
) -> Option<(FoundKind, &'static str, &'static str, Vec<String>)> {
    let mut parser = Parser::new(body, format).ok()?;
    let mut best: Option<usize> = None;
    let mut models = BTreeSet::new();
    while let Ok(Some(entry)) = parser.next_entry() {
        let sample = match &entry {
            Entry::Type { family, .. } | Entry::Help { family, .. } => {
                best = better(best, family);
                continue;
            }
            Entry::Unit { .. } => continue,
            Entry::Sample(sample) => sample,
        };
        let text = sample.series_text();
        best = better(best, text);
        if models.len() < MODELS_MAX && text.contains("model") {
            let labels = sample.labels().ok()?;
            let model = ["model_name", "model", "model_id"]
                .iter()
                .find_map(|n| labels.get(n));
            models.extend(model.map(str::to_owned));
        }
    }
    let (mark, name, kind) = MARKS[best?];
    if kind == FoundKind::Exporter {
        models.clear();
    }
    Some((kind, name, mark, models.into_iter().collect()))
}

fn better(best: Option<usize>, name: &str) -> Option<usize> {
    let found = MARKS.iter().position(|(mark, ..)| name.starts_with(mark));
    match (best, found) {
        (Some(best), Some(found)) => Some(best.min(found)),
        (best, found) => best.or(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{FetchError, Fetched};
    use crate::scrape::FetchFuture;

    fn check(page: &str, expect: Option<(FoundKind, &str, &[&str])>) {
        let found = recognise(page.as_bytes(), Format::Prometheus);
        let found = found.map(|(kind, name, _, models)| (kind, name, models));
        let expect = expect.map(|(k, n, m)| (k, n, m.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()));
        assert_eq!(found, expect, "{page}");
    }

    #[test]
    fn servers_are_known_by_their_names_for_things() {
        use FoundKind::{Exporter, ModelServer};
        check(
            "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine=\"0\",model_name=\"chat\"} 0\n",
            Some((ModelServer, "vllm", &["chat"])),
        );
        check(
            "sglang:num_running_reqs{model_name=\"a/b\"} 1\n",
            Some((ModelServer, "sglang", &["a/b"])),
        );
        check(
            "nv_inference_count{model=\"m\",version=\"1\"} 1\n",
            Some((ModelServer, "triton", &["m"])),
        );
        check("te_request_count 1\n", Some((ModelServer, "tei", &[])));
        check("tgi_queue_size 0\n", Some((ModelServer, "tgi", &[])));
        check(
            "ray_x 1\nray_serve_num_http_requests 1\n",
            Some((ModelServer, "ray", &[])),
        );
        check(
            "DCGM_FI_DEV_GPU_UTIL{modelName=\"H200\"} 3\n",
            Some((Exporter, "dcgm", &[])),
        );
        check(
            "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 1\n",
            Some((Exporter, "node", &[])),
        );
        check("http_requests_total 3\n", None);
        check("", None);
    }

    struct Ports;

    impl Fetch for Ports {
        fn fetch<'a>(&'a self, request: &'a Request<'a>) -> FetchFuture<'a> {
            let body = match request.url {
                "http://127.0.0.1:8000/metrics" => "vllm:x{model_name=\"chat\"} 1\n",
                "http://127.0.0.1:9100/metrics" => "node_uname_info 1\n",
                "http://127.0.0.1:3000/metrics" => "grafana_build_info 1\n",
                _ => return Box::pin(async { Err(FetchError::ConnectionRefused) }),
            };
            let fetched = Fetched {
                content_type: "text/plain".to_owned(),
                body: body.as_bytes().to_vec(),
            };
            Box::pin(async { Ok(fetched) })
        }
    }

    #[tokio::test]
    async fn finds_what_runs_here_and_nothing_else() {
        let found = find_local(&Ports, "127.0.0.1", &LOCAL_CANDIDATES, 0).await;
        let targets: Vec<String> = found.iter().map(|f| f.target().to_string()).collect();
        assert_eq!(
            targets,
            [
                r#"{__address__="127.0.0.1:8000", __metrics_path__="/metrics", engine="vllm", job="vllm", model="chat"}"#,
                r#"{__address__="127.0.0.1:9100", __metrics_path__="/metrics", job="node"}"#,
            ]
        );
        assert_eq!(
            found[0].why,
            "port 8000 of this host shows vllm:…, which vllm exposes"
        );
    }
}
