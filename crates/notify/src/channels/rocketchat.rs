//! Rocket.Chat: `chat.postMessage` with a user id and a token.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::slack::SlackField;
use super::texts_of;
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RocketchatConfig {
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<String>,
    pub channel: Option<String>,
    pub token: Option<Secret>,
    pub token_file: Option<String>,
    pub token_id: Option<Secret>,
    pub token_id_file: Option<String>,
    pub color: Option<String>,
    pub title: Option<String>,
    pub title_link: Option<String>,
    pub text: Option<String>,
    pub emoji: Option<String>,
    pub icon_url: Option<String>,
    pub image_url: Option<String>,
    pub thumb_url: Option<String>,
    pub fields: Vec<SlackField>,
    pub short_fields: bool,
    pub link_names: bool,
    pub actions: Vec<Value>,
}

const COLOR: &str = r#"{{ if eq .Status "firing" }}red{{ else }}green{{ end }}"#;

impl RocketchatConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.token.is_none() && self.token_file.is_none() {
            self.token = global.rocketchat_token.clone();
            self.token_file = global.rocketchat_token_file.clone();
        }
        if self.token_id.is_none() && self.token_id_file.is_none() {
            self.token_id = global.rocketchat_token_id.clone();
            self.token_id_file = global.rocketchat_token_id_file.clone();
        }
        let has_token = self.token.is_some() || self.token_file.is_some();
        if !has_token || (self.token_id.is_none() && self.token_id_file.is_none()) {
            return Err("no Rocket.Chat token and token id set, here or globally".to_owned());
        }
        if self.api_url.is_none() {
            self.api_url = global.rocketchat_api_url.clone();
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let text = |name: &str, own: &Option<String>, default: &str| {
            context.text(name, own.as_deref().unwrap_or(default))
        };
        let mut attachment = Map::new();
        let parts = [
            (
                "title",
                &self.title,
                r#"{{ template "rocketchat.default.title" . }}"#,
            ),
            (
                "title_link",
                &self.title_link,
                r#"{{ template "rocketchat.default.titlelink" . }}"#,
            ),
            (
                "text",
                &self.text,
                r#"{{ template "rocketchat.default.text" . }}"#,
            ),
            ("color", &self.color, COLOR),
            ("image_url", &self.image_url, ""),
            ("thumb_url", &self.thumb_url, ""),
        ];
        for (name, own, default) in parts {
            let value = text(name, own, default);
            if !value.is_empty() {
                attachment.insert(name.to_owned(), value.into());
            }
        }
        if !self.fields.is_empty() {
            let fields: Vec<Value> = self
                .fields
                .iter()
                .map(|f| {
                    json!({
                        "title": context.text("fields.title", &f.title),
                        "value": context.text("fields.value", &f.value),
                        "short": f.short.unwrap_or(self.short_fields),
                    })
                })
                .collect();
            attachment.insert("fields".to_owned(), fields.into());
        }
        if !self.actions.is_empty() {
            let actions: Vec<Value> = self.actions.iter().map(|a| context.json("actions", a)).collect();
            attachment.insert("actions".to_owned(), actions.into());
        }
        let mut body = Map::new();
        for (name, own) in [
            ("channel", &self.channel),
            ("emoji", &self.emoji),
            ("avatar", &self.icon_url),
        ] {
            if let Some(own) = own {
                body.insert(name.to_owned(), context.exact(name, own, "").into());
            }
        }
        body.insert("attachments".to_owned(), json!([attachment]));
        let base = self
            .api_url
            .as_deref()
            .unwrap_or("https://open.rocket.chat/")
            .trim_end_matches('/');
        let url = format!("{base}/api/v1/chat.postMessage");
        let mut request = post_json(context, &url, &Value::Object(body), self.http_config.as_ref())?;
        let token = context.secret(self.token.as_ref(), self.token_file.as_deref())?;
        let id = context.secret(self.token_id.as_ref(), self.token_id_file.as_deref())?;
        request.headers.push(("x-auth-token".to_owned(), token));
        request.headers.push(("x-user-id".to_owned(), id));
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let optional = [
            &self.channel,
            &self.color,
            &self.title,
            &self.title_link,
            &self.text,
        ];
        let mut all: Vec<&str> = optional.into_iter().flatten().map(String::as_str).collect();
        for field in &self.fields {
            all.extend([field.title.as_str(), field.value.as_str()]);
        }
        self.actions.iter().for_each(|action| texts_of(action, &mut all));
        all
    }
}
