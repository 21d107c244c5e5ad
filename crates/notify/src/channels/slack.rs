//! Slack: an incoming webhook, or a bot token with `chat.postMessage`.
//!
//! With a bot token and `update_message` the first page of a group posts and the later ones change that message; a graph of
//! value against threshold is put into its thread. How that talk goes is in `slack_talk`.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, HttpRequest, Judge, Outgoing};
use super::slack_talk::{Album, SlackEdit, SlackTalk, sibling};
use crate::config::{Global, Secret};
use crate::message::{Context, Continued};
use lapwing_types::format_duration_ms;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackConfig {
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<Secret>,
    #[serde(alias = "webhook_url_file")]
    pub api_url_file: Option<String>,
    pub app_url: Option<String>,
    #[serde(alias = "bot_token")]
    pub app_token: Option<Secret>,
    #[serde(alias = "bot_token_file")]
    pub app_token_file: Option<String>,
    pub channel: Option<String>,
    pub username: Option<String>,
    pub color: Option<String>,
    pub title: Option<String>,
    pub title_link: Option<String>,
    pub pretext: Option<String>,
    pub text: Option<String>,
    pub message_text: Option<String>,
    pub fields: Vec<SlackField>,
    pub short_fields: bool,
    pub footer: Option<String>,
    pub fallback: Option<String>,
    pub callback_id: Option<String>,
    pub icon_emoji: Option<String>,
    pub icon_url: Option<String>,
    pub image_url: Option<String>,
    pub thumb_url: Option<String>,
    pub link_names: bool,
    pub mrkdwn_in: Option<Vec<String>>,
    pub actions: Vec<SlackAction>,
    #[serde(alias = "edit_messages")]
    pub update_message: bool,
    /// Whether a graph goes into the thread of what a bot posts; it does unless this says no.
    pub graph: Option<bool>,
    pub timeout: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackField {
    pub title: String,
    pub value: String,
    pub short: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackAction {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: String,
    pub url: Option<String>,
    pub style: Option<String>,
    pub name: Option<String>,
    pub value: Option<String>,
    pub confirm: Option<SlackConfirm>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackConfirm {
    pub title: Option<String>,
    pub text: String,
    pub ok_text: Option<String>,
    pub dismiss_text: Option<String>,
}

/// What Slack takes in an attachment's title, in characters.
const TITLE_CHARS_MAX: usize = 1024;
const APP_URL: &str = "https://slack.com/api/chat.postMessage";
const COLOR: &str = r#"{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}"#;

impl SlackConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.api_url.is_none()
            && self.api_url_file.is_none()
            && self.app_token.is_none()
            && self.app_token_file.is_none()
        {
            self.api_url = global.slack_api_url.clone();
            self.api_url_file = global.slack_api_url_file.clone();
            self.app_token = global.slack_app_token.clone();
            self.app_token_file = global.slack_app_token_file.clone();
        }
        if self.app_url.is_none() {
            self.app_url = global.slack_app_url.clone();
        }
        let has_url = self.api_url.is_some() || self.api_url_file.is_some();
        if !has_url && !self.is_bot() {
            return Err("no Slack API URL nor app token set, here or globally".to_owned());
        }
        if self.update_message && (has_url || !self.is_bot()) {
            return Err("update_message needs a bot: an app_token (bot_token) and no api_url".to_owned());
        }
        if self.update_message
            && self
                .app_url
                .as_deref()
                .is_some_and(|u| sibling(u, "chat.update").is_none())
        {
            return Err("update_message needs an app_url that ends in chat.postMessage".to_owned());
        }
        for action in &self.actions {
            if action.kind.is_empty() || action.text.is_empty() {
                return Err("an action needs a type and a text".to_owned());
            }
        }
        http::check_timeout(self.timeout.as_deref())?;
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    fn is_bot(&self) -> bool {
        self.app_token.is_some() || self.app_token_file.is_some()
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let has_url = self.api_url.is_some() || self.api_url_file.is_some();
        let payload = self.payload(context);
        if has_url {
            let url = context.secret(self.api_url.as_ref(), self.api_url_file.as_deref())?;
            return Ok(Outgoing::Http(vec![self.request(context, &url, &payload)?]));
        }
        let url = self.app_url.as_deref().unwrap_or(APP_URL);
        let post = self.request(context, url, &payload)?;
        let continues = context
            .notification
            .continues
            .as_ref()
            .filter(|_| self.update_message);
        let edit = match (continues, sibling(url, "chat.update")) {
            (Some(continues), Some(update)) => {
                Some(self.edit(context, (url, &update), (payload, continues))?)
            }
            _ => None,
        };
        let has_album = self.wants_picture() && context.notification.is_firing();
        let album = (has_album && sibling(url, "").is_some()).then(|| Album {
            call: post.clone(),
            posted: None,
        });
        Ok(Outgoing::Slack(Box::new(SlackTalk { post, edit, album })))
    }

    pub(crate) fn wants_picture(&self) -> bool {
        self.is_bot() && self.api_url.is_none() && self.api_url_file.is_none() && self.graph != Some(false)
    }

    fn request(&self, context: &Context<'_>, url: &str, body: &Value) -> Result<HttpRequest, BuildError> {
        let mut request = post_json(context, url, body, self.http_config.as_ref())?;
        if self.is_bot() {
            let token = context.secret(self.app_token.as_ref(), self.app_token_file.as_deref())?;
            request
                .headers
                .push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        request.judge = Judge::Slack;
        request.timeout = http::timeout_of(self.timeout.as_deref());
        Ok(request)
    }

    /// The same message where it stands, and a word in its thread: what is new is shown in the channel too.
    fn edit(
        &self,
        context: &Context<'_>,
        (post_url, update_url): (&str, &str),
        (mut payload, continues): (Value, &Continued),
    ) -> Result<SlackEdit, BuildError> {
        let posted = continues.posted.clone();
        if let Some(payload) = payload.as_object_mut() {
            // Who speaks cannot be changed afterwards.
            for name in ["username", "icon_emoji", "icon_url"] {
                payload.remove(name);
            }
            payload.insert("channel".to_owned(), posted.place.as_str().into());
            payload.insert("ts".to_owned(), posted.id.as_str().into());
        }
        let is_over = !context.notification.is_firing();
        let note = if is_over || continues.has_news {
            let text = if is_over {
                over(context)
            } else {
                self.title(context)
            };
            let mut body = json!({ "channel": posted.place, "thread_ts": posted.id, "text": text });
            if !is_over {
                body["reply_broadcast"] = true.into();
            }
            let mut note = self.request(context, post_url, &body)?;
            note.is_extra = is_over;
            Some(note)
        } else {
            None
        };
        Ok(SlackEdit {
            posted,
            update: self.request(context, update_url, &payload)?,
            note,
        })
    }

    fn title(&self, context: &Context<'_>) -> String {
        let own = self.title.as_deref();
        let text = context.text(
            "title",
            own.unwrap_or(r#"{{ template "slack.default.title" . }}"#),
        );
        text.chars().take(TITLE_CHARS_MAX).collect()
    }

    fn payload(&self, context: &Context<'_>) -> Value {
        let text = |field: &str, own: &Option<String>, default: &str| {
            context.text(field, own.as_deref().unwrap_or(default))
        };
        let mut attachment = Map::new();
        attachment.insert("title".to_owned(), self.title(context).into());
        let optional = [
            (
                "title_link",
                &self.title_link,
                r#"{{ template "slack.default.titlelink" . }}"#,
            ),
            (
                "pretext",
                &self.pretext,
                r#"{{ template "slack.default.pretext" . }}"#,
            ),
            ("text", &self.text, r#"{{ template "slack.default.text" . }}"#),
            (
                "fallback",
                &self.fallback,
                r#"{{ template "slack.default.fallback" . }}"#,
            ),
            (
                "callback_id",
                &self.callback_id,
                r#"{{ template "slack.default.callbackid" . }}"#,
            ),
            (
                "footer",
                &self.footer,
                r#"{{ template "slack.default.footer" . }}"#,
            ),
            ("image_url", &self.image_url, ""),
            ("thumb_url", &self.thumb_url, ""),
            ("color", &self.color, COLOR),
        ];
        for (name, own, default) in optional {
            let value = text(name, own, default);
            if !value.is_empty() {
                attachment.insert(name.to_owned(), value.into());
            }
        }
        let marked = self
            .mrkdwn_in
            .clone()
            .unwrap_or_else(|| ["fallback", "pretext", "text"].map(str::to_owned).to_vec());
        attachment.insert("mrkdwn_in".to_owned(), json!(marked));
        if !self.fields.is_empty() {
            attachment.insert("fields".to_owned(), self.fields(context));
        }
        if !self.actions.is_empty() {
            attachment.insert("actions".to_owned(), self.actions(context));
        }
        let mut message = Map::new();
        let around = [
            ("channel", &self.channel, ""),
            (
                "username",
                &self.username,
                r#"{{ template "slack.default.username" . }}"#,
            ),
            (
                "icon_emoji",
                &self.icon_emoji,
                r#"{{ template "slack.default.iconemoji" . }}"#,
            ),
            (
                "icon_url",
                &self.icon_url,
                r#"{{ template "slack.default.iconurl" . }}"#,
            ),
            ("text", &self.message_text, ""),
        ];
        for (name, own, default) in around {
            let value = match name {
                "channel" => context.exact(name, own.as_deref().unwrap_or(default), ""),
                _ => text(name, own, default),
            };
            if !value.is_empty() {
                message.insert(name.to_owned(), value.into());
            }
        }
        if self.link_names {
            message.insert("link_names".to_owned(), true.into());
        }
        message.insert("attachments".to_owned(), json!([attachment]));
        Value::Object(message)
    }

    fn fields(&self, context: &Context<'_>) -> Value {
        self.fields
            .iter()
            .map(|f| {
                json!({
                    "title": context.text("fields.title", &f.title),
                    "value": context.text("fields.value", &f.value),
                    "short": f.short.unwrap_or(self.short_fields),
                })
            })
            .collect()
    }

    fn actions(&self, context: &Context<'_>) -> Value {
        self.actions
            .iter()
            .map(|a| {
                let mut action = Map::new();
                action.insert("type".to_owned(), context.text("actions.type", &a.kind).into());
                action.insert("text".to_owned(), context.text("actions.text", &a.text).into());
                // A button that leads somewhere has no more to say; the others are for Slack's interactive messages.
                let is_link = a.url.as_ref().is_some_and(|url| !url.is_empty());
                let of_message = |text: &Option<String>| text.clone().filter(|_| !is_link);
                for (name, value) in [
                    ("url", &a.url),
                    ("style", &a.style),
                    ("name", &of_message(&a.name)),
                    ("value", &of_message(&a.value)),
                ] {
                    if let Some(value) = value {
                        action.insert(name.to_owned(), context.text(name, value).into());
                    }
                }
                if let Some(c) = a.confirm.as_ref().filter(|_| !is_link) {
                    let text =
                        |t: &Option<String>| context.text("actions.confirm", t.as_deref().unwrap_or(""));
                    action.insert(
                        "confirm".to_owned(),
                        json!({"title": text(&c.title), "text": context.text("actions.confirm", &c.text),
                               "ok_text": text(&c.ok_text), "dismiss_text": text(&c.dismiss_text)}),
                    );
                }
                Value::Object(action)
            })
            .collect()
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let optional = [
            &self.channel,
            &self.username,
            &self.color,
            &self.title,
            &self.title_link,
            &self.pretext,
            &self.text,
            &self.message_text,
            &self.footer,
            &self.fallback,
            &self.callback_id,
            &self.icon_emoji,
            &self.icon_url,
            &self.image_url,
            &self.thumb_url,
        ];
        let mut all: Vec<&str> = optional.into_iter().flatten().map(String::as_str).collect();
        for field in &self.fields {
            all.extend([field.title.as_str(), field.value.as_str()]);
        }
        for action in &self.actions {
            all.push(&action.text);
            all.extend(action.url.as_deref());
        }
        all
    }
}

/// From the first beginning to the last end.
fn over(context: &Context<'_>) -> String {
    let alerts = &context.notification.alerts;
    let from = alerts.iter().map(|a| a.starts_at_ms).min().unwrap_or(0);
    let to = alerts.iter().filter_map(|a| a.ends_at_ms).max().unwrap_or(from);
    let whole_seconds_ms = (to - from).max(0) / 1000 * 1000;
    format!("Resolved after {}.", format_duration_ms(whole_seconds_ms))
}
