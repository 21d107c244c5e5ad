//! Discord webhook: one embed, cut to Discord's limits.

use super::http::{self, HttpConfig, post_json};
use super::multipart::Form;
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscordConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub webhook_url: Option<Secret>,
    pub webhook_url_file: Option<String>,
    pub title: Option<String>,
    pub message: Option<String>,
    pub content: Option<String>,
    pub username: Option<String>,
    pub avatar_url: Option<String>,
    /// Whether a graph stands in the embed; it does unless this says no.
    pub graph: Option<bool>,
}

const TITLE_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 4096;
const CONTENT_CHARS_MAX: usize = 2000;
const RED: u32 = 0x992D22;
const GREEN: u32 = 0x2ECC71;

impl DiscordConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.webhook_url.is_none() == self.webhook_url_file.is_none() {
            return Err("exactly one of webhook_url and webhook_url_file must be configured".to_owned());
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let url = context.secret(self.webhook_url.as_ref(), self.webhook_url_file.as_deref())?;
        let cut = |field: &str, own: &Option<String>, default: &str, most: usize| -> String {
            let text = context.text(field, own.as_deref().unwrap_or(default));
            text.chars().take(most).collect()
        };
        let title = cut(
            "title",
            &self.title,
            r#"{{ template "discord.default.title" . }}"#,
            TITLE_CHARS_MAX,
        );
        let description = cut(
            "message",
            &self.message,
            r#"{{ template "discord.default.message" . }}"#,
            DESCRIPTION_CHARS_MAX,
        );
        let content = cut("content", &self.content, "", CONTENT_CHARS_MAX);
        let color = if context.notification.is_firing() {
            RED
        } else {
            GREEN
        };
        let mut body = Map::new();
        body.insert("content".to_owned(), content.into());
        let mut embed = json!({ "title": title, "description": description, "color": color });
        if context.notification.picture.is_some() {
            embed["image"] = json!({ "url": "attachment://graph.png" });
        }
        body.insert("embeds".to_owned(), json!([embed]));
        for (name, own) in [("username", &self.username), ("avatar_url", &self.avatar_url)] {
            if let Some(own) = own {
                body.insert(name.to_owned(), context.exact(name, own, "").into());
            }
        }
        let body = Value::Object(body);
        let mut request = post_json(context, &url, &body, self.http_config.as_ref())?;
        if let Some(picture) = &context.notification.picture {
            Form::around(&picture.png)
                .field("payload_json", &body.to_string())
                .png("files[0]", "graph.png", &picture.png)
                .put_into(&mut request);
        }
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let optional = [
            &self.title,
            &self.message,
            &self.content,
            &self.username,
            &self.avatar_url,
        ];
        optional.into_iter().flatten().map(String::as_str).collect()
    }
}
