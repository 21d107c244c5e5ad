//! Real clients from PyPI: `prometheus_client` pushes and is scraped, OpenTelemetry's SDK exports over HTTP and over gRPC.
//!
//! Needs: python:prometheus_client, python:opentelemetry-sdk
//! Needs: python:opentelemetry-exporter-otlp-proto-http, python:opentelemetry-exporter-otlp-proto-grpc

use crate::support::{Peer, Server, free_port};
use std::path::PathBuf;
use std::process::Command;

/// The interpreter in which the test command installed what the head of this file names.
fn python(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("LAPWING_TEST_PYTHON").map(PathBuf::from);
    if found.is_none() {
        eprintln!("SKIPPED {test}: LAPWING_TEST_PYTHON names no Python with the clients");
    }
    found
}

fn run(python: &PathBuf, script: &str, arguments: &[&str]) {
    let output = Command::new(python)
        .args(["-c", script])
        .args(arguments)
        .output()
        .expect("Python starts");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

const PUSH: &str = r#"
import sys
from prometheus_client import CollectorRegistry, Gauge, Histogram, push_to_gateway, pushadd_to_gateway, delete_from_gateway
address = sys.argv[1]
key = {"path": "a/b", "instance": "db-1"}
registry = CollectorRegistry()
Gauge("job_rows", "rows written", registry=registry).set(42)
Histogram("job_seconds", "how long", registry=registry).observe(0.3)
push_to_gateway(address, job="nightly", registry=registry, grouping_key=key)
more = CollectorRegistry()
Gauge("job_done", "when", registry=more).set_to_current_time()
pushadd_to_gateway(address, job="nightly", registry=more, grouping_key=key)
push_to_gateway(address, job="gone", registry=more)
delete_from_gateway(address, job="gone")
"#;

#[test]
fn prometheus_client_pushes_as_to_a_gateway() {
    let Some(python) = python("prometheus_client_pushes_as_to_a_gateway") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    run(&python, PUSH, &[server.url.trim_start_matches("http://")]);
    let group = "job='nightly', path='a/b', instance='db-1'";
    assert_eq!(server.value_of(&format!("job_rows{{{group}}}")), "42");
    assert_eq!(server.value_of(&format!("job_seconds_count{{{group}}}")), "1");
    assert!(server.value_of(&format!("job_done{{{group}}}")).starts_with('1'));
    let groups = server.get("/api/v1/metrics").json();
    assert_eq!(groups["data"].as_array().map(Vec::len), Some(1), "{groups}");
}

const EXPOSE: &str = r#"
import sys, threading
from prometheus_client import Counter, Enum, Histogram, Info, Summary, start_http_server
Counter("requests", "requests", ["model"]).labels("chat").inc(5, exemplar={"trace_id": "abc"})
Histogram("latency_seconds", "latency").observe(0.2)
Summary("size_bytes", "size").observe(10)
Info("build", "build").info({"version": "1"})
Enum("state", "state", states=["up", "down"]).state("up")
start_http_server(int(sys.argv[1]), addr="127.0.0.1")
threading.Event().wait()
"#;

#[test]
fn prometheus_client_is_scraped_whole() {
    let Some(python) = python("prometheus_client_is_scraped_whole") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let arguments = ["-c".to_owned(), EXPOSE.to_owned(), port.to_string()];
    let _script = Peer::start(&python, &arguments).expect("Python starts");
    let file = dir.path().join("lapwing.yml");
    let text = format!(
        "scrape_configs: [{{ job_name: app, scrape_interval: 1s, static_configs: [{{ targets: ['127.0.0.1:{port}'] }}] }}]\n"
    );
    std::fs::write(&file, text).unwrap();
    let server = Server::start(&dir.path().join("data"), &["--config", file.to_str().unwrap()]);
    for (expr, value) in [
        ("requests_total{job='app', model='chat'}", "5"),
        ("latency_seconds_bucket{job='app', le='0.25'}", "1"),
        ("latency_seconds_count{job='app'}", "1"),
        ("size_bytes_sum{job='app'}", "10"),
        ("build_info{job='app', version='1'}", "1"),
        ("state{job='app', state='up'}", "1"),
    ] {
        assert_eq!(server.value_of(expr), value, "{expr}");
    }
    let path = "/api/v1/query_exemplars?query=requests_total&start=0&end=99999999999";
    let exemplars = server.get(path).json();
    let first = &exemplars["data"][0]["exemplars"][0];
    assert_eq!(first["labels"]["trace_id"], "abc", "{exemplars}");
}

const EXPORT: &str = r#"
import sys
from opentelemetry.sdk.metrics import MeterProvider, Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
kind, url = sys.argv[1:]
delta = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
if kind == "http":
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    exporter = OTLPMetricExporter(endpoint=url + "/v1/metrics", preferred_temporality=delta)
else:
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    exporter = OTLPMetricExporter(endpoint=url, insecure=True, preferred_temporality=delta)
reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3600000)
view = View(instrument_name="tokens", aggregation=ExponentialBucketHistogramAggregation())
who = Resource({"service.name": "chat", "service.instance.id": kind})
provider = MeterProvider([reader], resource=who, views=[view])
meter = provider.get_meter("test", "1.0")
requests = meter.create_counter("requests")
latency = meter.create_histogram("latency", unit="s")
tokens = meter.create_histogram("tokens")
for _ in range(3):
    requests.add(2, {"model": "a"})
    latency.record(0.2)
    tokens.record(100)
    assert provider.force_flush()
provider.shutdown()
"#;

fn exported(test: &str, kind: &str) {
    let Some(python) = python(test) else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    run(&python, EXPORT, &[kind, &server.url]);
    let who = format!("job='chat', instance='{kind}'");
    // Deltas of three exports add up.
    assert_eq!(
        server.value_of(&format!("requests_total{{{who}, model='a'}}")),
        "6"
    );
    assert_eq!(server.value_of(&format!("latency_seconds_count{{{who}}}")), "3");
    assert_eq!(server.value_of(&format!("histogram_count(tokens{{{who}}})")), "3");
}

#[test]
fn opentelemetry_exports_over_http() {
    exported("opentelemetry_exports_over_http", "http");
}

#[test]
fn opentelemetry_exports_over_grpc() {
    exported("opentelemetry_exports_over_grpc", "grpc");
}
