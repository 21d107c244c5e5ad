//! Alertmanagers as prometheus.yml names them: found as targets of scrape jobs are, relabelled, and spoken to as their
//! entry says. Which of them are told is decided here; what they are told is the forwarder's.

use lapwing_collect::discovery::{DiscoveryConfig, TargetGroup};
use lapwing_collect::relabel::RelabelRules;
use lapwing_notify::forward::ForwardTarget;
use lapwing_types::{Labels, LabelsBuilder};
use std::collections::BTreeSet;

/// Where the second version of Alertmanager's API takes alerts.
const ALERTS_PATH: &str = "/api/v2/alerts";
const ADDRESS: &str = "__address__";
const PATH: &str = "__alerts_path__";
const SCHEME: &str = "__scheme__";

/// One entry of `alerting.alertmanagers`.
#[derive(Clone, Debug)]
pub struct AlertmanagerGroup {
    pub discovery: DiscoveryConfig,
    pub relabel: RelabelRules,
    pub scheme: String,
    /// What stands before the path of the API, without a slash at either end.
    pub path_prefix: String,
    /// How each of them is spoken to; only the address is its own.
    pub like: ForwardTarget,
}

/// What was found, told apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SortedAlertmanagers {
    pub active: Vec<ForwardTarget>,
    /// Where those are that the rules drop.
    pub dropped: Vec<String>,
    /// Why others cannot be told anything.
    pub wrong: Vec<String>,
}

impl AlertmanagerGroup {
    pub fn sort(&self, found: &[Labels]) -> SortedAlertmanagers {
        let mut sorted = SortedAlertmanagers::default();
        let mut seen = BTreeSet::new();
        for labels in found {
            let before = self.with_defaults(labels);
            let mut builder = before.to_builder();
            if !self.relabel.apply(&mut builder) {
                let part = |name: &str| before.get(name).unwrap_or("");
                let url = format!("{}://{}{}", part(SCHEME), part(ADDRESS), part(PATH));
                sorted.dropped.push(url);
                continue;
            }
            match base_url(&builder) {
                Ok(url) if seen.insert(url.clone()) => sorted.active.push(ForwardTarget {
                    url,
                    ..self.like.clone()
                }),
                Ok(_) => {}
                Err(reason) => sorted.wrong.push(reason),
            }
        }
        sorted
    }

    /// Those that the file itself names.
    pub fn statics(&self) -> Vec<Labels> {
        let groups = self.discovery.static_configs.iter();
        groups
            .flat_map(|group| TargetGroup::of_static("", group, &[]).targets)
            .collect()
    }

    fn with_defaults(&self, labels: &Labels) -> Labels {
        let mut builder = labels.to_builder();
        if builder.get(SCHEME).is_none() {
            builder.set(SCHEME, self.scheme.as_str());
        }
        if builder.get(PATH).is_none() {
            let slash = if self.path_prefix.is_empty() { "" } else { "/" };
            builder.set(PATH, format!("{slash}{}{ALERTS_PATH}", self.path_prefix));
        }
        builder.build()
    }
}

/// Where an Alertmanager is, without the path of its API.
fn base_url(labels: &LabelsBuilder) -> Result<String, String> {
    let part = |name: &str| labels.get(name).unwrap_or("");
    let (scheme, address, path) = (part(SCHEME), part(ADDRESS), part(PATH));
    if address.is_empty() || address.contains('/') {
        return Err(format!(
            "{address:?} is not a valid hostname: write host:port; scheme and path_prefix have keys of their own"
        ));
    }
    if !matches!(scheme, "http" | "https") {
        return Err(format!("scheme is {scheme:?}, but must be http or https"));
    }
    match path.strip_suffix(ALERTS_PATH) {
        Some(before) => Ok(format!("{scheme}://{address}{before}")),
        None => Err(format!(
            "__alerts_path__ is {path:?}, but must end with {ALERTS_PATH}"
        )),
    }
}
