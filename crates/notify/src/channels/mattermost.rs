//! Mattermost's incoming webhook: text and Slack-shaped attachments.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::{texts_of, yes};
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MattermostConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub webhook_url: Option<Secret>,
    pub webhook_url_file: Option<String>,
    pub channel: Option<String>,
    pub username: Option<String>,
    pub text: Option<String>,
    pub icon_url: Option<String>,
    pub icon_emoji: Option<String>,
    #[serde(default)]
    pub attachments: Vec<Map<String, Value>>,
}

impl MattermostConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.webhook_url.is_none() && self.webhook_url_file.is_none() {
            self.webhook_url = global.mattermost_webhook_url.clone();
            self.webhook_url_file = global.mattermost_webhook_url_file.clone();
        }
        if self.webhook_url.is_none() && self.webhook_url_file.is_none() {
            return Err("no Mattermost webhook URL set, here or globally".to_owned());
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let url = context.secret(self.webhook_url.as_ref(), self.webhook_url_file.as_deref())?;
        let text = self
            .text
            .as_deref()
            .unwrap_or(r#"{{ template "mattermost.default.text" . }}"#);
        let mut body = Map::new();
        body.insert("text".to_owned(), context.text("text", text).into());
        let around = [
            ("channel", &self.channel),
            ("username", &self.username),
            ("icon_url", &self.icon_url),
            ("icon_emoji", &self.icon_emoji),
        ];
        for (name, own) in around {
            if let Some(own) = own {
                body.insert(name.to_owned(), context.exact(name, own, "").into());
            }
        }
        if !self.attachments.is_empty() {
            let made: Vec<Value> = self
                .attachments
                .iter()
                .map(|a| {
                    let fields = a
                        .iter()
                        .map(|(name, value)| (name.clone(), context.json(name, value)));
                    Value::Object(fields.collect())
                })
                .collect();
            body.insert("attachments".to_owned(), json!(made));
        }
        let request = post_json(context, &url, &Value::Object(body), self.http_config.as_ref())?;
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.text.iter().map(String::as_str).collect();
        let attachments = self.attachments.iter().flat_map(Map::values);
        attachments.for_each(|value| texts_of(value, &mut all));
        all
    }
}
