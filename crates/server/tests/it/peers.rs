//! Real peers from Debian's packages: a Prometheus that writes to Lapwing and is scraped and federated by it, and scrapes and
//! federates it in turn; a node_exporter whose names are compared with those of Lapwing's own measuring.
//!
//! Needs: prometheus, prometheus-node-exporter

use crate::support::{Peer, Server, free_port};
use std::collections::BTreeSet;
use std::path::Path;

fn start(dir: &Path, config: &str) -> Server {
    let file = dir.join("lapwing.yml");
    std::fs::write(&file, config).unwrap();
    Server::start(&dir.join("data"), &["--config", file.to_str().unwrap()])
}

/// One scrape job with more lines of its own.
fn job(name: &str, address: &str, more: &str) -> String {
    format!(
        "  - {{ job_name: {name}, scrape_interval: 1s, static_configs: [{{ targets: ['{address}'] }}]{more} }}\n"
    )
}

fn federate(job: &str) -> String {
    format!(", honor_labels: true, metrics_path: /federate, params: {{ 'match[]': ['{{job=\"{job}\"}}'] }}")
}

#[test]
fn a_prometheus_writes_is_scraped_and_scrapes() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let port = free_port();
    let peer = format!("127.0.0.1:{port}");
    let jobs = [
        job("peer", &peer, ""),
        job("federated", &peer, &federate("itself")),
    ]
    .concat();
    let server = start(dir, &format!("scrape_configs:\n{jobs}"));
    let lapwing = server.url.trim_start_matches("http://");
    let jobs = [
        job("itself", &peer, ""),
        job("lapwing", lapwing, ""),
        job("from_lapwing", lapwing, &federate("lapwing")),
    ];
    let config = format!(
        "global: {{ external_labels: {{ cluster: debian }} }}\n\
         remote_write: [{{ url: '{}/api/v1/write', queue_config: {{ batch_send_deadline: 200ms }} }}]\n\
         scrape_configs:\n{}",
        server.url,
        jobs.concat()
    );
    let file = dir.join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", dir.join("peer").display()),
        format!("--web.listen-address={peer}"),
    ];
    let Some(_peer) = Peer::start("prometheus", &arguments) else {
        eprintln!("SKIPPED a_prometheus_writes_is_scraped_and_scrapes: prometheus is not installed");
        return;
    };
    // What it wrote, with its external label.
    server.value_of("up{cluster='debian', job='itself'} == 1");
    // What it scraped of us, and federated of us, came back the same way.
    server.value_of("lapwing_job_runs_total{cluster='debian', job='lapwing'} > 0");
    server.value_of("process_resident_memory_bytes{cluster='debian', job='lapwing', instance!~'127.*'} > 0");
    // What we scraped and federated of it.
    server.value_of("prometheus_build_info{job='peer', cluster=''} == 1");
    server.value_of("prometheus_build_info{job='itself', cluster='debian'} == 1");
    let metadata = server
        .get("/api/v1/metadata?metric=prometheus_tsdb_head_series")
        .json();
    assert_eq!(
        metadata["data"]["prometheus_tsdb_head_series"][0]["type"], "gauge",
        "{metadata}"
    );
}

fn node_names(server: &Server, job: &str) -> BTreeSet<String> {
    let path = format!("/api/v1/label/__name__/values?match[]=%7Bjob%3D%22{job}%22%7D");
    let names = server.until(&path, |a| {
        ["node_load1", "node_time_seconds"]
            .iter()
            .all(|n| a.body.contains(n))
    });
    let names = names.json();
    let names = names["data"].as_array().unwrap().iter();
    let names = names.filter_map(|n| n.as_str());
    names
        .filter(|n| n.starts_with("node_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn names_agree_with_those_of_node_exporter() {
    let temporary = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = [format!("--web.listen-address={address}")];
    let Some(_peer) = Peer::start("prometheus-node-exporter", &arguments) else {
        eprintln!(
            "SKIPPED names_agree_with_those_of_node_exporter: prometheus-node-exporter is not installed"
        );
        return;
    };
    let jobs = job("exporter", &address, "");
    let config = format!("host: {{ interval: 1s }}\ndiscover: {{ local: false }}\nscrape_configs:\n{jobs}");
    let server = start(temporary.path(), &config);
    let theirs = node_names(&server, "exporter");
    let ours = node_names(&server, "node");
    let shared = theirs.intersection(&ours).count();
    let missing: Vec<&String> = theirs.difference(&ours).collect();
    println!("{shared} of {} names; missing: {missing:?}", theirs.len());
    // What every dashboard of node_exporter reads.
    for name in [
        "node_cpu_seconds_total",
        "node_disk_io_time_seconds_total",
        "node_filesystem_avail_bytes",
        "node_memory_MemAvailable_bytes",
        "node_network_receive_bytes_total",
        "node_boot_time_seconds",
        "node_context_switches_total",
        "node_uname_info",
        "node_time_seconds",
        "node_vmstat_pgfault",
        "node_netstat_Tcp_CurrEstab",
        "node_sockstat_TCP_inuse",
    ] {
        assert!(ours.contains(name) || !theirs.contains(name), "{name} is missing");
    }
    assert!(
        shared * 10 >= theirs.len() * 8,
        "only {shared} of {}: {missing:?}",
        theirs.len()
    );
}
