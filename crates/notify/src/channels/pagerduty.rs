//! PagerDuty Events v2. `dedup_key` is the group's, so that a resend does not open a second incident.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::texts_of;
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerdutyConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub routing_key: Option<Secret>,
    pub routing_key_file: Option<String>,
    pub service_key: Option<Secret>,
    pub service_key_file: Option<String>,
    pub url: Option<String>,
    pub client: Option<String>,
    pub client_url: Option<String>,
    pub description: Option<String>,
    #[serde(default)]
    pub details: BTreeMap<String, Value>,
    #[serde(default)]
    pub images: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    pub links: Vec<BTreeMap<String, String>>,
    pub source: Option<String>,
    pub severity: Option<String>,
    pub class: Option<String>,
    pub component: Option<String>,
    pub group: Option<String>,
    pub timeout: Option<String>,
}

const URL: &str = "https://events.pagerduty.com/v2/enqueue";
const SUMMARY_CHARS_MAX: usize = 1024;

impl PagerdutyConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        let keys = [
            self.routing_key.is_some() || self.routing_key_file.is_some(),
            self.service_key.is_some() || self.service_key_file.is_some(),
        ];
        match keys {
            [false, false] => return Err("missing service or routing key in PagerDuty config".to_owned()),
            [false, true] => {
                // The Events v1 API is gone; its integration keys work with v2.
                self.routing_key = self.service_key.take();
                self.routing_key_file = self.service_key_file.take();
            }
            _ => {}
        }
        if self.url.is_none() {
            self.url = global.pagerduty_url.clone();
        }
        http::check_timeout(self.timeout.as_deref())?;
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let n = context.notification;
        let key = context.secret(self.routing_key.as_ref(), self.routing_key_file.as_deref())?;
        let mut event = Map::new();
        event.insert(
            "routing_key".to_owned(),
            context.exact("routing_key", &key, &key).into(),
        );
        event.insert("dedup_key".to_owned(), dedup_key(&n.group_key).into());
        event.insert(
            "event_action".to_owned(),
            if n.is_firing() { "trigger" } else { "resolve" }.into(),
        );
        let text = |name: &str, own: &Option<String>, default: &str| {
            context.text(name, own.as_deref().unwrap_or(default))
        };
        event.insert(
            "client".to_owned(),
            text(
                "client",
                &self.client,
                r#"{{ template "pagerduty.default.client" . }}"#,
            )
            .into(),
        );
        event.insert(
            "client_url".to_owned(),
            text(
                "client_url",
                &self.client_url,
                r#"{{ template "pagerduty.default.clientURL" . }}"#,
            )
            .into(),
        );
        event.insert("payload".to_owned(), self.payload(context));
        for (name, list) in [("links", &self.links), ("images", &self.images)] {
            let made = items(context, name, list);
            if !made.is_empty() {
                event.insert(name.to_owned(), made.into());
            }
        }
        let url = self.url.clone().unwrap_or_else(|| URL.to_owned());
        let mut request = post_json(context, &url, &Value::Object(event), self.http_config.as_ref())?;
        request.timeout = http::timeout_of(self.timeout.as_deref());
        Ok(Outgoing::Http(vec![request]))
    }

    fn payload(&self, context: &Context<'_>) -> Value {
        let n = context.notification;
        let text = |name: &str, own: &Option<String>, default: &str| {
            context.text(name, own.as_deref().unwrap_or(default))
        };
        let summary = text(
            "description",
            &self.description,
            r#"{{ template "pagerduty.default.description" . }}"#,
        );
        let severity = match &self.severity {
            Some(template) => context.exact("severity", template, "error").to_lowercase(),
            None => n.severity().as_str().to_owned(),
        };
        let severity = match severity.as_str() {
            "emergency" | "page" => "critical",
            known @ ("critical" | "error" | "warning" | "info") => known,
            _ => "error",
        };
        let mut payload = Map::new();
        let summary: String = summary.chars().take(SUMMARY_CHARS_MAX).collect();
        payload.insert("summary".to_owned(), summary.into());
        payload.insert(
            "source".to_owned(),
            text(
                "source",
                &self.source,
                r#"{{ template "pagerduty.default.client" . }}"#,
            )
            .into(),
        );
        payload.insert("severity".to_owned(), severity.into());
        let first = n.alerts.iter().map(|a| a.starts_at_ms).min().unwrap_or(n.now_ms);
        payload.insert("timestamp".to_owned(), crate::message::rfc3339(first).into());
        for (name, own) in [
            ("class", &self.class),
            ("component", &self.component),
            ("group", &self.group),
        ] {
            if let Some(own) = own {
                payload.insert(name.to_owned(), context.text(name, own).into());
            }
        }
        payload.insert("custom_details".to_owned(), self.details(context));
        Value::Object(payload)
    }

    fn details(&self, context: &Context<'_>) -> Value {
        let mut details = Map::new();
        let defaults = [
            (
                "firing",
                r#"{{ template "pagerduty.default.instances" .Alerts.Firing }}"#,
            ),
            (
                "resolved",
                r#"{{ template "pagerduty.default.instances" .Alerts.Resolved }}"#,
            ),
            ("num_firing", "{{ .Alerts.Firing | len }}"),
            ("num_resolved", "{{ .Alerts.Resolved | len }}"),
        ];
        for (name, template) in defaults {
            details.insert(name.to_owned(), context.text(name, template).into());
        }
        for (name, value) in &self.details {
            details.insert(name.clone(), context.json(name, value));
        }
        Value::Object(details)
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let optional = [
            &self.client,
            &self.client_url,
            &self.description,
            &self.source,
            &self.severity,
            &self.class,
            &self.component,
            &self.group,
        ];
        let mut all: Vec<&str> = optional.into_iter().flatten().map(String::as_str).collect();
        self.details.values().for_each(|value| texts_of(value, &mut all));
        all
    }
}

fn items(context: &Context<'_>, name: &str, list: &[BTreeMap<String, String>]) -> Vec<Value> {
    list.iter()
        .map(|item| {
            let fields = item
                .iter()
                .map(|(k, v)| (k.clone(), json!(context.text(name, v))));
            Value::Object(fields.collect())
        })
        .collect()
}

/// Alertmanager's own: the SHA-256 of the group key, so that taking over resolves what it opened.
fn dedup_key(group_key: &str) -> String {
    Sha256::digest(group_key.as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}
