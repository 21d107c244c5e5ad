// How to send a first sample, with the address at which this page was reached. Pure.

export type Snippet = { id: string; title: string; note: string; text: string }

export function snippets(origin: string): Snippet[] {
  const hostPort = origin.replace(/^https?:\/\//, '')
  return [
    {
      id: 'curl', title: 'curl', note: 'Text exposition, as for a Pushgateway. Works from any shell or cron job.',
      text: `cat <<'END' | curl --fail --data-binary @- ${origin}/metrics/job/my-model
# TYPE model_requests_total counter
model_requests_total{model="my-model"} 1
END`,
    },
    {
      id: 'python', title: 'Python', note: 'pip install prometheus-client',
      text: `from prometheus_client import CollectorRegistry, Counter, Histogram, push_to_gateway

registry = CollectorRegistry()
requests = Counter("model_requests_total", "Requests", ["model"], registry=registry)
latency = Histogram("model_request_duration_seconds", "Latency", ["model"], registry=registry)

with latency.labels("my-model").time():
    requests.labels("my-model").inc()      # your model's work goes here
push_to_gateway("${hostPort}", job="my-model", registry=registry)`,
    },
    {
      id: 'rust', title: 'Rust', note: 'cargo add ureq',
      text: `let body = "# TYPE model_requests_total counter\\nmodel_requests_total{model=\\"my-model\\"} 1\\n";
ureq::put("${origin}/metrics/job/my-model").send(body)?;`,
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
