//! History from a real Prometheus: its blocks, its log and the chunks of its head; and OpenMetrics text.
//!
//! Needs: prometheus, prometheus-3

use crate::support::{Server, has, now_ms, series};
use lapwing_types::{
    Counts, Exemplar, Histogram, Labels, ResetHint, SeriesWrite, Span, WriteBatch, stale_nan,
};
use lapwing_wire::remote_write::encode_v1;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;

fn import(kind: &str, from: &Path, data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["import", kind, "--json", "--quiet"])
        .arg(from)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap()
}

fn report(output: &Output) -> serde_json::Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A Prometheus that takes remote write; ended with the test.
struct Peer {
    child: Child,
    url: String,
}

impl Peer {
    fn start(dir: &Path) -> Peer {
        Peer::run("prometheus".as_ref(), dir, "{}\n")
    }

    fn run(program: &OsStr, dir: &Path, config_text: &str) -> Peer {
        std::fs::create_dir_all(dir).unwrap();
        let config = dir.join("prometheus.yml");
        std::fs::write(&config, config_text).unwrap();
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--web.enable-remote-write-receiver",
                "--web.enable-admin-api",
            ])
            .arg("--enable-feature=native-histograms,exemplar-storage")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (ready, wait) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut address, mut is_ready) = (None, false);
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let found = line
                    .split("address=")
                    .nth(1)
                    .filter(|_| line.contains("Listening on"));
                if let Some(found) = found {
                    address = Some(
                        found
                            .split_whitespace()
                            .next()
                            .unwrap_or("")
                            .trim_matches('"')
                            .to_owned(),
                    );
                }
                is_ready |= line.contains("Server is ready");
                if let Some(address) = address.take_if(|_| is_ready) {
                    let _ = ready.send(address);
                }
            }
        });
        let address = wait.recv_timeout(Duration::from_secs(60)).unwrap();
        Peer {
            child,
            url: format!("http://{address}"),
        }
    }

    fn write(&self, batch: &WriteBatch) {
        let packed = snap::raw::Encoder::new().compress_vec(&encode_v1(batch)).unwrap();
        let response = ureq::post(format!("{}/api/v1/write", self.url))
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .send(&packed);
        assert!(response.unwrap().status().is_success());
    }

    fn query(&self, expr: &str, at_s: f64) -> serde_json::Value {
        let text = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect::<String>();
        let answer = ureq::get(format!("{}/api/v1/query?query={text}&time={at_s}", self.url)).call();
        let body = answer.unwrap().body_mut().read_to_string().unwrap();
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        json["data"]["result"].clone()
    }

    fn delete(&self, selector: &str) {
        let url = format!("{}/api/v1/admin/tsdb/delete_series?match[]={selector}", self.url);
        assert!(ureq::post(url).send_empty().unwrap().status().is_success());
    }

    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn histogram(count: u64) -> Histogram {
    Histogram {
        schema: 2,
        zero_threshold: 1e-6,
        sum: count as f64 * 1.5,
        counts: Counts::Int {
            zero: 1,
            count: count * 3 + 1,
            positive: vec![count, count * 2],
            negative: vec![],
        },
        positive_spans: vec![Span { offset: 0, length: 2 }],
        negative_spans: vec![],
        custom_bounds: Vec::new().into(),
        reset_hint: ResetHint::Unknown,
    }
}

fn float_histogram(count: f64) -> Histogram {
    Histogram {
        counts: Counts::Float {
            zero: 0.5,
            count: count * 3.0 + 0.5,
            positive: vec![count, count * 2.0],
            negative: vec![],
        },
        ..histogram(1)
    }
}

fn value(number: i64, minute: i64) -> f64 {
    (minute * 7 + number) as f64 / 4.0
}

