//! Mattermost's incoming webhook: text and Slack-shaped attachments.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::{texts_of, yes};
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// More than this Mattermost does not take.
const TEXT_CHARS_MAX: usize = 16_383;

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
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub props: Option<Props>,
    pub priority: Option<Priority>,
    // Of the one attachment that Alertmanager's file may describe without a list.
    pub fallback: Option<String>,
    pub color: Option<String>,
    pub pretext: Option<String>,
    pub author_name: Option<String>,
    pub author_link: Option<String>,
    pub author_icon: Option<String>,
    pub title: Option<String>,
    pub title_link: Option<String>,
    #[serde(default)]
    pub fields: Vec<Map<String, Value>>,
    pub thumb_url: Option<String>,
    pub footer: Option<String>,
    pub footer_icon: Option<String>,
    pub image_url: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Props {
    pub card: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Priority {
    pub priority: String,
    pub requested_ack: bool,
    pub persistent_notifications: bool,
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
        let mut body = Map::new();
        let attachments = if self.attachments.is_empty() {
            vec![self.only_attachment(context)]
        } else {
            body.insert("text".to_owned(), self.words(context).into());
            self.attachments.iter().map(|a| rendered(context, a)).collect()
        };
        body.insert("attachments".to_owned(), json!(attachments));
        let around = [
            ("channel", &self.channel, ""),
            (
                "username",
                &self.username,
                r#"{{ template "mattermost.default.username" . }}"#,
            ),
            ("icon_url", &self.icon_url, ""),
            ("icon_emoji", &self.icon_emoji, ""),
            ("type", &self.kind, ""),
        ];
        for (name, own, default) in around {
            let value = context.exact(name, own.as_deref().unwrap_or(default), "");
            if !value.is_empty() {
                body.insert(name.to_owned(), value.into());
            }
        }
        if let Some(card) = self.props.as_ref().and_then(|p| p.card.as_deref()) {
            body.insert("props".to_owned(), json!({ "card": context.text("card", card) }));
        }
        if let Some(priority) = self.priority.as_ref().filter(|p| !p.priority.is_empty()) {
            body.insert("priority".to_owned(), urgency(context, priority));
        }
        let request = post_json(context, &url, &Value::Object(body), self.http_config.as_ref())?;
        Ok(Outgoing::Http(vec![request]))
    }

    fn words(&self, context: &Context<'_>) -> String {
        let own = self.text.as_deref();
        let text = context.text(
            "text",
            own.unwrap_or(r#"{{ template "mattermost.default.text" . }}"#),
        );
        text.chars().take(TEXT_CHARS_MAX).collect()
    }

    /// What the receiver itself describes, where it has no list of attachments.
    fn only_attachment(&self, context: &Context<'_>) -> Value {
        let mut attachment = Map::new();
        attachment.insert("text".to_owned(), self.words(context).into());
        for (name, own, default) in self.parts() {
            let value = context.text(name, own.unwrap_or(default));
            if !value.is_empty() {
                attachment.insert(name.to_owned(), value.into());
            }
        }
        if !self.fields.is_empty() {
            let fields: Vec<Value> = self.fields.iter().map(|f| rendered(context, f)).collect();
            attachment.insert("fields".to_owned(), fields.into());
        }
        Value::Object(attachment)
    }

    /// The name of each part, what was typed for it, and what it is otherwise.
    fn parts(&self) -> [(&'static str, Option<&str>, &'static str); 12] {
        [
            (
                "fallback",
                self.fallback.as_deref(),
                r#"{{ template "mattermost.default.fallback" . }}"#,
            ),
            (
                "color",
                self.color.as_deref(),
                r#"{{ template "mattermost.default.color" . }}"#,
            ),
            ("pretext", self.pretext.as_deref(), ""),
            ("author_name", self.author_name.as_deref(), ""),
            ("author_link", self.author_link.as_deref(), ""),
            ("author_icon", self.author_icon.as_deref(), ""),
            (
                "title",
                self.title.as_deref(),
                r#"{{ template "mattermost.default.title" . }}"#,
            ),
            (
                "title_link",
                self.title_link.as_deref(),
                r#"{{ template "mattermost.default.titlelink" . }}"#,
            ),
            ("thumb_url", self.thumb_url.as_deref(), ""),
            ("footer", self.footer.as_deref(), ""),
            ("footer_icon", self.footer_icon.as_deref(), ""),
            ("image_url", self.image_url.as_deref(), ""),
        ]
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let around = [&self.text, &self.channel, &self.username, &self.kind];
        let mut all: Vec<&str> = around.into_iter().flatten().map(String::as_str).collect();
        all.extend(self.parts().into_iter().filter_map(|(_, own, _)| own));
        all.extend(self.props.as_ref().and_then(|p| p.card.as_deref()));
        let lists = self.attachments.iter().chain(&self.fields);
        lists
            .flat_map(Map::values)
            .for_each(|value| texts_of(value, &mut all));
        all
    }
}

fn rendered(context: &Context<'_>, item: &Map<String, Value>) -> Value {
    let fields = item
        .iter()
        .map(|(name, value)| (name.clone(), context.json(name, value)));
    Value::Object(fields.collect())
}

/// Mattermost takes an acknowledgement only of what matters, and repeats only what is urgent.
fn urgency(context: &Context<'_>, priority: &Priority) -> Value {
    let word = context
        .exact("priority", &priority.priority, "standard")
        .to_lowercase();
    let word = match word.as_str() {
        known @ ("urgent" | "important") => known,
        _ => "standard",
    };
    let mut made = Map::new();
    made.insert("priority".to_owned(), word.into());
    if priority.requested_ack && word != "standard" {
        made.insert("requested_ack".to_owned(), true.into());
    }
    if priority.persistent_notifications && word == "urgent" {
        made.insert("persistent_notifications".to_owned(), true.into());
    }
    Value::Object(made)
}
