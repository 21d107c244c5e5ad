//! Webhook in Alertmanager's shape, version 4.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::{texts_of, yes};
use crate::config::{Global, Secret};
use crate::message::Context;
use lapwing_types::Labels;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub url: Option<Secret>,
    pub url_file: Option<String>,
    /// 0: all.
    #[serde(default)]
    pub max_alerts: usize,
    pub timeout: Option<String>,
    /// What is sent instead of Alertmanager's shape: texts in it are templates.
    pub payload: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload<'a> {
    receiver: &'a str,
    status: &'a str,
    alerts: Vec<AlertPayload<'a>>,
    group_labels: &'a Labels,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    #[serde(rename = "notification_reason")]
    notification_reason: &'a str,
    pub(super) version: &'a str,
    group_key: &'a str,
    truncated_alerts: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertPayload<'a> {
    status: &'a str,
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// Also what the signed webhook and the command say.
pub(super) fn payload<'a>(context: &'a Context<'_>, max_alerts: usize) -> Payload<'a> {
    let n = context.notification;
    let shown = if max_alerts == 0 {
        n.alerts.len()
    } else {
        max_alerts.min(n.alerts.len())
    };
    let alerts = n.alerts[..shown]
        .iter()
        .map(|alert| {
            let resolved = alert.is_resolved_at(n.now_ms);
            let ends_ms = alert.ends_at_ms.filter(|_| resolved);
            AlertPayload {
                status: if resolved { "resolved" } else { "firing" },
                labels: &alert.labels,
                annotations: &alert.annotations,
                starts_at: crate::message::rfc3339(alert.starts_at_ms),
                ends_at: crate::message::rfc3339(ends_ms.unwrap_or(crate::message::ZERO_TIME_MS)),
                generator_url: &alert.generator_url,
                fingerprint: alert.fingerprint().to_string(),
            }
        })
        .collect();
    Payload {
        receiver: &n.receiver,
        status: n.status(),
        alerts,
        group_labels: &n.group_labels,
        common_labels: n.common_labels(),
        common_annotations: n.common_annotations(),
        external_url: &n.external_url,
        notification_reason: n.notification_reason(),
        version: "4",
        group_key: &n.group_key,
        truncated_alerts: n.alerts.len() - shown,
    }
}

/// What a template makes of it is not known yet; nor is it told, for it may hold a secret.
fn check_url(text: &str) -> Result<(), String> {
    if text.contains("{{") {
        return Ok(());
    }
    let url = reqwest::Url::parse(text.trim()).map_err(|e| format!("url: {e}"))?;
    match url.scheme() {
        "http" | "https" => Ok(()),
        scheme => Err(format!("url: unsupported scheme {scheme:?}")),
    }
}

impl WebhookConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        match (&self.url, &self.url_file) {
            (None, None) => return Err("one of url or url_file must be configured".to_owned()),
            (Some(_), Some(_)) => return Err("at most one of url and url_file must be configured".to_owned()),
            _ => {}
        }
        if let Some(url) = &self.url {
            check_url(url.expose())?;
        }
        http::check_timeout(self.timeout.as_deref())?;
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let url = context.secret(self.url.as_ref(), self.url_file.as_deref())?;
        let url = context.exact("url", &url, &url);
        let http_config = self.http_config.as_ref();
        let mut request = match &self.payload {
            None => post_json(context, &url, &payload(context, self.max_alerts), http_config)?,
            Some(own) => post_json(context, &url, &context.typed("payload", own), http_config)?,
        };
        // Not in Alertmanager's shape, but harmless there: a receiver can tell a retry from a new page.
        let id = context.notification.id.clone();
        request.headers.push(("webhook-id".to_owned(), id));
        request.timeout = http::timeout_of(self.timeout.as_deref());
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let mut all = Vec::new();
        if let Some(payload) = &self.payload {
            texts_of(payload, &mut all);
        }
        all
    }
}
