//! The host's series against fixtures and against the exporter whose names they carry.

use lapwing_collect::host::HostCollector;
use lapwing_collect::process::ProcessCollector;
use lapwing_types::{Labels, METRIC_NAME, WriteBatch};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

type Values = BTreeMap<Labels, f64>;

fn values(batch: &WriteBatch) -> Values {
    batch
        .series
        .iter()
        .map(|s| (s.labels.clone(), s.samples[0].value))
        .collect()
}

fn find(values: &Values, text: &str) -> Option<f64> {
    values
        .iter()
        .find(|(l, _)| l.to_string() == text)
        .map(|(_, v)| *v)
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_fake_proc_gives_its_numbers_and_what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "proc/sys/kernel/hostname", "gpu7\n");
    write(
        root,
        "proc/stat",
        "cpu  100 0 0 100\ncpu0 100 0 0 100\nctxt 5\nbtime 9\n",
    );
    write(root, "proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 40 kB\n");
    write(root, "proc/loadavg", "one two three");
    let mut host = HostCollector::new(root.to_owned());
    let first = values(&host.collect(1000));
    let at = r#"{instance="gpu7", job="node"}"#;
    assert_eq!(find(&first, &format!("memory_usage{at}")), Some(0.6));
    assert_eq!(
        find(&first, &format!("cpu_usage{at}")),
        None,
        "a share needs two readings"
    );
    assert_eq!(
        find(&first, &format!("node_context_switches_total{at}")),
        Some(5.0)
    );
    let reason = |name: &str| {
        let (_, error) = host.failures().iter().find(|(n, _)| *n == name).unwrap();
        error.to_string()
    };
    assert_eq!(reason("loadavg"), r#"a load average expected, found "one""#);
    assert!(reason("netdev").ends_with("does not exist here"));
    let success = |name: &str| {
        find(
            &first,
            &format!(r#"node_scrape_collector_success{{collector="{name}", instance="gpu7", job="node"}}"#),
        )
    };
    assert_eq!((success("cpu"), success("loadavg")), (Some(1.0), Some(0.0)));

    write(
        root,
        "proc/stat",
        "cpu  175 0 0 125\ncpu0 175 0 0 125\nctxt 5\nbtime 9\n",
    );
    let second = values(&host.collect(2000));
    assert_eq!(find(&second, &format!("cpu_usage{at}")), Some(0.75));
}

/// CPU per collection, by this process's own account; the promise is below 3 ms in a release build.
#[test]
fn a_collection_is_cheap() {
    const ROUNDS: u32 = 100;
    let mut host = HostCollector::new(PathBuf::from("/"));
    let mut own = ProcessCollector::new(PathBuf::from("/"), Vec::new());
    let mut cpu_s = || {
        let batch = own.collect(0).unwrap();
        let name = "process_cpu_seconds_total";
        let found = batch.series.iter().find(|s| s.labels.metric_name() == Some(name));
        found.unwrap().samples[0].value
    };
    let before = cpu_s();
    let series = (0..ROUNDS)
        .map(|i| host.collect(i64::from(i)).series.len())
        .max()
        .unwrap();
    let each_ms = (cpu_s() - before) * 1000.0 / f64::from(ROUNDS);
    println!("{series} series, {each_ms:.2} ms of CPU per collection");
    assert!(series > 100);
}

/// A running exporter; ends with its owner.
pub(crate) struct Exporter {
    child: Child,
    /// `host:port`
    pub(crate) address: String,
    /// The pipe must stay open: an exporter that cannot log ends.
    _log: Lines<BufReader<ChildStderr>>,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Exporter {
    /// node_exporter on a free port; `None`, and a line that names the test, where it is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let program = "/usr/bin/prometheus-node-exporter";
        if !Path::new(program).exists() {
            println!("skipped: {test} needs {program}");
            return None;
        }
        let mut child = Command::new(program)
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = log
            .by_ref()
            .map_while(Result::ok)
            .find_map(|l| Some(l.split_once("address=127.0.0.1:")?.1.trim().to_owned()))
            .expect("the exporter says where it listens");
        Some(Exporter {
            child,
            address: format!("127.0.0.1:{port}"),
            _log: log,
        })
    }

    fn page(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.0\r\nAccept: text/plain\r\n\r\n")
            .unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

/// `name{a="b"} 1.5`, the simple subset that node_exporter writes.
fn parse_line(line: &str) -> Option<(Labels, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, rest) = series.split_once('{').unwrap_or((series, ""));
    let mut pairs = vec![(METRIC_NAME.to_owned(), name.to_owned())];
    for pair in rest.trim_end_matches('}').split("\",").filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once("=\"")?;
        pairs.push((name.to_owned(), value.trim_end_matches('"').replace("\\\\", "\\")));
    }
    Some((Labels::from_pairs(pairs).ok()?, value.parse().ok()?))
}

#[test]
fn agrees_with_node_exporter() {
    let Some(exporter) = Exporter::start("agrees_with_node_exporter") else {
        return;
    };
    let mut host = HostCollector::new(PathBuf::from("/")).with_labels(Vec::new());
    let before = values(&host.collect(1));
    let page = exporter.page();
    let after = values(&host.collect(2));
    let theirs: Values = page
        .lines()
        .filter(|l| l.starts_with("node_"))
        .filter_map(parse_line)
        .collect();
    assert!(theirs.len() > 200, "{page}");
    let name = |l: &Labels| l.metric_name().unwrap_or("").to_owned();
    let our_names: Vec<String> = after.keys().map(name).collect();
    let mut compared = 0;
    for (labels, value) in &theirs {
        let metric = name(labels);
        if !our_names.contains(&metric) || is_different_by_nature(&metric) {
            continue;
        }
        let (low, high) = match (before.get(labels), after.get(labels)) {
            (Some(a), Some(b)) => (a.min(*b), a.max(*b)),
            _ => panic!("node_exporter has {labels}, we do not"),
        };
        // The readings are some 100 ms apart; what moves may move between them.
        let slack = 0.3 * high.abs() + 10.0;
        assert!(
            (low - slack..=high + slack).contains(value),
            "{labels}: {value} there, {low} to {high} here"
        );
        compared += 1;
    }
    println!("{compared} series of node_exporter compared");
    assert!(compared > 200);
    for labels in after.keys().filter(|l| name(l).starts_with("node_")) {
        let metric = name(labels);
        let here_only = is_different_by_nature(&metric)
            || labels
                .get("mountpoint")
                .is_some_and(|m| m.starts_with("/mnt") || m.starts_with("/media"))
            || theirs.contains_key(labels);
        assert!(here_only, "we have {labels}, node_exporter does not");
    }
}

/// Collectors of other sets, the injected clock, and a series younger than Debian's version.
fn is_different_by_nature(metric: &str) -> bool {
    matches!(
        metric,
        "node_scrape_collector_success" | "node_time_seconds" | "node_netstat_TcpExt_TCPOFOQueue"
    )
}
