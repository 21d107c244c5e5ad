//! Webex: a markdown message into a room; the bot's token stands in `http_config.authorization`.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::Global;
use crate::message::Context;
use serde::Deserialize;
use serde_json::json;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebexConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<String>,
    #[serde(default)]
    pub room_id: String,
    pub message: Option<String>,
}

const URL: &str = "https://webexapis.com/v1/messages";
/// Webex takes 7439 bytes.
const BYTES_MAX: usize = 7439;

impl WebexConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.room_id.is_empty() {
            return Err("missing room_id on webex_config".to_owned());
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        let client = self.http_config.as_ref();
        if client.is_none_or(|h| h.authorization.is_none()) {
            return Err("missing webex_configs.http_config.authorization".to_owned());
        }
        if self.api_url.is_none() {
            self.api_url = global.webex_api_url.clone();
        }
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let template = self
            .message
            .as_deref()
            .unwrap_or(r#"{{ template "webex.default.message" . }}"#);
        let mut text = context.text("message", template);
        while text.len() > BYTES_MAX {
            text.pop();
        }
        let body =
            json!({ "markdown": text, "roomId": context.exact("room_id", &self.room_id, &self.room_id) });
        let url = self.api_url.as_deref().unwrap_or(URL);
        let request = post_json(context, url, &body, self.http_config.as_ref())?;
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        self.message.iter().map(String::as_str).collect()
    }
}
