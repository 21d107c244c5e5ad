//! `lapwing alertmanager`: Alertmanager's own flags and alertmanager.yml, so that a unit file needs only another binary name.
//!
//! Nothing is scraped, measured or judged: alerts come from Prometheus, vmalert and their kin. There is no cluster: flags
//! about one are taken, and what they do not do is said, because two that nobody joins would page twice.

mod before;

use super::Exit;
use super::peer_flags::Meaning::{self, IdleSwitch, IdleValue, Switch, Value};
use super::peer_flags::{Flags, Peer, open_addresses};
use super::serve::{launch, start_logging};
use crate::config::{AlertmanagerFile, Config, did_you_mean, load_alertmanager};
use crate::launch::Launch;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct AlertmanagerArgs {
    /// Alertmanager's own flags; --help lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAG")]
    flags: Vec<OsString>,
}

const PEER: Peer = Peer {
    command: "alertmanager",
    name: "Alertmanager",
    flags: &FLAGS,
};

const FLAGS: [(&str, Meaning); 46] = [
    ("alerts.gc-interval", IdleValue),
    ("alerts.per-alertname-limit", IdleValue),
    ("auto-gomaxprocs", IdleSwitch),
    ("auto-gomemlimit", IdleSwitch),
    ("auto-gomemlimit.ratio", IdleValue),
    ("cluster.advertise-address", IdleValue),
    (
        "cluster.allow-insecure-public-advertise-address-discovery",
        IdleSwitch,
    ),
    ("cluster.gossip-interval", IdleValue),
    ("cluster.label", IdleValue),
    ("cluster.listen-address", Value),
    ("cluster.peer", Value),
    ("cluster.peer-name", IdleValue),
    ("cluster.peer-timeout", IdleValue),
    ("cluster.peers-resolve-timeout", IdleValue),
    ("cluster.probe-interval", IdleValue),
    ("cluster.probe-timeout", IdleValue),
    ("cluster.pushpull-interval", IdleValue),
    ("cluster.reconnect-interval", IdleValue),
    ("cluster.reconnect-timeout", IdleValue),
    ("cluster.settle-timeout", IdleValue),
    ("cluster.tcp-timeout", IdleValue),
    ("cluster.tls-config", IdleValue),
    ("config.file", Value),
    ("data.maintenance-interval", IdleValue),
    ("data.retention", Value),
    ("dispatch.maintenance-interval", IdleValue),
    ("dispatch.start-delay", IdleValue),
    ("enable-feature", Value),
    ("help", Switch),
    ("log.format", Value),
    ("log.level", Value),
    ("log.silences", IdleSwitch),
    ("silences.max-silence-size-bytes", IdleValue),
    ("silences.max-silences", IdleValue),
    ("storage.path", Value),
    ("version", Switch),
    ("web.config.file", Value),
    ("web.external-url", Value),
    ("web.get-concurrency", IdleValue),
    ("web.listen-address", Value),
    ("web.max-connections", Value),
    ("web.read-timeout", Value),
    ("web.route-prefix", Value),
    ("web.systemd-socket", IdleSwitch),
    ("web.timeout", IdleValue),
    ("web.ui-path", IdleValue),
];

/// Whether a feature of Alertmanager is here without asking; the others have no part here.
const FEATURES: [(&str, bool); 7] = [
    ("alert-names-in-metrics", false),
    ("auto-gomaxprocs", false),
    ("auto-gomemlimit", false),
    ("classic-mode", false),
    ("receiver-name-in-metrics", true),
    ("tracing", false),
    ("utf8-strict-mode", true),
];

const HELP_TAIL: &str = "\nThere is no cluster: alerts are taken, grouped and told by this one process, and every page is written down before it \
    leaves.\nOf several that receive the same alerts each would page: run one, and start it again where it falls (its data directory is \
    enough).\n";

pub(crate) fn run(args: &AlertmanagerArgs) -> Exit {
    let words = args.flags.iter().map(|f| f.to_string_lossy().into_owned());
    let flags = match PEER.parse(words) {
        Ok(flags) => flags,
        Err(message) => return PEER.refuse(&message),
    };
    if let Some(exit) = PEER.about(&flags, HELP_TAIL) {
        return exit;
    }
    let (base, retention_ms) = match base_config(&flags) {
        Ok(base) => base,
        Err(message) => return PEER.refuse(&message),
    };
    let (level, format) = match flags.logging() {
        Ok(logging) => logging,
        Err(message) => return PEER.refuse(&message),
    };
    start_logging(level, format);
    for warning in flag_warnings(&flags).into_iter().chain(open_addresses(&base)) {
        tracing::warn!("{warning}");
    }
    take_over_before(&base.store.data);
    let file = PathBuf::from(flags.last("config.file").unwrap_or("alertmanager.yml"));
    let web = flags.file("web.config.file");
    launch(Launch {
        load: Box::new(move || {
            load_alertmanager(AlertmanagerFile {
                path: &file,
                web: web.as_deref(),
                base: base.clone(),
                retention_ms,
            })
        }),
        is_in_memory: false,
        ends_with_stdin: false,
    })
}

