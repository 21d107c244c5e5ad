//! Microsoft Teams through an incoming webhook connector of old: a MessageCard.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::json;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamsV1Config {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub webhook_url: Option<Secret>,
    pub webhook_url_file: Option<String>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub text: Option<String>,
}

impl TeamsV1Config {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.webhook_url.is_none() == self.webhook_url_file.is_none() {
            return Err("exactly one of webhook_url and webhook_url_file must be configured".to_owned());
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let url = context.secret(self.webhook_url.as_ref(), self.webhook_url_file.as_deref())?;
        let text = |name: &str, own: &Option<String>, default: &str| {
            context.text(name, own.as_deref().unwrap_or(default))
        };
        let color = if context.notification.is_firing() {
            "8C1A1A"
        } else {
            "2DC72D"
        };
        let card = json!({
            "@context": "http://schema.org/extensions",
            "@type": "MessageCard",
            "title": text("title", &self.title, r#"{{ template "msteams.default.title" . }}"#),
            "summary": text("summary", &self.summary, r#"{{ template "msteams.default.summary" . }}"#),
            "text": text("text", &self.text, r#"{{ template "msteams.default.text" . }}"#),
            "themeColor": color,
        });
        let request = post_json(context, &url, &card, self.http_config.as_ref())?;
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let optional = [&self.title, &self.summary, &self.text];
        optional.into_iter().flatten().map(String::as_str).collect()
    }
}
