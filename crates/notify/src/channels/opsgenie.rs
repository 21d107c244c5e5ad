//! Opsgenie and JSM: create with an alias (so that a resend is the same alert), close with the same alias.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::yes;
use crate::config::{Global, Secret};
use crate::message::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsgenieConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub api_key: Option<Secret>,
    pub api_key_file: Option<String>,
    pub api_url: Option<String>,
    pub message: Option<String>,
    pub description: Option<String>,
    pub source: Option<String>,
    #[serde(default)]
    pub details: BTreeMap<String, String>,
    pub entity: Option<String>,
    #[serde(default)]
    pub responders: Vec<BTreeMap<String, String>>,
    pub actions: Option<String>,
    pub tags: Option<String>,
    pub note: Option<String>,
    pub priority: Option<String>,
    #[serde(default)]
    pub update_alerts: bool,
}

const URL: &str = "https://api.opsgenie.com/";
const MESSAGE_CHARS_MAX: usize = 130;

impl OpsgenieConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.api_key.is_none() && self.api_key_file.is_none() {
            self.api_key = global.opsgenie_api_key.clone();
            self.api_key_file = global.opsgenie_api_key_file.clone();
        }
        if self.api_key.is_none() && self.api_key_file.is_none() {
            return Err("no Opsgenie API key set, here or globally".to_owned());
        }
        if self.api_url.is_none() {
            self.api_url = global.opsgenie_api_url.clone();
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let n = context.notification;
        let base = self.api_url.as_deref().unwrap_or(URL).trim_end_matches('/');
        let alias: String = Sha256::digest(n.group_key.as_bytes())
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let source = self.text(
            context,
            "source",
            &self.source,
            r#"{{ template "opsgenie.default.source" . }}"#,
        );
        let of_alert = |what: &str| format!("{base}/v2/alerts/{alias}/{what}?identifierType=alias");
        let mut calls = Vec::new();
        if n.is_firing() {
            let body = self.create(context, &alias, &source);
            // What is there already keeps its words, unless they are exchanged one by one.
            let words = ["message", "description"]
                .into_iter()
                .filter(|_| self.update_alerts);
            let updates: Vec<_> = words
                .map(|word| ("PUT", of_alert(word), json!({ word: body[word] })))
                .collect();
            calls.push(("POST", format!("{base}/v2/alerts"), body));
            calls.extend(updates);
        } else {
            calls.push(("POST", of_alert("close"), json!({ "source": source })));
        }
        let key = context.secret(self.api_key.as_ref(), self.api_key_file.as_deref())?;
        let login = ("authorization".to_owned(), format!("GenieKey {key}"));
        let mut requests = Vec::with_capacity(calls.len());
        for (method, url, body) in calls {
            let mut request = post_json(context, &url, &body, self.http_config.as_ref())?;
            request.method = method;
            request.headers.push(login.clone());
            requests.push(request);
        }
        Ok(Outgoing::Http(requests))
    }

    fn text(&self, context: &Context<'_>, name: &str, own: &Option<String>, default: &str) -> String {
        context.text(name, own.as_deref().unwrap_or(default))
    }

    fn create(&self, context: &Context<'_>, alias: &str, source: &str) -> Value {
        let n = context.notification;
        let mut body = Map::new();
        let message: String = self
            .text(
                context,
                "message",
                &self.message,
                r#"{{ template "opsgenie.default.message" . }}"#,
            )
            .chars()
            .take(MESSAGE_CHARS_MAX)
            .collect();
        let description = self.text(
            context,
            "description",
            &self.description,
            r#"{{ template "opsgenie.default.description" . }}"#,
        );
        let mut details: BTreeMap<String, String> = n.common_labels();
        for (name, template) in &self.details {
            details.insert(name.clone(), context.text(name, template));
        }
        body.insert("alias".to_owned(), alias.into());
        body.insert("message".to_owned(), message.into());
        body.insert("description".to_owned(), description.into());
        body.insert("details".to_owned(), json!(details));
        body.insert("source".to_owned(), source.into());
        if let Some(tags) = &self.tags {
            body.insert("tags".to_owned(), json!(split(&context.exact("tags", tags, ""))));
        }
        if let Some(actions) = &self.actions {
            body.insert(
                "actions".to_owned(),
                json!(split(&context.exact("actions", actions, ""))),
            );
        }
        for (name, own) in [
            ("note", &self.note),
            ("entity", &self.entity),
            ("priority", &self.priority),
        ] {
            if let Some(own) = own {
                body.insert(name.to_owned(), context.exact(name, own, "").into());
            }
        }
        let responders: Vec<Value> = self
            .responders
            .iter()
            .map(|r| {
                let fields = r
                    .iter()
                    .map(|(k, v)| (k.clone(), json!(context.exact("responders", v, v))));
                Value::Object(fields.collect())
            })
            .collect();
        if !responders.is_empty() {
            body.insert("responders".to_owned(), responders.into());
        }
        Value::Object(body)
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let optional = [
            &self.message,
            &self.description,
            &self.source,
            &self.entity,
            &self.actions,
            &self.tags,
            &self.note,
            &self.priority,
        ];
        let mut all: Vec<&str> = optional.into_iter().flatten().map(String::as_str).collect();
        all.extend(self.details.values().map(String::as_str));
        all
    }
}

fn split(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty()).collect()
}
