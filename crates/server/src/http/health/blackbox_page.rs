//! One look as a page of blackbox_exporter: its families with their help, those of its kind of prober always there. What a look
//! did not come to is 0, as it is there: a rule such as `probe_http_status_code != 200` is to see a server that is gone.

use lapwing_collect::probe::Probe;
use lapwing_types::{
    Labels, LabelsBuilder, METRIC_NAME, Metadata, MetricKind, Phase, ProbeOutcome, ProbeReason,
};
use lapwing_wire::text::{Family, FamilySample};
use std::collections::BTreeMap;

/// Names that need no word of help from us have none: they are Lapwing's own.
const HELP: [(&str, &str); 27] = [
    (
        "probe_dns_additional_rrs",
        "Returns number of entries in the additional resource record list",
    ),
    (
        "probe_dns_answer_rrs",
        "Returns number of entries in the answer resource record list",
    ),
    (
        "probe_dns_authority_rrs",
        "Returns number of entries in the authority resource record list",
    ),
    ("probe_dns_duration_seconds", "Duration of DNS request by phase"),
    (
        "probe_dns_lookup_time_seconds",
        "Returns the time taken for probe dns lookup in seconds",
    ),
    (
        "probe_dns_query_succeeded",
        "Displays whether or not the query was executed successfully",
    ),
    ("probe_dns_serial", "Returns the serial number of the zone"),
    (
        "probe_duration_seconds",
        "Returns how long the probe took to complete in seconds",
    ),
    (
        "probe_failed_due_to_regex",
        "Indicates if probe failed due to regex",
    ),
    ("probe_grpc_duration_seconds", "Duration of gRPC request by phase"),
    ("probe_grpc_healthcheck_response", "Response HealthCheck response"),
    ("probe_grpc_ssl", "Indicates if SSL was used for the connection"),
    ("probe_grpc_status_code", "Response gRPC status code"),
    ("probe_http_content_length", "Length of http content response"),
    (
        "probe_http_duration_seconds",
        "Duration of http request by phase, summed over all redirects",
    ),
    (
        "probe_http_last_modified_timestamp_seconds",
        "Returns the Last-Modified HTTP response header in unixtime",
    ),
    ("probe_http_redirects", "The number of redirects"),
    (
        "probe_http_ssl",
        "Indicates if SSL was used for the final redirect",
    ),
    ("probe_http_status_code", "Response HTTP status code"),
    (
        "probe_http_uncompressed_body_length",
        "Length of uncompressed response body",
    ),
    (
        "probe_http_version",
        "Returns the version of HTTP of the probe response",
    ),
    ("probe_icmp_duration_seconds", "Duration of icmp request by phase"),
    (
        "probe_icmp_reply_hop_limit",
        "Replied packet hop limit (TTL for ipv4)",
    ),
    (
        "probe_ip_addr_hash",
        "Specifies the hash of IP address. It's useful to detect if the IP address changes.",
    ),
    (
        "probe_ip_protocol",
        "Specifies whether probe ip protocol is IP4 or IP6",
    ),
    (
        "probe_ssl_earliest_cert_expiry",
        "Returns last SSL chain expiry in unixtime",
    ),
    ("probe_success", "Displays whether or not the probe was a success"),
];
const HELP_OF_TLS: [(&str, &str); 4] = [
    (
        "probe_ssl_last_chain_expiry_timestamp_seconds",
        "Returns last SSL chain expiry in timestamp",
    ),
    (
        "probe_ssl_last_chain_info",
        "Contains SSL leaf certificate information",
    ),
    (
        "probe_tls_cipher_info",
        "Returns the TLS cipher negotiated during handshake",
    ),
    (
        "probe_tls_version_info",
        "Returns the TLS version used or NaN when unknown",
    ),
];

const OF_HTTP: [&str; 8] = [
    "probe_failed_due_to_regex",
    "probe_http_content_length",
    "probe_http_redirects",
    "probe_http_ssl",
    "probe_http_status_code",
    "probe_http_uncompressed_body_length",
    "probe_http_version",
    "probe_ip_protocol",
];
const OF_DNS: [&str; 5] = [
    "probe_dns_additional_rrs",
    "probe_dns_answer_rrs",
    "probe_dns_authority_rrs",
    "probe_dns_query_succeeded",
    "probe_ip_protocol",
];
const OF_GRPC: [&str; 3] = [
    "probe_grpc_ssl",
    "probe_ip_protocol",
    "probe_ssl_earliest_cert_expiry",
];
const GRPC_DEADLINE_EXCEEDED: f64 = 4.0;
const GRPC_UNAVAILABLE: f64 = 14.0;

/// Samples by their whole names, so that what is there already is not written again.
struct Page(BTreeMap<(&'static str, Labels), f64>);

impl Page {
    fn set(&mut self, name: &'static str, labels: &[(&'static str, String)], value: f64) {
        self.0.insert((name, labels_of(name, labels)), value);
    }

    fn set_unless_there(&mut self, name: &'static str, labels: &[(&'static str, String)], value: f64) {
        self.0.entry((name, labels_of(name, labels))).or_insert(value);
    }
}