/// Two and a half hours of twenty series and one histogram, a minute apart: more than one chunk each.
fn fill(peer: &Peer, from_ms: i64) {
    for minute in 0..150 {
        let t_ms = from_ms + minute * MINUTE_MS;
        let mut batch = WriteBatch::default();
        for number in 0..20 {
            let name = number.to_string();
            let pairs = [("__name__", "load"), ("host", name.as_str())];
            batch
                .series
                .push(series(&pairs, &[(t_ms, value(number, minute))]));
        }
        batch.series.push(SeriesWrite {
            histograms: vec![(t_ms, histogram(minute as u64 + 1))],
            ..series(&[("__name__", "latency")], &[])
        });
        peer.write(&batch);
    }
}

fn check(server: &Server, from_ms: i64) {
    let end_s = (from_ms + 150 * MINUTE_MS) as f64 / 1000.0;
    for number in 0..20 {
        let found = server.query(&format!("load{{host=\"{number}\"}}[3h]"), end_s);
        let samples = found[0]["values"].as_array().unwrap();
        assert_eq!(samples.len(), 150, "host {number}");
        for (minute, sample) in samples.iter().enumerate() {
            let (t_s, text) = (sample[0].as_f64().unwrap(), sample[1].as_str().unwrap());
            assert_eq!((t_s * 1000.0).round() as i64, from_ms + minute as i64 * MINUTE_MS);
            assert_eq!(text.parse::<f64>().unwrap(), value(number, minute as i64));
        }
    }
    let counted = server.query("count_over_time(latency[3h])", end_s);
    assert_eq!(counted[0]["value"][1], "150");
    let last = server.query("histogram_count(last_over_time(latency[3h]))", end_s);
    assert_eq!(last[0]["value"][1], "451");
}

#[test]
fn a_prometheus_directory_comes_over_whole() {
    if !has("prometheus") || !has("promtool") {
        eprintln!("SKIPPED a_prometheus_directory_comes_over_whole: prometheus is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (tsdb, data) = (dir.path().join("tsdb"), dir.path().join("data"));
    let from_ms = (now_ms() - 4 * 60 * MINUTE_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
    let peer = Peer::start(dir.path());
    fill(&peer, from_ms);
    peer.stop();
    // Older history, as blocks.
    let mut page = "# TYPE old gauge\n".to_owned();
    for minute in 0..300 {
        let t_s = from_ms / 1000 - 172_800 + minute * 60;
        writeln!(page, "old{{kind=\"x\"}} {} {t_s}", minute as f64 / 8.0).unwrap();
    }
    page.push_str("# EOF\n");
    let text = dir.path().join("old.om");
    std::fs::write(&text, &page).unwrap();
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&text, &tsdb])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let first = report(&import("tsdb", &tsdb, &data));
    assert_eq!(
        (&first["series"], &first["refused_count"]),
        (&22.into(), &0.into()),
        "{first}"
    );
    assert_eq!(first["notes"], serde_json::json!({}), "{first}");
    // Twice is the same as once.
    report(&import("tsdb", &tsdb, &data));
    let server = Server::start(&data, &[]);
    check(&server, from_ms);
    let old_end_s = (from_ms / 1000 - 172_800 + 300 * 60) as f64;
    let old = server.query("count_over_time(old[6h])", old_end_s);
    assert_eq!(old[0]["value"][1], "300");
    // The directory is taken now.
    let held = import("tsdb", &tsdb, &data);
    assert_eq!(held.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&held.stderr);
    assert!(
        complaint.contains("a running Lapwing has the data directory open"),
        "{complaint}"
    );
}

#[test]
fn openmetrics_text_comes_over_with_its_times() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let end_s = now_ms() / 1000 - 3_600;
    let mut page = "# TYPE jobs counter\n# HELP jobs What was done.\n".to_owned();
    for i in (0..500).rev() {
        writeln!(page, "jobs_total{{q=\"a\"}} {i} {}", end_s - (500 - i) * 60).unwrap();
    }
    let (first_s, second_s) = (end_s - 600 * 60, end_s - 100 * 60);
    for start_s in [second_s, first_s] {
        writeln!(page, "jobs_created{{q=\"a\"}} {start_s}").unwrap();
    }
    page.push_str("# EOF\n");
    let path = dir.path().join("page.om");
    std::fs::write(&path, &page).unwrap();
    let report = report(&import("openmetrics", &path, &data));
    assert_eq!((&report["samples"], &report["series"]), (&500.into(), &1.into()));
    assert_eq!(report["notes"], serde_json::json!({}));
    let config = dir.path().join("lapwing.yml");
    std::fs::write(
        &config,
        "limits: { query: { experimental_functions: true, start_timestamps: true } }\n",
    )
    .unwrap();
    let server = Server::start(&data, &["--config", config.to_str().unwrap()]);
    for (at_s, start_s) in [
        (end_s - 101 * 60, first_s),
        (end_s - 99 * 60, second_s),
        (end_s, second_s),
    ] {
        let start = server.query("start_timestamp(jobs_total)", at_s as f64);
        assert_eq!(start[0]["value"][1], start_s.to_string(), "at {at_s}");
    }
    let grown = server.query(
        "max_over_time(jobs_total[10h]) - min_over_time(jobs_total[10h])",
        end_s as f64,
    );
    assert_eq!(grown[0]["value"][1], "499");
    assert!(
        server
            .get("/api/v1/metadata?metric=jobs")
            .body
            .contains("What was done.")
    );
    std::fs::write(&path, "# TYPE jobs counter\njobs_total{q= 5\n").unwrap();
    let broken = import("openmetrics", &path, &dir.path().join("other"));
    assert_eq!(broken.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&broken.stderr);
    assert!(
        complaint.contains("page.om\n  because: line 2, column 1: the closing brace is missing"),
        "{complaint}"
    );
    let nothing = import("tsdb", &dir.path().join("nowhere"), &dir.path().join("other"));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("no data directory of a Prometheus"));
}

