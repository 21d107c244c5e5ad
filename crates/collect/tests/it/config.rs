//! Prometheus's own spelling of scrape jobs is read as it stands.

use lapwing_collect::discovery::{DnsKind, KubernetesRole};
use lapwing_collect::http::Millis;
use lapwing_collect::relabel::Action;
use lapwing_collect::scrape::{Job, NameEscaping, ScrapeConfig, ScrapeDefaults, ScrapeProtocol};

const JOBS: &str = r#"
- job_name: prometheus
  honor_labels: true
  scrape_interval: 50s
  scrape_timeout: 5s
  body_size_limit: 10MB
  sample_limit: 1000
  target_limit: 35
  label_limit: 35
  keep_dropped_targets: 10
  metric_name_validation_scheme: legacy
  metric_name_escaping_scheme: dots
  label_name_length_limit: 210
  label_value_length_limit: 210
  scrape_protocols: ["PrometheusText0.0.4"]
  fallback_scrape_protocol: OpenMetricsText1.0.0
  params:
    module: [http_2xx]
  basic_auth:
    username: admin_name
    password: s3cret-12345
  tls_config:
    insecure_skip_verify: true
    min_version: TLS12
  http_headers:
    foo:
      values: [foobar]
      secrets: [bar]
  static_configs:
    - targets: [localhost:9090, localhost:9191]
      labels:
        my: label
        port: 9090
        your: label
  file_sd_configs:
    - files: [foo/*.slow.json, foo/*.slow.yml]
      refresh_interval: 10m
    - files: [bar/*.yaml]
  dns_sd_configs:
    - refresh_interval: 15s
      names: [first.dns.address.domain.com]
    - names: [second.dns.address.domain.com]
      type: AAAA
      port: 9100
  http_sd_configs:
    - url: http://example.com/prometheus
      authorization:
        credentials: mysecret
  docker_sd_configs:
    - host: unix:///var/run/docker.sock
      filters: [{ name: label, values: [scrape] }]
  kubernetes_sd_configs:
    - role: endpoints
      api_server: https://localhost:1234
      namespaces:
        names: [default]
      selectors:
        - role: pod
          label: foo=bar
  relabel_configs:
    - source_labels: [job, __meta_dns_name]
      regex: (.*)some-[regex]
      target_label: job
      replacement: foo-${1}
    - source_labels: [abc]
      target_label: cde
    - replacement: static
      target_label: abc
    - replacement: 1
      target_label: one
    - source_labels: [__address__]
      target_label: __tmp_hash
      modulus: 8
      action: hashmod
    - regex: 1
      action: labeldrop
    - action: keepequal
      source_labels: [foo]
      target_label: bar
  metric_relabel_configs:
    - source_labels: [__name__]
      regex: expensive_metric.*
      action: drop
- job_name: defaults
"#;

#[test]
fn a_prometheus_file_is_read_as_it_stands() {
    let jobs: Vec<ScrapeConfig> = serde_saphyr::from_str(JOBS).unwrap();
    let job = &jobs[0];
    assert_eq!(job.scrape_interval, Some(Millis(50_000)));
    assert_eq!(job.body_size_limit.0, 10 << 20);
    assert_eq!(
        job.scrape_protocols,
        Some(vec![ScrapeProtocol::PrometheusText0_0_4])
    );
    assert_eq!(job.metric_name_escaping_scheme, Some(NameEscaping::Dots));
    assert_eq!(job.relabel_configs[3].replacement, "1");
    assert_eq!(job.relabel_configs[4].action, Action::HashMod);
    assert_eq!(job.discovery.dns_sd_configs[1].kind, DnsKind::Aaaa);
    assert_eq!(job.discovery.dns_sd_configs[0].kind, DnsKind::Srv);
    assert_eq!(
        job.discovery.kubernetes_sd_configs[0].role,
        KubernetesRole::Endpoints
    );
    assert_eq!(job.discovery.static_configs[0].labels["my"], "label");
    assert!(job.http.tls_config.insecure_skip_verify && job.http.follow_redirects);
    assert_eq!(job.discovery.static_configs[0].labels["port"], "9090");
    assert!(!format!("{job:?}").contains("s3cret"), "secrets are not printed");
    for job in jobs {
        Job::new(job, ScrapeDefaults::default()).unwrap();
    }
}

#[test]
fn keys_that_nobody_knows_are_refused_in_every_block() {
    for block in [
        "kubernetes_sd_configs: [{role: pod, attach_metadata: {nodes: true}}]",
        "http_sd_configs: [{url: a, refresh: 1m}]",
        "docker_sd_configs: [{hosts: a}]",
        "static_configs: [{target: [a]}]",
        "tls_config: {servername: a}",
        "relabel_configs: [{source_label: [a]}]",
    ] {
        let error = serde_saphyr::from_str::<ScrapeConfig>(&format!("job_name: a\n{block}\n")).unwrap_err();
        assert!(error.to_string().contains("unknown"), "{block}: {error}");
    }
}

#[test]
fn a_secret_that_looks_like_a_number_is_asked_for_in_quotes() {
    let job = "job_name: a\nbasic_auth: {username: u, password: 0123}\n";
    let error = serde_saphyr::from_str::<ScrapeConfig>(job)
        .unwrap_err()
        .to_string();
    assert!(error.contains("in quotes"), "{error}");
}
