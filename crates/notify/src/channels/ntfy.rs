//! ntfy: JSON publishing, with priority and tags from the severity.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use lapwing_types::Severity;
use serde::Deserialize;
use serde_json::json;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NtfyConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub url: Option<String>,
    pub topic: String,
    pub token: Option<Secret>,
    pub token_file: Option<String>,
    pub title: Option<String>,
    pub message: Option<String>,
}

impl NtfyConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.topic.is_empty() {
            return Err("missing topic on ntfy_config".to_owned());
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let n = context.notification;
        let title = self
            .title
            .as_deref()
            .unwrap_or(r#"{{ template "ntfy.default.title" . }}"#);
        let message = self
            .message
            .as_deref()
            .unwrap_or(r#"{{ template "ntfy.default.message" . }}"#);
        let (priority, tag) = match (n.is_firing(), n.severity()) {
            (false, _) => (2, "white_check_mark"),
            (_, Severity::Info) => (2, "information_source"),
            (_, Severity::Warning) => (3, "warning"),
            (_, Severity::Error) => (4, "warning"),
            (_, Severity::Critical | Severity::Emergency) => (5, "rotating_light"),
        };
        let body = json!({
            "topic": context.exact("topic", &self.topic, &self.topic),
            "title": context.text("title", title),
            "message": context.text("message", message),
            "priority": priority,
            "tags": [tag],
            "click": n.external_url,
        });
        let url = self.url.clone().unwrap_or_else(|| "https://ntfy.sh/".to_owned());
        let mut request = post_json(context, &url, &body, self.http_config.as_ref())?;
        let token = context.secret(self.token.as_ref(), self.token_file.as_deref())?;
        if !token.is_empty() {
            request
                .headers
                .push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        [&self.title, &self.message]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }
}
