//! Telegram bot: `sendMessage`, cut to what Telegram takes, and a graph after it with `sendPhoto`.

use super::http::{self, HttpConfig, post_json};
use super::multipart::Form;
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<String>,
    #[serde(alias = "token")]
    pub bot_token: Option<Secret>,
    #[serde(alias = "token_file")]
    pub bot_token_file: Option<String>,
    #[serde(alias = "chat")]
    pub chat_id: Option<i64>,
    pub chat_id_file: Option<String>,
    pub message_thread_id: Option<i64>,
    pub message: Option<String>,
    #[serde(default)]
    pub disable_notifications: bool,
    pub parse_mode: Option<String>,
    /// Whether a graph follows the message; it does unless this says no.
    pub graph: Option<bool>,
}

const TEXT_CHARS_MAX: usize = 4096;
const CAPTION_CHARS_MAX: usize = 1024;

impl TelegramConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.bot_token.is_none() && self.bot_token_file.is_none() {
            self.bot_token = global.telegram_bot_token.clone();
            self.bot_token_file = global.telegram_bot_token_file.clone();
        }
        if self.bot_token.is_none() && self.bot_token_file.is_none() {
            return Err("missing bot_token or bot_token_file on telegram_config".to_owned());
        }
        if self.chat_id.is_none_or(|id| id == 0) && self.chat_id_file.is_none() {
            return Err("missing chat_id or chat_id_file on telegram_config".to_owned());
        }
        if let Some(mode) = &self.parse_mode
            && !["", "Markdown", "MarkdownV2", "HTML"].contains(&mode.as_str())
        {
            return Err(format!(
                "unknown parse_mode {mode:?}, must be Markdown, MarkdownV2, HTML or empty"
            ));
        }
        if self.api_url.is_none() {
            self.api_url = global.telegram_api_url.clone();
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let token = context.secret(self.bot_token.as_ref(), self.bot_token_file.as_deref())?;
        let base = self
            .api_url
            .as_deref()
            .unwrap_or("https://api.telegram.org")
            .trim_end_matches('/');
        let chat: Value = match self.chat_id.filter(|id| *id != 0) {
            Some(id) => id.into(),
            None => context.secret(None, self.chat_id_file.as_deref())?.into(),
        };
        let template = self
            .message
            .as_deref()
            .unwrap_or(r#"{{ template "telegram.default.message" . }}"#);
        let mode = self.parse_mode.as_deref().unwrap_or("HTML");
        let is_html = mode == "HTML";
        let text = if is_html {
            context.html("message", template)
        } else {
            context.text("message", template)
        };
        let text: String = text.chars().take(TEXT_CHARS_MAX).collect();
        let mut body = Map::new();
        body.insert("chat_id".to_owned(), chat);
        body.insert("text".to_owned(), text.into());
        body.insert("disable_web_page_preview".to_owned(), true.into());
        if self.disable_notifications {
            body.insert("disable_notification".to_owned(), true.into());
        }
        // A text whose template failed is no valid markup.
        if !mode.is_empty() && context.failures().is_empty() {
            body.insert("parse_mode".to_owned(), mode.into());
        }
        if let Some(thread) = self.message_thread_id.filter(|t| *t != 0) {
            body.insert("message_thread_id".to_owned(), thread.into());
        }
        let body = Value::Object(body);
        let url = |method: &str| format!("{base}/bot{token}/{method}");
        let mut requests = vec![post_json(
            context,
            &url("sendMessage"),
            &body,
            self.http_config.as_ref(),
        )?];
        if let Some(picture) = &context.notification.picture {
            let mut photo = post_json(context, &url("sendPhoto"), &body, self.http_config.as_ref())?;
            let mut form = Form::around(&picture.png).field("disable_notification", "true");
            for name in ["chat_id", "message_thread_id"] {
                form = match &body[name] {
                    Value::Null => form,
                    Value::String(text) => form.field(name, text),
                    other => form.field(name, &other.to_string()),
                };
            }
            let caption: String = picture.text.chars().take(CAPTION_CHARS_MAX).collect();
            form.field("caption", &caption)
                .png("photo", "graph.png", &picture.png)
                .put_into(&mut photo);
            photo.is_extra = true;
            requests.push(photo);
        }
        Ok(Outgoing::Http(requests))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        self.message.iter().map(String::as_str).collect()
    }
}
