//! A Prometheus of our own: started on a free port with an empty folder, filled by remote write, asked over HTTP.

use super::super::memory::{MemorySource, Value};
use super::answer::Answer;
use super::queries::Timing;
use lapwing_types::{FloatHistogram, ResetHint};
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program named by the environment or found in the path, when it is a Prometheus 3.
pub(super) fn find() -> Option<PathBuf> {
    let given = std::env::var_os("LAPWING_PROMETHEUS").map(PathBuf::from);
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|p| p.join("prometheus"))
            .find(|p| p.is_file())
    };
    let program = given.or_else(in_path)?;
    let version = Command::new(&program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    text.contains("version 3.").then_some(program)
}

pub(super) struct Peer {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Peer {
    /// `features`: those beside native histograms and experimental functions, with a comma before each.
    pub(super) fn start(program: &Path, features: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, "global:\n  evaluation_interval: 1m\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut process = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!(
                "--enable-feature=native-histograms,promql-experimental-functions{features}"
            ))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while log.read_line(&mut line).unwrap_or(0) > 0 {
            if line.contains("ready to receive web requests") {
                break;
            }
            line.clear();
        }
        // Somebody has to read the log, or its pipe fills up.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Peer {
            process,
            port,
            _folder: folder,
        }
    }

    /// HTTP 1.0, so that the answer ends with the connection.
    fn post(&self, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let split = reply
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .unwrap_or(reply.len());
        let status = String::from_utf8_lossy(&reply[..split])
            .split_whitespace()
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        (status, reply[(split + 4).min(reply.len())..].to_vec())
    }

    pub(super) fn write(&self, source: &MemorySource) {
        // The head takes old samples only in order of time, so all series go forward together.
        let mut slices: std::collections::BTreeMap<i64, Vec<TimeSeries>> = std::collections::BTreeMap::new();
        for (labels, samples) in source.all() {
            for (t_ms, value) in samples {
                let mut series = TimeSeries {
                    labels: labels
                        .iter()
                        .map(|(name, value)| Label {
                            name: name.to_owned(),
                            value: value.to_owned(),
                        })
                        .collect(),
                    samples: Vec::new(),
                    histograms: Vec::new(),
                };
                match value {
                    Value::Float(value) => series.samples.push(Sample {
                        value: Some(*value),
                        t_ms,
                    }),
                    Value::Histogram(h) => series.histograms.push(Histogram::of(h, t_ms)),
                }
                slices.entry(t_ms).or_default().push(series);
            }
        }
        for timeseries in slices.into_values() {
            let bytes = WriteRequest { timeseries }.encode_to_vec();
            let packed = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
            let headers = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n\
                           X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
            let (status, body) = self.post("/api/v1/write", headers, &packed);
            assert!(
                (200..300).contains(&status),
                "{status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
    }

    pub(super) fn ask(&self, query: &str, timing: Timing) -> Answer {
        let (status, reply) = self.answer(query, timing);
        Answer::theirs(status, &reply)
    }

    /// The answer as it came: status and body.
    pub(super) fn answer(&self, query: &str, timing: Timing) -> (u16, Vec<u8>) {
        let seconds = |ms: i64| format!("{}", ms as f64 / 1000.0);
        let (path, times) = match timing {
            Timing::Instant(at) => ("/api/v1/query", format!("time={}", seconds(at))),
            Timing::Range(start, end, step) => (
                "/api/v1/query_range",
                format!(
                    "start={}&end={}&step={}",
                    seconds(start),
                    seconds(end),
                    seconds(step)
                ),
            ),
        };
        let body = format!("query={}&{times}", percent_encoded(query));
        let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.post(path, headers, body.as_bytes())
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    /// Optional, so that a negative zero is written.
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(int64, tag = "2")]
    t_ms: i64,
}

#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(double, optional, tag = "2")]
    count_float: Option<f64>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(double, optional, tag = "7")]
    zero_count_float: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    negative_spans: Vec<BucketSpan>,
    #[prost(double, repeated, tag = "10")]
    negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<BucketSpan>,
    #[prost(double, repeated, tag = "13")]
    positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    reset_hint: i32,
    #[prost(int64, tag = "15")]
    t_ms: i64,
    #[prost(double, repeated, tag = "16")]
    custom_values: Vec<f64>,
}

impl Histogram {
    fn of(h: &FloatHistogram, t_ms: i64) -> Self {
        let spans = |spans: &[lapwing_types::Span]| {
            spans
                .iter()
                .map(|s| BucketSpan {
                    offset: s.offset,
                    length: s.length,
                })
                .collect()
        };
        Histogram {
            count_float: Some(h.count),
            sum: h.sum,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count_float: Some(h.zero_count),
            negative_spans: spans(&h.negative_spans),
            negative_counts: h.negative.clone(),
            positive_spans: spans(&h.positive_spans),
            positive_counts: h.positive.clone(),
            reset_hint: match h.reset_hint {
                ResetHint::Unknown => 0,
                ResetHint::Reset => 1,
                ResetHint::NotReset => 2,
                ResetHint::Gauge => 3,
            },
            t_ms,
            custom_values: h.custom_bounds.to_vec(),
        }
    }
}
