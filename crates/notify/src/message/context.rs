//! What a channel needs to build its payload: the notification, the templates, and secrets from files.
//!
//! A template that fails does not lose the page: the text becomes a plain one that says so, and the failure is noted
//! for the decision record.

use super::data::Notification;
use super::templates::Templates;
use crate::config::Secret;
use lapwing_template::{Escape, Value};
use lapwing_types::Alert;
use std::cell::{LazyCell, RefCell};

pub struct Context<'a> {
    pub notification: &'a Notification,
    templates: &'a Templates,
    /// Made for the first template: most channels have none.
    data: LazyCell<Value, Box<dyn FnOnce() -> Value + 'a>>,
    read_file: &'a dyn Fn(&str) -> Result<String, String>,
    failures: RefCell<Vec<String>>,
}

/// A plain text names at most this many alerts.
const PLAIN_ALERTS_MAX: usize = 20;

impl<'a> Context<'a> {
    pub fn new(
        notification: &'a Notification,
        templates: &'a Templates,
        read_file: &'a dyn Fn(&str) -> Result<String, String>,
    ) -> Self {
        Context {
            data: LazyCell::new(Box::new(|| notification.data())),
            notification,
            templates,
            read_file,
            failures: RefCell::new(Vec::new()),
        }
    }

    /// Renders a text; `field` names it where it fails.
    pub fn text(&self, field: &str, template: &str) -> String {
        self.render(field, template, Escape::None)
    }

    /// Renders every text in a value, however deep.
    pub fn json(&self, field: &str, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(template) => self.text(field, template).into(),
            Value::Array(items) => items.iter().map(|item| self.json(field, item)).collect(),
            Value::Object(map) => {
                let made = map
                    .iter()
                    .map(|(key, inner)| (key.clone(), self.json(key, inner)));
                Value::Object(made.collect())
            }
            other => other.clone(),
        }
    }

    /// Renders every text and key in a value, however deep. A text that became a number, a truth value, a list or a map is one
    /// in what is sent, as in Alertmanager: `"{{ len .Alerts }}"` is a number.
    pub fn typed(&self, field: &str, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(template) => {
                let text = self.text(field, template);
                match serde_saphyr::from_str::<Value>(&text) {
                    Ok(Value::String(_)) | Err(_) => text.into(),
                    Ok(made) => made,
                }
            }
            Value::Array(items) => items.iter().map(|item| self.typed(field, item)).collect(),
            Value::Object(map) => {
                let made = map
                    .iter()
                    .map(|(key, inner)| (self.text(field, key), self.typed(key, inner)));
                Value::Object(made.collect())
            }
            other => other.clone(),
        }
    }

    pub fn html(&self, field: &str, template: &str) -> String {
        self.render(field, template, Escape::Html)
    }

    fn render(&self, field: &str, template: &str, escape: Escape) -> String {
        let now_ms = self.notification.now_ms;
        match self.templates.render(template, &self.data, escape, now_ms) {
            Ok(text) => text,
            Err(error) => {
                self.failures.borrow_mut().push(format!("{field}: {error}"));
                let plain = format!("{} (the template of {field} failed: {error})", self.plain());
                match escape {
                    Escape::None => plain,
                    Escape::Html => plain
                        .replace('&', "&amp;")
                        .replace('<', "&lt;")
                        .replace('>', "&gt;"),
                }
            }
        }
    }

    /// Renders a value that must not become prose when its template fails (an address, a severity, a key).
    pub fn exact(&self, field: &str, template: &str, fallback: &str) -> String {
        let now_ms = self.notification.now_ms;
        match self.templates.render(template, &self.data, Escape::None, now_ms) {
            Ok(text) => text,
            Err(error) => {
                self.failures.borrow_mut().push(format!("{field}: {error}"));
                fallback.to_owned()
            }
        }
    }

    /// What is wrong, without any template.
    pub fn plain(&self) -> String {
        let n = self.notification;
        let mut lines = vec![format!(
            "[{}:{}] {}",
            n.status().to_uppercase(),
            n.alerts.len(),
            n.group_labels
        )];
        for alert in n.alerts.iter().take(PLAIN_ALERTS_MAX) {
            let state = if alert.is_resolved_at(n.now_ms) {
                "resolved"
            } else {
                "firing"
            };
            lines.push(format!("{state}: {} {}", alert.labels, about(alert)));
        }
        if n.alerts.len() > PLAIN_ALERTS_MAX {
            lines.push(format!("and {} more", n.alerts.len() - PLAIN_ALERTS_MAX));
        }
        lines.join("\n")
    }

    /// A secret given in the file or beside it.
    pub fn secret(&self, inline: Option<&Secret>, file: Option<&str>) -> Result<String, String> {
        match (inline, file) {
            (Some(secret), _) if !secret.is_empty() => Ok(secret.expose().to_owned()),
            (_, Some(path)) => (self.read_file)(path).map(|text| text.trim().to_owned()),
            _ => Ok(String::new()),
        }
    }

    /// Templates that failed so far.
    pub fn failures(&self) -> Vec<String> {
        self.failures.borrow().clone()
    }
}

fn about(alert: &Alert) -> &str {
    ["summary", "description", "message"]
        .iter()
        .find_map(|name| alert.annotations.get(name))
        .unwrap_or("")
}
