//! VictorOps, now Splunk On-Call: the entity is the group's, so that a resend is the same incident.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VictoropsConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub api_key: Option<Secret>,
    pub api_key_file: Option<String>,
    pub api_url: Option<String>,
    #[serde(default)]
    pub routing_key: String,
    pub message_type: Option<String>,
    pub entity_display_name: Option<String>,
    pub state_message: Option<String>,
    pub monitoring_tool: Option<String>,
    #[serde(default)]
    pub custom_fields: BTreeMap<String, String>,
}

const URL: &str = "https://alert.victorops.com/integrations/generic/20131114/alert/";

impl VictoropsConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.routing_key.is_empty() {
            return Err("missing routing key in VictorOps config".to_owned());
        }
        if self.api_key.is_none() && self.api_key_file.is_none() {
            self.api_key = global.victorops_api_key.clone();
            self.api_key_file = global.victorops_api_key_file.clone();
        }
        if self.api_key.is_none() && self.api_key_file.is_none() {
            return Err("no VictorOps API key set, here or globally".to_owned());
        }
        if self.api_url.is_none() {
            self.api_url = global.victorops_api_url.clone();
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let n = context.notification;
        let text = |name: &str, own: &Option<String>, default: &str| {
            context.text(name, own.as_deref().unwrap_or(default))
        };
        let kind = match (n.is_firing(), &self.message_type) {
            (false, _) => "RECOVERY".to_owned(),
            (true, Some(own)) => context.exact("message_type", own, "CRITICAL"),
            (true, None) => "CRITICAL".to_owned(),
        };
        let entity: String = Sha256::digest(n.group_key.as_bytes())
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let mut body = Map::new();
        for (name, template) in &self.custom_fields {
            body.insert(name.clone(), context.text(name, template).into());
        }
        body.insert("message_type".to_owned(), kind.into());
        body.insert("entity_id".to_owned(), entity.into());
        let fields = [
            (
                "entity_display_name",
                &self.entity_display_name,
                r#"{{ template "victorops.default.entity_display_name" . }}"#,
            ),
            (
                "state_message",
                &self.state_message,
                r#"{{ template "victorops.default.state_message" . }}"#,
            ),
            (
                "monitoring_tool",
                &self.monitoring_tool,
                r#"{{ template "victorops.default.monitoring_tool" . }}"#,
            ),
        ];
        for (name, own, default) in fields {
            body.insert(name.to_owned(), text(name, own, default).into());
        }
        let key = context.secret(self.api_key.as_ref(), self.api_key_file.as_deref())?;
        let routing_key = context.exact("routing_key", &self.routing_key, &self.routing_key);
        let base = self.api_url.as_deref().unwrap_or(URL).trim_end_matches('/');
        let url = format!("{base}/{key}/{routing_key}");
        let request = post_json(context, &url, &Value::Object(body), self.http_config.as_ref())?;
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let optional = [
            &self.entity_display_name,
            &self.state_message,
            &self.monitoring_tool,
        ];
        let mut all: Vec<&str> = optional.into_iter().flatten().map(String::as_str).collect();
        all.extend(self.custom_fields.values().map(String::as_str));
        all
    }
}