/// Bytes that the import of the next test may have, and those of the file.
const DATA_KIB_MAX: u64 = 256 << 10;
const FILE_BYTES: u64 = 600 << 20;

#[test]
fn openmetrics_text_may_be_longer_than_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.om");
    let at_s = now_ms() / 1000 - 3_600;
    {
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        writeln!(file, "# TYPE jobs counter").unwrap();
        let help = format!("# HELP jobs {}\n", "x".repeat(1_000_000));
        for number in 0..FILE_BYTES / 1_000_000 {
            writeln!(file, "jobs_total{{q=\"{number}\"}} {number} {at_s}").unwrap();
            file.write_all(help.as_bytes()).unwrap();
        }
        writeln!(file, "# EOF").unwrap();
    }
    assert!(std::fs::metadata(&path).unwrap().len() > 2 * (DATA_KIB_MAX << 10));
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -d {DATA_KIB_MAX}; exec \"$@\"")])
        .args([
            "sh",
            env!("CARGO_BIN_EXE_lapwing"),
            "import",
            "openmetrics",
            "--json",
            "--quiet",
        ])
        .arg(&path)
        .arg("--data")
        .arg(dir.path().join("data"))
        .output()
        .unwrap();
    let report = report(&output);
    assert_eq!(report["samples"], FILE_BYTES / 1_000_000);
    assert_eq!(report["notes"], serde_json::json!({}));
}

