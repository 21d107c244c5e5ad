//! The file as it was typed: Alertmanager's keys and ours, nothing resolved yet.

use super::interval::RawTimeInterval;
use super::receiver::RawReceiver;
use super::secret::Secret;
use crate::channels::http::HttpConfig;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    #[serde(default)]
    pub global: Global,
    pub(crate) route: Option<RawRoute>,
    #[serde(default)]
    pub(crate) receivers: Vec<RawReceiver>,
    #[serde(default)]
    pub(crate) inhibit_rules: Vec<RawInhibitRule>,
    #[serde(default)]
    pub(crate) time_intervals: Vec<RawTimeInterval>,
    #[serde(default)]
    pub(crate) mute_time_intervals: Vec<RawTimeInterval>,
    #[serde(default)]
    pub(crate) templates: Vec<String>,
    /// Alertmanager's own tracing; read and without a meaning here.
    #[serde(default)]
    pub(crate) tracing: Option<serde_json::Value>,
    /// What Lapwing adds.
    #[serde(default)]
    pub(crate) lapwing: super::extras::RawExtras,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Global {
    pub resolve_timeout: Option<String>,
    pub http_config: Option<HttpConfig>,
    pub smtp_from: Option<String>,
    pub smtp_hello: Option<String>,
    pub smtp_smarthost: Option<String>,
    pub smtp_auth_username: Option<String>,
    pub smtp_auth_password: Option<Secret>,
    pub smtp_auth_password_file: Option<String>,
    pub smtp_auth_secret: Option<Secret>,
    pub smtp_auth_secret_file: Option<String>,
    pub smtp_auth_identity: Option<String>,
    pub smtp_require_tls: Option<bool>,
    pub smtp_force_implicit_tls: Option<bool>,
    pub smtp_tls_config: Option<serde_json::Value>,
    pub slack_api_url: Option<Secret>,
    pub slack_api_url_file: Option<String>,
    pub slack_app_token: Option<Secret>,
    pub slack_app_token_file: Option<String>,
    pub slack_app_url: Option<String>,
    pub pagerduty_url: Option<String>,
    pub opsgenie_api_url: Option<String>,
    pub opsgenie_api_key: Option<Secret>,
    pub opsgenie_api_key_file: Option<String>,
    pub telegram_api_url: Option<String>,
    pub telegram_bot_token: Option<Secret>,
    pub telegram_bot_token_file: Option<String>,
    pub victorops_api_url: Option<String>,
    pub victorops_api_key: Option<Secret>,
    pub victorops_api_key_file: Option<String>,
    pub webex_api_url: Option<String>,
    pub wechat_api_url: Option<String>,
    pub wechat_api_secret: Option<Secret>,
    pub wechat_api_secret_file: Option<String>,
    pub wechat_api_corp_id: Option<String>,
    pub rocketchat_api_url: Option<String>,
    pub rocketchat_token: Option<Secret>,
    pub rocketchat_token_file: Option<String>,
    pub rocketchat_token_id: Option<Secret>,
    pub rocketchat_token_id_file: Option<String>,
    pub jira_api_url: Option<String>,
    pub mattermost_webhook_url: Option<Secret>,
    pub mattermost_webhook_url_file: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRoute {
    pub(crate) receiver: Option<String>,
    pub(crate) group_by: Option<Vec<String>>,
    pub(crate) group_wait: Option<String>,
    pub(crate) group_interval: Option<String>,
    pub(crate) repeat_interval: Option<String>,
    #[serde(default)]
    pub(crate) matchers: Vec<String>,
    #[serde(default, rename = "match")]
    pub(crate) match_: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) match_re: BTreeMap<String, String>,
    #[serde(default, rename = "continue")]
    pub(crate) continue_: bool,
    #[serde(default)]
    pub(crate) mute_time_intervals: Vec<String>,
    #[serde(default)]
    pub(crate) active_time_intervals: Vec<String>,
    #[serde(default)]
    pub(crate) routes: Vec<RawRoute>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawInhibitRule {
    pub(crate) name: Option<String>,
    pub(crate) source_match: BTreeMap<String, String>,
    pub(crate) source_match_re: BTreeMap<String, String>,
    pub(crate) source_matchers: Vec<String>,
    pub(crate) target_match: BTreeMap<String, String>,
    pub(crate) target_match_re: BTreeMap<String, String>,
    pub(crate) target_matchers: Vec<String>,
    pub(crate) equal: Vec<String>,
}
