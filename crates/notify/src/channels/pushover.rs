//! Pushover: one message, cut to Pushover's limits; an emergency repeats until it is acknowledged there.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use lapwing_types::parse_go_duration_ms;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushoverConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub user_key: Option<Secret>,
    pub user_key_file: Option<String>,
    pub token: Option<Secret>,
    pub token_file: Option<String>,
    pub title: Option<String>,
    pub message: Option<String>,
    pub url: Option<String>,
    pub url_title: Option<String>,
    pub device: Option<String>,
    pub sound: Option<String>,
    pub priority: Option<String>,
    pub retry: Option<String>,
    pub expire: Option<String>,
    pub ttl: Option<String>,
    #[serde(default)]
    pub html: bool,
    #[serde(default)]
    pub monospace: bool,
}

const URL: &str = "https://api.pushover.net/1/messages.json";
const TITLE_CHARS_MAX: usize = 250;
const MESSAGE_CHARS_MAX: usize = 1024;

impl PushoverConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.user_key.is_none() == self.user_key_file.is_none() {
            return Err("exactly one of user_key and user_key_file must be configured".to_owned());
        }
        if self.token.is_none() == self.token_file.is_none() {
            return Err("exactly one of token and token_file must be configured".to_owned());
        }
        for text in [&self.retry, &self.expire, &self.ttl].into_iter().flatten() {
            parse_go_duration_ms(text).map_err(|e| e.to_string())?;
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let text = |field: &str, own: &Option<String>, default: &str, most: usize| -> String {
            let said = context.text(field, own.as_deref().unwrap_or(default));
            said.chars().take(most).collect()
        };
        let seconds = |own: &Option<String>, default_ms: i64| {
            let ms = own.as_deref().and_then(|t| parse_go_duration_ms(t).ok());
            ms.unwrap_or(default_ms) / 1000
        };
        let firing = context.notification.is_firing();
        let default_priority = if firing { "2" } else { "0" };
        let priority = match &self.priority {
            Some(template) => context.exact("priority", template, default_priority),
            None => default_priority.to_owned(),
        };
        let mut body = Map::new();
        let token = context.secret(self.token.as_ref(), self.token_file.as_deref())?;
        let user = context.secret(self.user_key.as_ref(), self.user_key_file.as_deref())?;
        body.insert("token".to_owned(), token.into());
        body.insert("user".to_owned(), user.into());
        let title = text(
            "title",
            &self.title,
            r#"{{ template "pushover.default.title" . }}"#,
            TITLE_CHARS_MAX,
        );
        body.insert("title".to_owned(), title.into());
        let message = text(
            "message",
            &self.message,
            r#"{{ template "pushover.default.message" . }}"#,
            MESSAGE_CHARS_MAX,
        );
        // An empty message is refused.
        let message = if message.trim().is_empty() {
            "(no details)".to_owned()
        } else {
            message
        };
        body.insert("message".to_owned(), message.into());
        let url = text(
            "url",
            &self.url,
            r#"{{ template "pushover.default.url" . }}"#,
            512,
        );
        body.insert("url".to_owned(), url.into());
        for (name, own) in [
            ("url_title", &self.url_title),
            ("device", &self.device),
            ("sound", &self.sound),
        ] {
            if let Some(own) = own {
                body.insert(name.to_owned(), context.exact(name, own, "").into());
            }
        }
        if priority == "2" {
            body.insert("retry".to_owned(), seconds(&self.retry, 60_000).max(30).into());
            body.insert("expire".to_owned(), seconds(&self.expire, 3_600_000).into());
        }
        body.insert("priority".to_owned(), priority.into());
        if self.ttl.is_some() {
            body.insert("ttl".to_owned(), seconds(&self.ttl, 0).into());
        }
        if self.html || self.monospace {
            let key = if self.html { "html" } else { "monospace" };
            body.insert(key.to_owned(), 1.into());
        }
        let request = post_json(context, URL, &Value::Object(body), self.http_config.as_ref())?;
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let optional = [
            &self.title,
            &self.message,
            &self.url,
            &self.url_title,
            &self.priority,
        ];
        optional.into_iter().flatten().map(String::as_str).collect()
    }
}