#[test]
fn a_line_of_openmetrics_text_that_makes_no_sense_costs_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (path, data) = (dir.path().join("page.om"), dir.path().join("data"));
    let at_s = now_ms() / 1000 - 3_600;
    let mut page = format!("# TYPE a gauge\r\na 1 {at_s}\r\n\r\na{{ 2 {at_s}\r\nb{{c=\"").into_bytes();
    page.extend(b"\xff");
    page.extend(format!("\"}} 3 {at_s}\nd 4 {at_s}\nd 5 {}", at_s / 10).bytes());
    std::fs::write(&path, &page).unwrap();
    let found = report(&import("openmetrics", &path, &data));
    assert_eq!(
        (&found["series"], &found["samples"]),
        (&2.into(), &2.into()),
        "{found}"
    );
    let place = path.display();
    let notes = serde_json::json!({
        format!("{place}: line 3, column 1: empty lines are not allowed in OpenMetrics"): 1,
        format!("{place}: line 4, column 1: the closing brace is missing"): 1,
        format!("{place}: line 5, column 6: the page is not valid UTF-8"): 1,
        format!("{place}: line 7, column 1: the text ends within this line"): 1,
    });
    assert_eq!(found["notes"], notes);
    // Many of them are counted.
    let mut page = format!("a 1 {at_s}\n");
    page.push_str(&"a\n".repeat(5_000));
    std::fs::write(&path, &page).unwrap();
    let found = report(&import("openmetrics", &path, &data));
    let notes = found["notes"].as_object().unwrap();
    assert_eq!(notes.len(), 21, "{found}");
    assert!(
        notes.contains_key(&format!("{place}: 4981 more lines make no sense")),
        "{found}"
    );
    // What cannot be read twice is read once.
    let piped = Command::new("sh")
        .args([
            "-c",
            "cat \"$1\" | \"$0\" import openmetrics --json --quiet /dev/stdin --data \"$2\"",
        ])
        .arg(env!("CARGO_BIN_EXE_lapwing"))
        .args([&path, &data])
        .output()
        .unwrap();
    assert_eq!(report(&piped)["samples"], 1);
}

#[test]
fn of_blocks_those_count_that_prometheus_would_take() {
    let dir = tempfile::tempdir().unwrap();
    let (tsdb, data) = (dir.path().join("tsdb"), dir.path().join("data"));
    let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/data/prometheus_3_5");
    let block = |name: &str, parents: &[&str]| {
        let to = tsdb.join(name);
        std::fs::create_dir_all(to.join("chunks")).unwrap();
        std::fs::copy(written.join("index"), to.join("index")).unwrap();
        std::fs::copy(written.join("chunks_000001"), to.join("chunks/000001")).unwrap();
        let parents: Vec<_> = parents
            .iter()
            .map(|ulid| serde_json::json!({ "ulid": ulid }))
            .collect();
        let meta = serde_json::json!({ "maxTime": 0, "compaction": { "parents": parents } });
        std::fs::write(to.join("meta.json"), meta.to_string()).unwrap();
    };
    let (older, newer) = ("01M815F57F6P7ZCWE6DD1EHMFD", "01M815F5E17CG6M3J7WC4WG8TV");
    let blocks = |data: &Path| report(&import("tsdb", &tsdb, data));
    block(&format!("{older}.tmp-for-deletion"), &[]);
    let nothing = import("tsdb", &tsdb, &data);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("neither blocks nor a log"));
    block(older, &[]);
    let once = blocks(&data);
    assert_eq!(
        (&once["series"], &once["notes"]),
        (&4.into(), &serde_json::json!({}))
    );
    let samples = once["samples"].as_u64().unwrap();
    block(newer, &[older]);
    assert_eq!(blocks(&data)["samples"], samples, "it was made of the other");
    // Where that is damaged the other one is wanted.
    let index = tsdb.join(newer).join("index");
    let bytes = std::fs::read(&index).unwrap();
    std::fs::write(&index, &bytes[..20]).unwrap();
    let found = blocks(&data);
    assert_eq!(found["samples"], samples, "{found}");
    assert_eq!(
        found["notes"],
        serde_json::json!({ format!("block {newer} could not be read: its index: the index ends too early"): 1 })
    );
}

/// The rows of an answer, in an order of their own: two servers may give them in different ones.
fn rows(result: &serde_json::Value) -> Vec<String> {
    let rows = result.as_array().unwrap().iter();
    let mut rows: Vec<String> = rows.map(ToString::to_string).collect();
    rows.sort();
    rows
}

