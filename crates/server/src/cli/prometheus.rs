//! `lapwing prometheus`: Prometheus's own flags and prometheus.yml, so that a unit file needs only another binary name.
//!
//! One without a meaning here is taken with a warning. Prometheus's own rules of listening hold: an address that others
//! reach needs no login, and is named in a warning.

use super::Exit;
use super::peer_flags::{Flags, Peer, open_addresses};
use super::prometheus_flags::{FLAGS, in_force};
use super::serve::{launch, start_logging};
use crate::config::{Config, CorsOrigin, PrometheusFile, did_you_mean, load_prometheus};
use crate::launch::Launch;
use lapwing_types::parse_size_bytes;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct PrometheusArgs {
    /// Prometheus's own flags; --help lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAG")]
    flags: Vec<OsString>,
}

const PEER: Peer = Peer {
    command: "prometheus",
    name: "Prometheus",
    flags: &FLAGS,
};

/// Features that are always there, and how those that count are called here.
const FEATURES: [(&str, Feature); 25] = [
    ("auto-gomaxprocs", Feature::Idle),
    ("auto-gomemlimit", Feature::Idle),
    ("auto-reload-config", Feature::Always),
    ("concurrent-rule-eval", Feature::Always),
    ("created-timestamp-zero-ingestion", Feature::Idle),
    ("delayed-compaction", Feature::Idle),
    ("exemplar-storage", Feature::Always),
    ("expand-external-labels", Feature::Always),
    ("extra-scrape-metrics", Feature::OfJobs("extra_scrape_metrics")),
    ("memory-snapshot-on-shutdown", Feature::Always),
    ("metadata-wal-records", Feature::Always),
    ("native-histograms", Feature::OfJobs("scrape_native_histograms")),
    ("new-service-discovery-manager", Feature::Always),
    ("old-ui", Feature::Idle),
    ("otlp-deltatocumulative", Feature::Always),
    ("otlp-native-delta-ingestion", Feature::Idle),
    ("promql-binop-fill-modifiers", Feature::Experimental),
    ("promql-delayed-name-removal", Feature::DelayedNameRemoval),
    ("promql-duration-expr", Feature::Always),
    ("promql-experimental-functions", Feature::Experimental),
    ("promql-extended-range-selectors", Feature::Always),
    ("promql-per-step-stats", Feature::Idle),
    ("st-storage", Feature::Always),
    ("type-and-unit-labels", Feature::TypeAndUnitLabels),
    ("use-start-timestamps", Feature::StartTimestamps),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feature {
    Always,
    /// A key that is true for every scrape job that does not say otherwise.
    OfJobs(&'static str),
    Idle,
    Experimental,
    DelayedNameRemoval,
    TypeAndUnitLabels,
    StartTimestamps,
}

pub(crate) fn run(args: &PrometheusArgs) -> Exit {
    let words = args.flags.iter().map(|f| f.to_string_lossy().into_owned());
    let flags = match PEER.parse(words) {
        Ok(flags) => flags,
        Err(message) => return PEER.refuse(&message),
    };
    if let Some(exit) = PEER.about(&flags, "") {
        return exit;
    }
    let mut warnings = idle_warnings(&flags);
    let base = match base_config(&flags, &mut warnings) {
        Ok(base) => base,
        Err(message) => return PEER.refuse(&message),
    };
    let (level, format) = match flags.logging() {
        Ok(logging) => logging,
        Err(message) => return PEER.refuse(&message),
    };
    start_logging(level, format);
    warnings.extend(warnings_of(&base));
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let file = PathBuf::from(flags.last("config.file").unwrap_or("prometheus.yml"));
    let web = flags.file("web.config.file");
    let of_jobs = keys_of_jobs(&flags);
    launch(Launch {
        load: Box::new(move || {
            load_prometheus(PrometheusFile {
                path: &file,
                web: web.as_deref(),
                base: base.clone(),
                true_of_jobs: &of_jobs,
            })
        }),
        is_in_memory: false,
        ends_with_stdin: false,
    })
}

fn keys_of_jobs(flags: &Flags) -> Vec<&'static str> {
    let words = flags.words("enable-feature");
    let features = words.filter_map(|word| FEATURES.iter().find(|(name, _)| *name == word));
    let keys = features.filter_map(|(_, feature)| match feature {
        Feature::OfJobs(key) => Some(*key),
        _ => None,
    });
    keys.collect()
}

fn idle_warnings(flags: &Flags) -> Vec<String> {
    let words = flags.idle.iter();
    words.map(|name| format!("--{name} has no effect here")).collect()
}

/// What the flags say about the program; the rest is in the file.
fn base_config(flags: &Flags, warnings: &mut Vec<String>) -> Result<Config, String> {
    if flags.is_on("agent") {
        return Err("the agent mode is not here: Lapwing keeps what it scrapes".to_owned());
    }
    let mut config = Config::default();
    // As a Prometheus in this place would: nothing is measured that no scrape asks for.
    config.host.enabled = false;
    config.discover.local = false;
    config.store.data = PathBuf::from(flags.last("storage.tsdb.path").unwrap_or("data/"));
    config.store.out_of_order_window_ms = 0;
    // Where neither flags nor the file say an age or a size, there is an age that is always so.
    let retention_ms = flags.duration_ms("storage.tsdb.retention.time")?;
    config.store.retention_ms = retention_ms.or(flags.duration_ms("storage.tsdb.retention")?);
    if let Some(text) = flags.last("storage.tsdb.retention.size") {
        let bytes = parse_size_bytes(text).map_err(|e| format!("--storage.tsdb.retention.size: {e}"))?;
        config.store.retention_bytes = Some(bytes).filter(|b| *b > 0);
    }
    let query = &mut config.limits.query;
    query.lookback_ms = flags
        .duration_ms("query.lookback-delta")?
        .unwrap_or(query.lookback_ms);
    query.timeout_ms = flags.duration_ms("query.timeout")?.unwrap_or(query.timeout_ms);
    query.samples_max = flags.count("query.max-samples")?.unwrap_or(query.samples_max);
    if let Some(n) = flags.count("query.max-concurrency")? {
        query.concurrency_max = (n as usize).max(1);
    }
    if let Some(n) = flags.count("web.max-connections")? {
        config.limits.connections_max = (n as usize).max(1);
    }
    if let Some(ms) = flags.duration_ms("web.read-timeout")? {
        config.limits.body_timeout_ms = ms;
    }
    config.receive.remote_write = flags.is_on("web.enable-remote-write-receiver");
    config.receive.otlp = flags.is_on("web.enable-otlp-receiver");
    config.receive.pushgateway = false;
    config.web.admin_api = flags.is_on("web.enable-admin-api");
    config.web.lifecycle = flags.is_on("web.enable-lifecycle");
    config.web.as_prometheus.may_quit = config.web.lifecycle;
    if let Some(text) = flags.last("web.cors.origin") {
        let origin = CorsOrigin::parse(text).map_err(|e| format!("--web.cors.origin: {e}"))?;
        config.web.cors_origin = Some(origin);
    }
    flags.listen(":9090", &mut config)?;
    for word in flags.words("enable-feature") {
        feature(word, &mut config, warnings);
    }
    config.web.as_prometheus.flags = in_force(flags, &config);
    Ok(config)
}

fn feature(word: &str, config: &mut Config, warnings: &mut Vec<String>) {
    match FEATURES.iter().find(|(name, _)| *name == word).map(|(_, f)| *f) {
        // What counts for jobs is read with them.
        Some(Feature::Always | Feature::OfJobs(_)) => {}
        Some(Feature::Idle) => warnings.push(format!("the feature {word} has no effect here")),
        Some(Feature::Experimental) => config.limits.query.experimental = true,
        Some(Feature::DelayedNameRemoval) => config.limits.query.delayed_name_removal = true,
        Some(Feature::TypeAndUnitLabels) => config.limits.query.type_and_unit_labels = true,
        Some(Feature::StartTimestamps) => config.limits.query.start_timestamps = true,
        None => {
            let near = did_you_mean(word, FEATURES.iter().map(|(n, _)| *n));
            let hint = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
            warnings.push(format!("unknown feature {word:?}{hint}"));
        }
    }
}

/// What a person who only changed the name of a binary should know.
fn warnings_of(config: &Config) -> Vec<String> {
    let mut warnings: Vec<String> = open_addresses(config).into_iter().collect();
    let data = &config.store.data;
    if data.join("wal").is_dir() {
        warnings.push(format!(
            "{} holds data of a Prometheus, which is left as it is: `lapwing import tsdb {}` brings it over",
            data.display(),
            data.display()
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn config(line: &str) -> (Config, Vec<String>) {
        let flags = PEER.parse(words(line)).unwrap();
        let mut warnings = idle_warnings(&flags);
        let config = base_config(&flags, &mut warnings).unwrap();
        (config, warnings)
    }

    #[test]
    fn a_unit_file_of_debian_is_taken_as_it_is() {
        let (config, warnings) = config(
            "--config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/var/lib/prometheus/metrics2/ \
             --web.console.libraries=/etc/x --storage.tsdb.retention.time 30d --web.listen-address=:9091 \
             --web.enable-lifecycle --no-web.enable-admin-api --web.external-url=http://prom.example/prom \
             --enable-feature=promql-experimental-functions,native-histograms --query.timeout=30s",
        );
        assert_eq!(config.web.listen.to_string(), "0.0.0.0:9091");
        assert_eq!(config.store.retention_ms, Some(30 * 24 * 3_600_000));
        assert_eq!(config.web.route_prefix, "/prom");
        assert_eq!(config.limits.query.timeout_ms, 30_000);
        assert!(config.web.lifecycle && config.limits.query.experimental);
        assert!(!config.web.admin_api && !config.receive.remote_write && !config.host.enabled);
        assert_eq!(warnings, ["--web.console.libraries has no effect here"]);
    }

    #[test]
    fn an_unknown_flag_is_a_mistake_with_a_guess() {
        assert_eq!(
            PEER.parse(words("--storage.tsdb.paht=x")),
            Err("unknown flag --storage.tsdb.paht; did you mean --storage.tsdb.path?".to_owned())
        );
        assert_eq!(
            PEER.parse(words("--web.enable-lifecycle=perhaps")),
            Err("--web.enable-lifecycle is on or off and takes no \"perhaps\"".to_owned())
        );
        assert_eq!(
            PEER.parse(words("--config.file")),
            Err("--config.file needs a value".to_owned())
        );
        assert!(PEER.parse(words("prometheus.yml")).is_err());
    }

    #[test]
    fn features_stand_in_order() {
        assert!(FEATURES.is_sorted_by_key(|(name, _)| *name));
    }
}
