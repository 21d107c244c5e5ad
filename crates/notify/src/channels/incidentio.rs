//! incident.io's alert source: the Alertmanager-shaped payload with a bearer token.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::{webhook, yes};
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentioConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub url: Option<Secret>,
    pub url_file: Option<String>,
    pub alert_source_token: Option<Secret>,
    pub alert_source_token_file: Option<String>,
    #[serde(default)]
    pub max_alerts: usize,
    pub timeout: Option<String>,
}

impl IncidentioConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.url.is_none() == self.url_file.is_none() {
            return Err("exactly one of url and url_file must be configured".to_owned());
        }
        http::check_timeout(self.timeout.as_deref())?;
        let own_token = self.alert_source_token.is_some() || self.alert_source_token_file.is_some();
        self.http_config = http::settled(self.http_config.take(), global)?;
        if !own_token
            && self
                .http_config
                .as_ref()
                .is_none_or(|h| h.authorization.is_none())
        {
            return Err("an alert_source_token or http_config.authorization must be configured".to_owned());
        }
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let url = context.secret(self.url.as_ref(), self.url_file.as_deref())?;
        let mut body = webhook::payload(context, self.max_alerts);
        body.version = "1";
        let mut request = post_json(context, &url, &body, self.http_config.as_ref())?;
        let token = context.secret(
            self.alert_source_token.as_ref(),
            self.alert_source_token_file.as_deref(),
        )?;
        if !token.is_empty() {
            request
                .headers
                .push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        request.timeout = http::timeout_of(self.timeout.as_deref());
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        Vec::new()
    }
}