/// A Prometheus scrapes another one, native histograms included; late samples come to it, and a series is deleted. Then its
/// directory answers every question as it did itself: the log of late samples and deletions in the head count.
#[test]
fn what_a_prometheus_scraped_answers_alike_here() {
    let Some(program) = std::env::var_os("LAPWING_PROMETHEUS") else {
        eprintln!("SKIPPED what_a_prometheus_scraped_answers_alike_here: prometheus 3 is not installed");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let target = Peer::run(&program, &dir.path().join("target"), "{}\n");
    let address = target.url.trim_start_matches("http://");
    let config = format!(
        "storage: {{ tsdb: {{ out_of_order_time_window: 2h }} }}\nscrape_configs:\n  - job_name: self\n    \
         scrape_interval: 250ms\n    scrape_timeout: 250ms\n    static_configs: [{{ targets: ['{address}'] }}]\n"
    );
    let peer = Peer::run(&program, &dir.path().join("peer"), &config);
    let now = now_ms();
    let write = |name: &str, t_ms: i64, value: f64| {
        let batch = WriteBatch {
            series: vec![series(&[("__name__", name)], &[(t_ms, value)])],
            metadata: vec![],
        };
        peer.write(&batch);
    };
    for (minutes, value) in [(10, 1.0), (5, 2.0), (40, 3.0), (20, 4.0), (1, 5.0)] {
        write("late", now - minutes * MINUTE_MS, value);
        write("gone", now - (60 - minutes) * MINUTE_MS, value);
    }
    let delete = format!(
        "{}/api/v1/admin/tsdb/delete_series?match[]=gone&start=0&end={}",
        peer.url,
        (now - 45 * MINUTE_MS) / 1000
    );
    assert!(ureq::post(delete).send_empty().unwrap().status().is_success());
    let watch = lapwing::clock::Stopwatch::start();
    let seen = "count_over_time(up[5m]) >= 24";
    while peer
        .query(seen, now_ms() as f64 / 1000.0)
        .as_array()
        .unwrap()
        .is_empty()
    {
        assert!(watch.elapsed() < Duration::from_secs(120), "it never scraped");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let newest = peer.query("max(timestamp(up))", now_ms() as f64 / 1000.0);
    let at_s: f64 = newest[0]["value"][1].as_str().unwrap().parse().unwrap();
    let questions = [
        "late[2h]",
        "gone[2h]",
        "count by (__name__) ({job=\"self\"})",
        "prometheus_http_request_duration_seconds{handler=\"/metrics\"}[10s]",
        "histogram_count(sum(rate(prometheus_http_request_duration_seconds[4s])))",
        "sum by (handler) (rate(prometheus_http_requests_total[4s]))",
        "go_gc_duration_seconds",
        "rate(process_cpu_seconds_total[5s])",
        "topk(5, prometheus_tsdb_head_series or go_goroutines)",
    ];
    let theirs: Vec<_> = questions.iter().map(|q| rows(&peer.query(q, at_s))).collect();
    assert!(
        theirs[3].join("").contains("histograms"),
        "{}",
        theirs[3].join("")
    );
    peer.stop();
    let data = dir.path().join("data");
    let imported = report(&import("tsdb", &dir.path().join("peer/tsdb"), &data));
    assert_eq!(imported["notes"], serde_json::json!({}), "{imported}");
    let server = Server::start(&data, &[]);
    for (question, theirs) in questions.iter().zip(theirs) {
        assert!(!theirs.is_empty(), "{question} has no answer");
        assert_eq!(rows(&server.query(question, at_s)), theirs, "{question}");
    }
}

/// How often each level of compaction occurs among the blocks of a Prometheus.
fn levels(tsdb: &Path) -> BTreeMap<u64, usize> {
    let mut levels = BTreeMap::new();
    for entry in std::fs::read_dir(tsdb).unwrap() {
        let Ok(text) = std::fs::read_to_string(entry.unwrap().path().join("meta.json")) else {
            continue;
        };
        let meta: serde_json::Value = serde_json::from_str(&text).unwrap();
        let level = meta["compaction"]["level"].as_u64().unwrap();
        *levels.entry(level).or_default() += 1;
    }
    levels
}

/// A block that is half removed, and one that another was made of, as a crash leaves them: with what was deleted since.
fn leave_debris(tsdb: &Path) {
    for entry in std::fs::read_dir(tsdb).unwrap() {
        let block = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(block.join("meta.json")) else {
            continue;
        };
        let mut meta: serde_json::Value = serde_json::from_str(&text).unwrap();
        let parents = meta["compaction"]["parents"].take();
        let parent = parents[0]["ulid"].as_str();
        // The head has no number.
        let Some(parent) = parent.filter(|ulid| !ulid.starts_with("00000000")) else {
            continue;
        };
        meta["ulid"] = parent.into();
        for to in [tsdb.join(parent), block.with_extension("tmp-for-deletion")] {
            std::fs::create_dir_all(to.join("chunks")).unwrap();
            for name in ["index", "chunks/000001"] {
                std::fs::copy(block.join(name), to.join(name)).unwrap();
            }
            std::fs::write(to.join("meta.json"), meta.to_string()).unwrap();
        }
        return;
    }
    panic!("no block has parents");
}

/// Forty hours of everything: blocks of three levels and of late samples, deletions in blocks and head.
fn fill_for_days(peer: &Peer, tsdb: &Path, now: i64) {
    let from_ms = now - 41 * 60 * MINUTE_MS;
    let write = |series: Vec<SeriesWrite>| {
        peer.write(&WriteBatch {
            series,
            metadata: vec![],
        });
    };
    let mut late = Vec::new();
    for step in 0..480 {
        let t_ms = from_ms + step * 5 * MINUTE_MS;
        let mut all: Vec<SeriesWrite> = ["kept", "gone", "partly"]
            .iter()
            .map(|name| series(&[("__name__", name)], &[(t_ms, value(1, step))]))
            .collect();
        all.push(SeriesWrite {
            histograms: vec![(t_ms, histogram(step as u64 + 1))],
            ..series(&[("__name__", "latency")], &[])
        });
        all.push(SeriesWrite {
            histograms: vec![(t_ms, float_histogram(step as f64 + 0.5))],
            ..series(&[("__name__", "r\u{e4}te.\u{1f426}")], &[])
        });
        match step % 100 {
            0..60 => all.push(series(&[("__name__", "now_and_then")], &[(t_ms, value(2, step))])),
            60 => all.push(series(&[("__name__", "now_and_then")], &[(t_ms, stale_nan())])),
            _ => {}
        }
        all[0].exemplars = vec![Exemplar {
            labels: Labels::from_pairs([("trace_id", format!("{step:x}"))]).unwrap(),
            value: value(5, step),
            t_ms: Some(t_ms - 3_000),
        }];
        all.push(series(&[("__name__", "late")], &[(t_ms, value(3, step))]));
        late.push((t_ms + 7_000, value(4, step)));
        write(all);
        if step % 12 == 11 {
            late.reverse();
            for sample in late.drain(..) {
                write(vec![series(&[("__name__", "late")], &[sample])]);
            }
        }
    }
    let watch = lapwing::clock::Stopwatch::start();
    while levels(tsdb).range(3..).next().is_none() {
        assert!(watch.elapsed() < Duration::from_secs(150), "{:?}", levels(tsdb));
        std::thread::park_timeout(Duration::from_millis(100));
    }
    peer.delete("gone");
    let (start_s, end_s) = (from_ms / 1000 + 3 * 3_600, from_ms / 1000 + 5 * 3_600);
    peer.delete(&format!("partly&start={start_s}&end={end_s}"));
    peer.delete(&format!("partly&start={}", now / 1000 - 2 * 3_600));
    // Of the late samples those of a block, and those that are in the head alone.
    for hours in [20, 2] {
        let end_s = now / 1000 - hours * 3_600;
        peer.delete(&format!("late&start={}&end={end_s}", end_s - 1_800));
    }
    let mut kept = series(&[("__name__", "kept")], &[(now - MINUTE_MS, 2.5)]);
    kept.exemplars = vec![Exemplar {
        labels: Labels::from_pairs([("trace_id", "newest")]).unwrap(),
        value: 2.5,
        t_ms: Some(now - MINUTE_MS),
    }];
    write(vec![
        series(&[("__name__", "partly")], &[(now - MINUTE_MS, 1.25)]),
        kept,
    ]);
}

/// The directory of a Prometheus that runs, was killed, and was stopped: each answers as that Prometheus did itself.
#[test]
fn a_directory_answers_as_its_prometheus_did_however_that_ended() {
    let Some(program) = std::env::var_os("LAPWING_PROMETHEUS") else {
        eprintln!(
            "SKIPPED a_directory_answers_as_its_prometheus_did_however_that_ended: prometheus 3 is not installed"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let tsdb = dir.path().join("tsdb");
    let config = "storage: { tsdb: { out_of_order_time_window: 4h } }\n";
    let peer = Peer::run(&program, dir.path(), config);
    let now = now_ms().div_euclid(MINUTE_MS) * MINUTE_MS;
    fill_for_days(&peer, &tsdb, now);
    let questions = [
        "{__name__!=\"\"}[50h]",
        "count_over_time({__name__=\"gone\"}[50h])",
        "histogram_count(rate(latency[6h]))",
    ];
    let at_s = now as f64 / 1000.0;
    let ask = |peer: &Peer| questions.map(|question| rows(&peer.query(question, at_s)));
    let get = |url: String| -> serde_json::Value {
        let answer = ureq::get(url).call().unwrap().body_mut().read_to_string();
        serde_json::from_str::<serde_json::Value>(&answer.unwrap()).unwrap()["data"].take()
    };
    let about_exemplars = format!(
        "/api/v1/query_exemplars?query=kept&start={}&end={at_s}",
        at_s - 50.0 * 3_600.0
    );
    let exemplars = |data: &serde_json::Value| data[0]["exemplars"].as_array().unwrap().clone();
    let their_exemplars = exemplars(&get(format!("{}{about_exemplars}", peer.url)));
    // What is in blocks the log need not have any more, and exemplars are nowhere else: three hours after the head's beginning,
    // two of them become a block.
    let block_s = 7_200.0;
    let head_from_s = ((at_s - 10_800.0) / block_s).ceil() * block_s;
    let in_head = |exemplar: &&serde_json::Value| exemplar["timestamp"].as_f64() >= Some(head_from_s);
    let in_head: Vec<_> = their_exemplars.iter().filter(in_head).collect();
    assert!(!in_head.is_empty(), "{their_exemplars:?}");
    let theirs = ask(&peer);
    assert_eq!(theirs[0].len(), 6, "{:?}", theirs[0]);
    let check = |ending: &str| {
        let data = dir.path().join(ending);
        let imported = report(&import("tsdb", &tsdb, &data));
        assert_eq!(imported["series"], 6, "{ending}: {imported}");
        let server = Server::start(&data, &[]);
        for (question, theirs) in questions.iter().zip(&theirs) {
            let ours = rows(&server.query(question, at_s));
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(ours, theirs, "{ending}: {question}");
            }
            assert_eq!(ours.len(), theirs.len(), "{ending}: {question}");
        }
        let ours = exemplars(&server.get(&about_exemplars).json()["data"]);
        assert!(in_head.iter().all(|e| ours.contains(e)), "{ending}: {ours:?}");
        assert!(
            ours.iter().all(|e| their_exemplars.contains(e)),
            "{ending}: {ours:?}"
        );
        imported["notes"].clone()
    };
    assert_eq!(check("running"), serde_json::json!({}));
    // Dropped is killed.
    drop(peer);
    leave_debris(&tsdb);
    check("killed");
    let peer = Peer::run(&program, dir.path(), config);
    assert_eq!(ask(&peer), theirs);
    peer.stop();
    assert_eq!(check("stopped"), serde_json::json!({}));
}