fn labels_of(name: &str, labels: &[(&'static str, String)]) -> Labels {
    let mut builder = LabelsBuilder::new();
    for (n, v) in labels {
        builder.set(n, v.as_str());
    }
    builder.set(METRIC_NAME, name);
    builder.build()
}

/// Families in the order of their names.
pub(super) fn families(what: &Probe, outcome: &ProbeOutcome) -> Vec<Family> {
    let mut page = Page(BTreeMap::new());
    for series in &outcome.series {
        page.set(series.name, &series.labels, series.value);
    }
    phases(&mut page, what.kind(), outcome);
    unmeasured(&mut page, what.kind(), outcome);
    page.set("probe_duration_seconds", &[], outcome.duration_s);
    page.set("probe_success", &[], f64::from(u8::from(outcome.is_success())));
    let mut families: Vec<Family> = Vec::new();
    for ((name, labels), value) in page.0 {
        let sample = FamilySample {
            labels,
            value,
            t_ms: None,
            exemplar: None,
        };
        match families.last_mut().filter(|f| f.name == name) {
            Some(family) => family.samples.push(sample),
            None => families.push(Family {
                name: name.to_owned(),
                metadata: metadata_of(name),
                samples: vec![sample],
                ..Family::default()
            }),
        }
    }
    families
}

fn metadata_of(name: &str) -> Metadata {
    let known = HELP.iter().chain(&HELP_OF_TLS).find(|(n, _)| *n == name);
    Metadata {
        kind: MetricKind::Gauge,
        help: known.map_or_else(String::new, |(_, help)| (*help).to_owned()),
        unit: String::new(),
    }
}

fn phases(page: &mut Page, kind: &str, outcome: &ProbeOutcome) {
    let family = lapwing::health::phase_family(kind);
    let word_of = |word: &str| [("phase", word.to_owned())];
    for (phase, seconds) in &outcome.phases {
        page.set(
            family,
            &word_of(lapwing::health::phase_word(kind, *phase)),
            *seconds,
        );
    }
    let always: &[&str] = match kind {
        "http" => &["resolve", "connect", "tls", "processing", "transfer"],
        "dns" => &["resolve", "connect", "request"],
        "icmp" => &["resolve", "setup", "rtt"],
        "grpc" => &["resolve"],
        _ => &[],
    };
    for word in always {
        page.set_unless_there(family, &word_of(word), 0.0);
    }
    if kind == "grpc" {
        let others = outcome.phases.iter().filter(|(p, _)| *p != Phase::Resolve);
        page.set(family, &word_of("check"), others.map(|(_, s)| s).sum());
    }
}

fn unmeasured(page: &mut Page, kind: &str, outcome: &ProbeOutcome) {
    let names: &[&'static str] = match kind {
        "http" => &OF_HTTP,
        "dns" => &OF_DNS,
        "grpc" => &OF_GRPC,
        "tcp" => &["probe_failed_due_to_regex", "probe_ip_protocol"],
        _ => &["probe_ip_protocol"],
    };
    for name in names.iter().chain(&["probe_ip_addr_hash"]) {
        page.set_unless_there(name, &[], 0.0);
    }
    let resolving = outcome.phases.iter().find(|(p, _)| *p == Phase::Resolve);
    let lookup_s = resolving.map_or(0.0, |(_, seconds)| *seconds);
    page.set_unless_there("probe_dns_lookup_time_seconds", &[], lookup_s);
    if kind == "grpc" {
        let code = match outcome.reason {
            Some(ProbeReason::Timeout) => GRPC_DEADLINE_EXCEEDED,
            _ => GRPC_UNAVAILABLE,
        };
        page.set_unless_there("probe_grpc_status_code", &[], code);
        for status in ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] {
            let label = [("serving_status", status.to_owned())];
            page.set_unless_there("probe_grpc_healthcheck_response", &label, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_collect::probe::Module;

    #[test]
    fn families_that_a_prober_has_are_there_whatever_it_came_to() {
        let check = |module: &str, expect: &[&str]| {
            let what = Module::well_known()[module].probe("127.0.0.1:1").unwrap();
            let outcome = ProbeOutcome::fail(ProbeReason::Timeout, "");
            let families = families(&what, &outcome);
            let names: Vec<&str> = families.iter().map(|f| f.name.as_str()).collect();
            let sorted: Vec<&str> = HELP
                .iter()
                .map(|(n, _)| *n)
                .filter(|n| names.contains(n))
                .collect();
            assert_eq!(names, sorted, "each with its help, in order");
            for name in expect {
                assert!(names.contains(name), "{module} lacks {name}: {names:?}");
            }
        };
        check("http_2xx", &OF_HTTP);
        check(
            "tcp_connect",
            &["probe_failed_due_to_regex", "probe_dns_lookup_time_seconds"],
        );
        check("dns_udp", &OF_DNS);
        check("icmp", &["probe_icmp_duration_seconds", "probe_ip_addr_hash"]);
        check(
            "grpc",
            &["probe_grpc_status_code", "probe_grpc_healthcheck_response"],
        );
    }
}
