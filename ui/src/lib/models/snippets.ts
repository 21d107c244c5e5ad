// How to send a first sample, with the address at which this page was reached. Pure.

export type Snippet = { id: string; title: string; note: string; text: string }

export function snippets(origin: string): Snippet[] {
  return [
    {
      id: 'curl', title: 'curl', note: 'One sample as JSON, or a list of them. Works from any shell or cron job.',
      text: `curl --fail ${origin}/api/v1/push --json '
  {"name": "model_requests_total", "type": "counter", "value": 1, "labels": {"model": "my-model"}}'`,
    },
    {
      id: 'python', title: 'Python', note: 'Nothing to install. For metrics of a whole program see OpenTelemetry and Scrape.',
      text: `import json, urllib.request

def push(name, value, **labels):
    body = json.dumps({"name": name, "type": "gauge", "value": value, "labels": labels}).encode()
    urllib.request.urlopen(urllib.request.Request("${origin}/api/v1/push", body, {"Content-Type": "application/json"}))

push("model_loss", 0.31, model="my-model")`,
    },
    {
      id: 'rust', title: 'Rust', note: 'cargo add ureq --features json, cargo add serde_json',
      text: `ureq::post("${origin}/api/v1/push").send_json(serde_json::json!({
    "name": "model_loss", "type": "gauge", "value": 0.31, "labels": { "model": "my-model" },
}))?;`,
    },
    {
      id: 'otlp', title: 'OpenTelemetry', note: 'The environment of any OpenTelemetry SDK or collector. Give your metrics an attribute model.',
      text: `export OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=${origin}/api/v1/otlp/v1/metrics
export OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf
export OTEL_METRIC_EXPORT_INTERVAL=10000`,
    },
    {
      id: 'scrape', title: 'Scrape', note: 'vLLM, SGLang, Triton, TorchServe and LiteLLM already expose metrics: add their address to lapwing.yml.',
      text: `scrape_configs:
  - job_name: my-model
    scrape_interval: 10s
    static_configs:
      - targets: ["127.0.0.1:8000"]`,
    },
  ]
}
