//! Microsoft Teams through a Power Automate workflow: one adaptive card.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::json;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamsConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub webhook_url: Option<Secret>,
    pub webhook_url_file: Option<String>,
    pub title: Option<String>,
    pub text: Option<String>,
}

impl TeamsConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.webhook_url.is_none() == self.webhook_url_file.is_none() {
            return Err("exactly one of webhook_url and webhook_url_file must be configured".to_owned());
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let url = context.secret(self.webhook_url.as_ref(), self.webhook_url_file.as_deref())?;
        let title = self
            .title
            .as_deref()
            .unwrap_or(r#"{{ template "msteamsv2.default.title" . }}"#);
        let text = self
            .text
            .as_deref()
            .unwrap_or(r#"{{ template "msteamsv2.default.text" . }}"#);
        let color = if context.notification.is_firing() {
            "attention"
        } else {
            "good"
        };
        let card = json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "msteams": { "width": "full" },
                    "body": [
                        { "type": "TextBlock", "weight": "Bolder", "size": "Medium", "wrap": true,
                          "style": "heading", "color": color, "text": context.text("title", title) },
                        { "type": "TextBlock", "wrap": true, "text": context.text("text", text) },
                    ],
                },
            }],
        });
        let request = post_json(context, &url, &card, self.http_config.as_ref())?;
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        [&self.title, &self.text]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }
}
