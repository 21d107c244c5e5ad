//! `alerting:` as prometheus.yml has it: Alertmanagers that alerts are handed on to, and what alerts become on the way.

use crate::config::decode::{decode_any, keys_taken};
use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use lapwing_collect::discovery::{StaticConfig, TargetGroup};
use lapwing_collect::relabel::{RelabelConfig, RelabelRules};
use lapwing_notify::channels::http::{Authorization, BasicAuth, HeaderValues, HttpConfig, OAuth2, TlsConfig};
use lapwing_notify::config::Secret;
use lapwing_notify::forward::{ForwardTarget, Rewrite};
use lapwing_types::Labels;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the second version of Alertmanager's API takes alerts.
const ALERTS_PATH: &str = "/api/v2/alerts";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawAlerting {
    alert_relabel_configs: Vec<RelabelConfig>,
    alertmanagers: Vec<RawAlertmanagers>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawAlertmanagers {
    scheme: Option<String>,
    path_prefix: Option<String>,
    timeout: Option<String>,
    api_version: Option<String>,
    static_configs: Vec<StaticConfig>,
    basic_auth: Option<BasicAuth>,
    authorization: Option<Authorization>,
    bearer_token: Option<Secret>,
    bearer_token_file: Option<String>,
    oauth2: Option<OAuth2>,
    proxy_url: Option<String>,
    no_proxy: Option<String>,
    proxy_from_environment: Option<bool>,
    proxy_connect_header: BTreeMap<String, Vec<lapwing_collect::http::Secret>>,
    tls_config: Option<TlsConfig>,
    follow_redirects: Option<bool>,
    enable_http2: Option<bool>,
    http_headers: BTreeMap<String, HeaderValues>,
    relabel_configs: Vec<RelabelConfig>,
    alert_relabel_configs: Vec<RelabelConfig>,
}

pub(super) fn foreign_keys() -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("alerting", keys_taken::<RawAlerting>()),
        ("alerting.alertmanagers[]", keys_taken::<RawAlertmanagers>()),
    ]
}