/// What the flags say about the program; the rest is in the file.
fn base_config(flags: &Flags) -> Result<(Config, Option<i64>), String> {
    let mut config = Config::default();
    // As an Alertmanager in this place would: nothing is measured, and only alerts are taken.
    config.host.enabled = false;
    config.discover.local = false;
    config.receive.remote_write = false;
    config.receive.otlp = false;
    config.receive.pushgateway = false;
    config.store.data = PathBuf::from(flags.last("storage.path").unwrap_or("data/"));
    if let Some(n) = flags.count("web.max-connections")? {
        config.limits.connections_max = (n as usize).max(1);
    }
    if let Some(ms) = flags.duration_ms("web.read-timeout")? {
        config.limits.body_timeout_ms = ms;
    }
    flags.listen(":9093", &mut config)?;
    Ok((config, flags.duration_ms("data.retention")?))
}

fn flag_warnings(flags: &Flags) -> Vec<String> {
    let (cluster, idle): (Vec<&str>, Vec<&str>) = flags
        .idle
        .iter()
        .copied()
        .partition(|name| name.starts_with("cluster."));
    let mut warnings: Vec<String> = idle
        .iter()
        .map(|name| format!("--{name} has no effect here"))
        .collect();
    let peers = flags.all("cluster.peer");
    if !peers.is_empty() {
        warnings.push(format!(
            "there is no cluster here: {} is not told of silences and pages, and where it receives the same alerts both will page; \
             send alerts to one of them only",
            peers.join(", ")
        ));
    }
    let listens = flags
        .last("cluster.listen-address")
        .is_some_and(|a| !a.is_empty());
    if !cluster.is_empty() || listens {
        warnings.push(
            "--cluster flags have no effect here: this process stands alone, and nothing listens for gossip"
                .to_owned(),
        );
    }
    for word in flags.words("enable-feature") {
        match FEATURES.iter().find(|(name, _)| *name == word) {
            Some((_, true)) => {}
            Some(_) => warnings.push(format!("the feature {word} has no effect here")),
            None => {
                let near = did_you_mean(word, FEATURES.iter().map(|(n, _)| *n));
                let hint = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
                warnings.push(format!("unknown feature {word:?}{hint}"));
            }
        }
    }
    warnings
}

/// What cannot be read is no reason not to page, but somebody has to know.
fn take_over_before(data: &Path) {
    match before::take_over(data, lapwing::Clock::system().now_ms()) {
        Ok(None) => {}
        Ok(Some(before::TakenOver { silences, told })) => tracing::info!(
            silences,
            told,
            "the silences of the Alertmanager before are in force here, and what it told is not told again"
        ),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(
                %error,
                cause,
                "the silences and the log of pages in {} are not in force here",
                data.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(line: &str) -> Flags {
        PEER.parse(line.split_whitespace().map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_unit_file_is_taken_as_it_is() {
        let flags = flags(
            "--config.file=/etc/alertmanager/alertmanager.yml --storage.path=/var/lib/alertmanager --data.retention=240h \
             --web.listen-address=127.0.0.1:9093 --web.listen-address=[::1]:9093 --web.external-url=http://am.example/alerts/ \
             --cluster.listen-address= --log.level=debug --log.format=json --alerts.gc-interval=30m --web.get-concurrency 8",
        );
        let (config, retention_ms) = base_config(&flags).unwrap();
        let addresses: Vec<String> = config.web.addresses().map(|a| a.to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1:9093", "[::1]:9093"]);
        assert_eq!(config.web.route_prefix, "/alerts");
        assert_eq!(config.store.data, Path::new("/var/lib/alertmanager"));
        assert_eq!(retention_ms, Some(240 * 3_600_000));
        assert!(config.web.lifecycle && !config.host.enabled && !config.receive.remote_write);
        assert_eq!(
            flag_warnings(&flags),
            [
                "--alerts.gc-interval has no effect here",
                "--web.get-concurrency has no effect here"
            ]
        );
    }

    #[test]
    fn a_cluster_that_is_not_there_is_named() {
        let said = flag_warnings(&flags(
            "--cluster.peer=b:9094 --cluster.peer c:9094 --cluster.settle-timeout=1m",
        ));
        assert!(said[0].contains("b:9094, c:9094 is not told"), "{said:?}");
        assert!(said[1].starts_with("--cluster flags have no effect"), "{said:?}");
        let said = flag_warnings(&flags("--enable-feature=utf8-strict-mode,clasic-mode"));
        assert_eq!(
            said,
            ["unknown feature \"clasic-mode\"; did you mean classic-mode?"]
        );
    }

    #[test]
    fn mistakes_are_named() {
        let parse = |line: &str| PEER.parse(line.split_whitespace().map(str::to_owned));
        assert_eq!(
            parse("--storage.pth=x").unwrap_err(),
            "unknown flag --storage.pth; did you mean --storage.path?"
        );
        assert!(base_config(&flags("--data.retention=soon")).is_err());
        assert!(base_config(&flags("--web.listen-address=nowhere")).is_err());
    }

    #[test]
    fn flags_stand_in_order_so_that_help_reads_well() {
        assert!(FLAGS.is_sorted_by_key(|(name, _)| *name));
        assert!(FEATURES.is_sorted_by_key(|(name, _)| *name));
    }
}
