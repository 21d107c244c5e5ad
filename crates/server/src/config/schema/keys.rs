//! What each key is: the words of the JSON schema and of the tables in `docs/config.md`.

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bool,
    Count,
    Duration,
    /// `99.5%` or `0.995`.
    Ratio,
    Size,
    /// Of text to text.
    Labels,
    /// Of names to maps, whose keys another file's format defines.
    Maps,
    Words,
    /// Numbers of ports.
    Ports,
    OneOf(&'static [&'static str]),
}

use Kind::{Bool, Count, Duration, Labels, Maps, OneOf, Ports, Ratio, Size, Text, Words};

/// Path (`[]` for the items of a list), kind, default, meaning.
pub(crate) type Described = (&'static str, Kind, &'static str, &'static str);

pub(crate) const KEYS: &[Described] = &[
    (
        "global.scrape_interval",
        Duration,
        "15s",
        "how often targets are scraped",
    ),
    (
        "global.scrape_timeout",
        Duration,
        "10s",
        "how long a scrape may take; at most the interval",
    ),
    (
        "global.evaluation_interval",
        Duration,
        "15s",
        "how often rules are evaluated",
    ),
    (
        "global.rule_query_offset",
        Duration,
        "0s",
        "how far back rules look whose group says nothing about it",
    ),
    (
        "global.external_labels",
        Labels,
        "",
        "put on whatever leaves: alerts, federation",
    ),
    (
        "web.listen",
        Text,
        "127.0.0.1:9595",
        "address and port; one that others reach needs a token (needs a restart)",
    ),
    (
        "web.external_url",
        Text,
        "",
        "the address that links in pages point to",
    ),
    (
        "web.route_prefix",
        Text,
        "",
        "the path under which everything stands (needs a restart)",
    ),
    (
        "web.open_without_token",
        Bool,
        "false",
        "serve an open address without any login",
    ),
    (
        "web.admin_api",
        Bool,
        "true",
        "whether series can be deleted and snapshots taken over HTTP",
    ),
    (
        "web.lifecycle",
        Bool,
        "true",
        "whether POST /-/reload is answered",
    ),
    (
        "web.cors_origin",
        Text,
        "",
        "whose pages may read the API in a browser: a pattern of whole origins, `.*` for all",
    ),
    (
        "web.tokens[].name",
        Text,
        "",
        "under which its bearer's series and rate are counted",
    ),
    (
        "web.tokens[].role",
        OneOf(&["ingest", "read", "operate", "admin"]),
        "",
        "what its bearer may do; each includes those before it",
    ),
    ("web.tokens[].secret", Text, "", "the token"),
    (
        "web.tokens[].secret_file",
        Text,
        "",
        "a file that holds the token",
    ),
    (
        "web.tls.cert_file",
        Text,
        "",
        "the certificate and its chain, PEM; a renewed one is taken up by itself",
    ),
    ("web.tls.key_file", Text, "", "its private key, PEM"),
    (
        "web.tls.client_ca_file",
        Text,
        "",
        "the authority that clients' certificates are checked against",
    ),
    (
        "web.tls.client_auth",
        OneOf(&["require", "if_given"]),
        "require",
        "whether a client must have one",
    ),
    (
        "web.tls.min_version",
        OneOf(&["TLS12", "TLS13"]),
        "TLS12",
        "the oldest version that is spoken",
    ),
    (
        "store.data",
        Text,
        "lapwing-data",
        "where everything is kept (needs a restart)",
    ),
    (
        "store.durability",
        OneOf(&["process", "disk"]),
        "process",
        "what a 2xx promises: the kernel has it, or the disk (needs a restart)",
    ),
    (
        "store.retention",
        Duration,
        "15d",
        "how long samples are kept; `forever` where only `retention_size` ends them",
    ),
    (
        "store.tiers[].every",
        Duration,
        "",
        "length of a bucket of downsampled data; at least 1m, and 12h is a multiple of it",
    ),
    (
        "store.tiers[].keep",
        Duration,
        "",
        "how long its buckets are kept; for ever without it",
    ),
    (
        "store.retention_size",
        Size,
        "",
        "how much the blocks may take together; the oldest go first",
    ),
    (
        "store.memory_limit",
        Size,
        "2GiB",
        "of series and samples in memory, at least 16MiB; beyond it new series are refused",
    ),
    (
        "store.out_of_order_window",
        Duration,
        "1h",
        "how late a sample may come (needs a restart)",
    ),
    ("store.series_limit", Count, "10000000", "series in memory"),
    (
        "store.series_limit_per_source",
        Count,
        "2000000",
        "series in memory that one source may have brought",
    ),
    ("host.enabled", Bool, "true", "whether this machine is measured"),
    ("host.interval", Duration, "15s", "how often; at least 1s"),
    (
        "discover.local",
        Bool,
        "true",
        "whether model servers and exporters on this machine are found",
    ),
    (
        "discover.ports",
        Ports,
        "",
        "where to look for them beside the well-known ports; at most 64",
    ),
    ("limits.body", Size, "32MiB", "one body as it comes"),
    (
        "limits.unpacked_body",
        Size,
        "128MiB",
        "one body after decompression",
    ),
    (
        "limits.bodies",
        Size,
        "512MiB",
        "all bodies in work together; beyond it 503",
    ),
    (
        "limits.body_timeout",
        Duration,
        "1m",
        "for a whole body to arrive; after it 408",
    ),
    (
        "limits.samples_per_second",
        Count,
        "",
        "on average, by source; beyond it 429 with Retry-After",
    ),
    ("limits.connections", Count, "4096", "at once (needs a restart)"),
    ("limits.query.timeout", Duration, "2m", "one query"),
    ("limits.query.concurrency", Count, "20", "queries at once"),
    (
        "limits.query.samples",
        Count,
        "50000000",
        "samples that one query may hold in memory",
    ),
    (
        "limits.query.lookback",
        Duration,
        "5m",
        "how long after its last sample a series has a value",
    ),
    (
        "limits.query.experimental_functions",
        Bool,
        "false",
        "PromQL's experimental functions, aggregators and fill modifiers",
    ),
    (
        "limits.query.delayed_name_removal",
        Bool,
        "false",
        "names are dropped at the end of an evaluation",
    ),
    (
        "limits.query.type_and_unit_labels",
        Bool,
        "false",
        "__type__ and __unit__ are read",
    ),
    (
        "limits.query.start_timestamps",
        Bool,
        "false",
        "where a source says when a counter began, `rate` and its like take it to have been zero then",
    ),
    (
        "receive.remote_write",
        Bool,
        "true",
        "Prometheus remote write, /api/v1/write",
    ),
    (
        "receive.otlp",
        Bool,
        "true",
        "OpenTelemetry metrics, HTTP and gRPC",
    ),
    (
        "receive.pushgateway.enabled",
        Bool,
        "true",
        "batch jobs' pushes, /metrics/job/…",
    ),
    (
        "receive.pushgateway.ttl",
        Duration,
        "",
        "how long a pushed group stands after its last push; for ever without it",
    ),
    (
        "receive.statsd.udp",
        Text,
        "",
        "address and port for StatsD datagrams",
    ),
    (
        "receive.statsd.tcp",
        Text,
        "",
        "address and port for StatsD lines",
    ),
    (
        "receive.statsd.flush_interval",
        Duration,
        "10s",
        "how often what was added up becomes samples",
    ),
    (
        "receive.statsd.forget_after",
        Duration,
        "1h",
        "a series without a line for so long is forgotten",
    ),
    (
        "receive.statsd.series_limit",
        Count,
        "100000",
        "StatsD series at once",
    ),
    (
        "otlp.translation_strategy",
        OneOf(&[
            "UnderscoreEscapingWithSuffixes",
            "UnderscoreEscapingWithoutSuffixes",
            "NoUTF8EscapingWithSuffixes",
            "NoTranslation",
        ]),
        "UnderscoreEscapingWithSuffixes",
        "how names are translated",
    ),
    (
        "otlp.promote_resource_attributes",
        Words,
        "",
        "resource attributes that become labels of every series",
    ),
    (
        "otlp.promote_all_resource_attributes",
        Bool,
        "false",
        "all of them do",
    ),
    (
        "otlp.keep_identifying_resource_attributes",
        Bool,
        "false",
        "service.name and its kin stay in target_info too",
    ),
    (
        "otlp.promote_scope_metadata",
        Bool,
        "false",
        "otel_scope_name and its kin on every series",
    ),
    (
        "otlp.convert_histograms_to_nhcb",
        Bool,
        "false",
        "explicit bounds become native histograms with custom buckets",
    ),
    (
        "dashboards.dir",
        Text,
        "",
        "the folder of dashboards as files; without it none can be saved",
    ),
    (
        "saved_rules.dir",
        Text,
        "",
        "the folder of rule files that the pages write; without it they cannot save a rule",
    ),
    (
        "models[].name",
        Text,
        "",
        "under which everything about the model is found",
    ),
    ("models[].version", Text, "", "the version that is meant to run"),
    (
        "models[].engine",
        OneOf(&[
            "vllm",
            "sglang",
            "tgi",
            "tei",
            "llamacpp",
            "triton",
            "kserve",
            "torchserve",
            "ollama",
            "http",
        ]),
        "http",
        "the kind of server, which says where it tells that it is ready",
    ),
    ("models[].owner", Text, "", "whom to ask"),
    (
        "models[].expected_version",
        Text,
        "",
        "shards that serve another version count as stale",
    ),
    (
        "models[].labels",
        Labels,
        "",
        "put on every series and alert of the model",
    ),
    (
        "models[].depends_on",
        Words,
        "",
        "models and checks whose failure explains this one's",
    ),
    ("models[].endpoints[].url", Text, "", "where the model is served"),
    (
        "models[].fallbacks[].url",
        Text,
        "",
        "who answers when the endpoints do not",
    ),
    (
        "models[].objectives.availability",
        Ratio,
        "",
        "the share of time in which it must answer: 99.5%",
    ),
    (
        "models[].objectives.quality",
        Ratio,
        "",
        "the share of answers that must be good",
    ),
    (
        "models[].objectives.p95_latency",
        Duration,
        "",
        "what 95 of 100 requests must stay under",
    ),
    (
        "models[].objectives.latency_from",
        Text,
        "",
        "PromQL: the share of requests that were fast enough; by the looks at the endpoints without it",
    ),
    (
        "models[].objectives.quality_from",
        Text,
        "",
        "PromQL: a score from 0 to 1; by the answers to the probes without it",
    ),
    (
        "models[].objectives.window",
        Duration,
        "30d",
        "over which the objectives are counted",
    ),
    (
        "models[].traffic.requests",
        Text,
        "",
        "PromQL: requests of the window",
    ),
    (
        "models[].traffic.failed",
        Text,
        "",
        "PromQL: those of them that failed",
    ),
    (
        "models[].traffic.degraded",
        Ratio,
        "5%",
        "failed share from which the model counts as degraded",
    ),
    (
        "models[].traffic.unhealthy",
        Ratio,
        "50%",
        "failed share from which it counts as unhealthy",
    ),
    (
        "models[].traffic.requests_min",
        Count,
        "5",
        "fewer requests say nothing",
    ),
    (
        "models[].fleet.unhealthy_threshold",
        Count,
        "3",
        "failed looks after which a shard is dead",
    ),
    (
        "models[].fleet.healthy_threshold",
        Count,
        "2",
        "good looks after which it is back",
    ),
    (
        "models[].fleet.max_restart_attempts",
        Count,
        "5",
        "after so many it is retired",
    ),
    (
        "models[].fleet.min_healthy_shards",
        Count,
        "1",
        "with fewer the model is unhealthy",
    ),
    (
        "models[].health.interval",
        Duration,
        "30s",
        "how often its probes look; at least 100ms",
    ),
    (
        "models[].health.timeout",
        Duration,
        "5s",
        "how long a look may take; where it is not said, no longer than the interval",
    ),
    (
        "models[].health.degraded_above",
        Duration,
        "",
        "a look that passes and takes longer is degraded; less than the timeout",
    ),
    (
        "models[].health.failures",
        Count,
        "3",
        "failed looks in a row after which a check is unhealthy",
    ),
    (
        "models[].health.passes",
        Count,
        "2",
        "good looks in a row after which it is healthy again",
    ),
    (
        "models[].health.unknown_after",
        Duration,
        "",
        "without a look for so long the state is unknown; five intervals, at least 1m, without it",
    ),
    (
        "status.title",
        Text,
        "Status",
        "what stands above the public status page",
    ),
    (
        "blackbox.files",
        Words,
        "",
        "blackbox.yml of blackbox_exporter: modules of `/probe`",
    ),
    ("blackbox.modules", Maps, "", "such modules, in the same words"),
    (
        "maintenance[].name",
        Text,
        "maintenance",
        "what the work is called",
    ),
    ("maintenance[].of", Words, "", "models and checks; all without it"),
    (
        "maintenance[].from",
        Text,
        "",
        "begin of planned work, as 2026-11-21T02:00:00Z",
    ),
    ("maintenance[].until", Text, "", "its end"),
    (
        "maintenance[].weekly.days",
        Words,
        "",
        "days of the week: Mon, Tue, …",
    ),
    ("maintenance[].weekly.at", Text, "", "time of day: 02:00"),
    ("maintenance[].weekly.duration", Duration, "", "how long"),
    ("maintenance[].weekly.zone", Text, "UTC", "time zone of `at`"),
];

/// Keys that stand in several places: where, and what they are.
pub(crate) const SHARED: &[(&[&str], &[Described])] = &[
    (&["checks[]", "models[].health.probes[]"], CHECK),
    (
        &[
            "models[].recovery[]",
            "checks[].recovery[]",
            "models[].health.probes[].recovery[]",
        ],
        RECOVERY,
    ),
];

const CHECK: &[Described] = &[
    (
        "name",
        Text,
        "",
        "under which the check is found; the address or the kind without it",
    ),
    (
        "check_in",
        Duration,
        "",
        "in place of a probe: a job reports at least so often",
    ),
    ("interval", Duration, "30s", "how often; at least 100ms"),
    (
        "timeout",
        Duration,
        "5s",
        "how long a look may take; where it is not said, no longer than the interval",
    ),
    (
        "degraded_above",
        Duration,
        "",
        "a look that passes and takes longer is degraded; less than the timeout",
    ),
    (
        "failures",
        Count,
        "3",
        "failed looks in a row after which it is unhealthy",
    ),
    (
        "passes",
        Count,
        "2",
        "good looks in a row after which it is healthy again",
    ),
    (
        "unknown_after",
        Duration,
        "",
        "without a look for so long the state is unknown; five intervals, at least 1m, without it",
    ),
    (
        "endpoint",
        Text,
        "",
        "the URL that the probe's path is put behind",
    ),
    ("labels", Labels, "", "put on every series and alert of the check"),
    (
        "depends_on",
        Words,
        "",
        "models and checks whose failure explains this one's",
    ),
    (
        "canary",
        Bool,
        "false",
        "whether it answers as long as our own network works: when all such are silent, that is down",
    ),
];

const RECOVERY: &[Described] = &[
    (
        "name",
        Text,
        "",
        "under which its attempts are written down; the kind of action without it",
    ),
    (
        "on",
        OneOf(&["degraded", "unhealthy", "critical"]),
        "unhealthy",
        "the state from which it is tried",
    ),
    ("limit", Text, "3 per hour", "how many attempts at most"),
    ("cooldown", Duration, "1m", "rest after an attempt"),
    (
        "backoff",
        Duration,
        "1m",
        "rest after a failed attempt; doubles each time",
    ),
    ("backoff_max", Duration, "30m", "the longest rest"),
    (
        "verify_within",
        Duration,
        "2m",
        "health must be back by then, or the attempt failed",
    ),
    ("dry_run", Bool, "false", "only write down what would be done"),
    ("approval", Bool, "false", "wait until a person agrees"),
    (
        "escalate_after",
        Count,
        "2",
        "failed attempts after which people are told",
    ),
    ("timeout", Duration, "1m", "how long the action may take"),
    ("action.systemd_restart", Text, "", "restart this unit"),
    (
        "action.container_restart.name",
        Text,
        "",
        "restart this container; also written as one word",
    ),
    (
        "action.container_restart.socket",
        Text,
        "/var/run/docker.sock",
        "where its engine is asked: /run/podman/podman.sock",
    ),
    (
        "action.command",
        Words,
        "",
        "run this program with these arguments",
    ),
    (
        "action.kubernetes_restart.namespace",
        Text,
        "default",
        "namespace of the workload",
    ),
    (
        "action.kubernetes_restart.workload",
        Text,
        "",
        "restart its pods one after the other: deployment/chat",
    ),
    ("action.http.url", Text, "", "call this URL"),
    ("action.http.method", Text, "POST", "with this method"),
    ("action.http.headers", Labels, "", "with these headers"),
    ("action.http.body", Text, "", "with this body"),
    (
        "action.fallback_hook.url",
        Text,
        "",
        "call this URL to switch to the fallback",
    ),
    ("action.fallback_hook.method", Text, "POST", "with this method"),
    ("action.fallback_hook.headers", Labels, "", "with these headers"),
    ("action.fallback_hook.body", Text, "", "with this body"),
];

/// The row on a key.
pub(crate) fn described(path: &str) -> Option<&'static Described> {
    let shared = SHARED.iter().flat_map(|(places, rows)| {
        places.iter().filter_map(move |place| {
            let rest = path.strip_prefix(place)?.strip_prefix('.')?;
            rows.iter().find(|(known, ..)| *known == rest)
        })
    });
    KEYS.iter()
        .find(|(known, ..)| *known == path)
        .or_else(|| shared.into_iter().next())
}