pub(super) fn read(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Vec<ForwardTarget> {
    let Some(node) = map.node("alerting") else {
        return Vec::new();
    };
    let mut spelled = node.clone();
    spelled.keep_spelling(&super::scrape::TEXTS);
    let Some(raw) = decode_any::<RawAlerting>(&spelled, "alerting", notes) else {
        return Vec::new();
    };
    let mut targets = Vec::new();
    for (i, one) in raw.alertmanagers.into_iter().enumerate() {
        let path = format!("alerting.alertmanagers[{i}]");
        if one.api_version.as_deref().is_some_and(|v| v != "v2") {
            notes.error(node.at, &path, "only api_version v2 is spoken");
        }
        if one.static_configs.is_empty() {
            let text = "only static_configs name Alertmanagers here; these are told nothing";
            notes.warning(node.at, &path, text);
        }
        match of_group(one, &raw.alert_relabel_configs) {
            Ok(group) => targets.extend(group),
            Err(reason) => notes.error(node.at, &path, reason),
        }
    }
    targets
}

/// The Alertmanagers of one entry of the list.
fn of_group(one: RawAlertmanagers, for_all: &[RelabelConfig]) -> Result<Vec<ForwardTarget>, String> {
    let compiled = |rules: &[RelabelConfig], key: &str| {
        RelabelRules::new(rules).map_err(|e| format!("{key}: {}", crate::http::with_causes(&e)))
    };
    let rules = [for_all, &one.alert_relabel_configs].concat();
    let rewrite = if rules.is_empty() {
        None
    } else {
        let compiled = compiled(&rules, "alert_relabel_configs")?;
        Some(Rewrite::new(format!("{rules:?}"), move |labels| {
            let mut builder = labels.to_builder();
            compiled.apply(&mut builder).then(|| builder.build())
        }))
    };
    let timeout = match one.timeout.as_deref().map(lapwing_types::parse_duration_ms) {
        None => Duration::from_secs(10),
        Some(Ok(ms)) => Duration::from_millis(ms.unsigned_abs().max(1)),
        Some(Err(error)) => return Err(format!("timeout: {error}")),
    };
    let http = HttpConfig {
        basic_auth: one.basic_auth,
        authorization: one.authorization,
        bearer_token: one.bearer_token,
        bearer_token_file: one.bearer_token_file,
        oauth2: one.oauth2,
        proxy_url: one.proxy_url,
        no_proxy: one.no_proxy,
        proxy_from_environment: one.proxy_from_environment,
        proxy_connect_header: one.proxy_connect_header,
        tls_config: one.tls_config,
        follow_redirects: one.follow_redirects,
        enable_http2: one.enable_http2,
        http_headers: one.http_headers,
    };
    http.validate()?;
    let scheme = one.scheme.as_deref().unwrap_or("http");
    let prefix = one.path_prefix.as_deref().unwrap_or("").trim_matches('/');
    let slash = if prefix.is_empty() { "" } else { "/" };
    let alerts_path = format!("{slash}{prefix}{ALERTS_PATH}");
    let place = [("__scheme__", scheme), ("__alerts_path__", alerts_path.as_str())];
    let relabel = compiled(&one.relabel_configs, "relabel_configs")?;
    let groups = one.static_configs.iter();
    let labels = groups.flat_map(|group| TargetGroup::of_static("", group, &place).targets);
    let urls = labels.filter_map(|labels| base_url(&labels, &relabel).transpose());
    urls.map(|url| {
        Ok(ForwardTarget {
            url: url?,
            http: http.clone(),
            timeout,
            rewrite: rewrite.clone(),
        })
    })
    .collect()
}

/// Where an Alertmanager is, without the path of its API; none where the rules drop it.
fn base_url(labels: &Labels, relabel: &RelabelRules) -> Result<Option<String>, String> {
    let mut builder = labels.to_builder();
    if !relabel.apply(&mut builder) {
        return Ok(None);
    }
    let part = |name: &str| builder.get(name).unwrap_or("");
    let (scheme, address, path) = (part("__scheme__"), part("__address__"), part("__alerts_path__"));
    if address.is_empty() || address.contains('/') {
        return Err(format!(
            "{address:?} is not a valid hostname: write host:port; scheme and path_prefix have keys of their own"
        ));
    }
    if !matches!(scheme, "http" | "https") {
        return Err(format!("scheme is {scheme:?}, but must be http or https"));
    }
    match path.strip_suffix(ALERTS_PATH) {
        Some(before) => Ok(Some(format!("{scheme}://{address}{before}"))),
        None => Err(format!(
            "__alerts_path__ is {path:?}, but must end with {ALERTS_PATH}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;

    #[test]
    fn alertmanagers_are_read_as_prometheus_has_them() {
        let text = "alerting:\n  alertmanagers:\n    - static_configs: [{ targets: ['a:9093', 'b:9093'] }]\n      \
                    path_prefix: /am/\n      timeout: 5s\n    - scheme: https\n      static_configs: [{ targets: ['c'] }]\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        assert_eq!(loaded.diagnostics, []);
        let notify = loaded.config.unwrap().alerting.paging.notify;
        let urls: Vec<String> = notify
            .extras
            .alertmanagers
            .iter()
            .map(ForwardTarget::endpoint)
            .collect();
        assert_eq!(
            urls,
            [
                "http://a:9093/am/api/v2/alerts",
                "http://b:9093/am/api/v2/alerts",
                "https://c/api/v2/alerts"
            ]
        );
    }

    #[test]
    fn alerts_are_relabelled_for_all_and_for_one() {
        let text = "alerting:\n  alert_relabel_configs: [{ action: labeldrop, regex: replica }]\n  alertmanagers:\n    \
                    - static_configs: [{ targets: ['a:9093'] }]\n      http_headers: { X-Tenant: { values: [a] } }\n    \
                    - static_configs: [{ targets: ['b:9093'] }]\n      alert_relabel_configs:\n        \
                    - { source_labels: [severity], regex: info, action: drop }\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        assert_eq!(loaded.diagnostics, []);
        let notify = loaded.config.unwrap().alerting.paging.notify;
        let targets = notify.extras.alertmanagers.clone();
        let mut forwarder = lapwing_notify::forward::Forwarder::new(targets, lapwing_types::Labels::empty());
        let alert = lapwing_types::Alert {
            labels: lapwing_types::Labels::from_pairs([
                ("alertname", "x"),
                ("replica", "1"),
                ("severity", "info"),
            ])
            .unwrap(),
            ..Default::default()
        };
        forwarder.observe(&[alert], 0);
        let due = forwarder.due(0);
        assert_eq!(due.len(), 1, "the second one drops it");
        let tenant = ("x-tenant".to_owned(), "a".to_owned());
        assert!(due[0].request.headers.contains(&tenant));
        let body: Json = serde_json::from_slice(&due[0].request.body).unwrap();
        assert_eq!(
            body[0]["labels"],
            serde_json::json!({ "alertname": "x", "severity": "info" })
        );
    }

    #[test]
    fn alertmanagers_have_hosts_and_may_be_relabelled() {
        let read = |entry: &str| {
            let text = format!("alerting: {{ alertmanagers: [{{ {entry} }}] }}\n");
            let loaded = crate::config::load_text("lapwing.yml", &text, &|_| None);
            match loaded.diagnostics.first() {
                Some(wrong) => vec![wrong.message.clone()],
                None => {
                    let notify = loaded.config.unwrap().alerting.paging.notify;
                    let targets = notify.extras.alertmanagers.iter();
                    targets.map(ForwardTarget::endpoint).collect()
                }
            }
        };
        let host = "\"http://a:9093/am\" is not a valid hostname: write host:port; scheme and path_prefix have keys of \
                    their own";
        assert_eq!(
            read("static_configs: [{ targets: ['http://a:9093/am'] }]"),
            [host]
        );
        let rules = "static_configs: [{ targets: [a, b], labels: { port: 9094 } }], relabel_configs: [\
                     { source_labels: [__address__], regex: b, action: drop }, \
                     { source_labels: [__address__, port], separator: ':', target_label: __address__ }]";
        assert_eq!(read(rules), ["http://a:9094/api/v2/alerts"]);
    }
}
