//! Tells somebody, through the server's channels: one call, one receiver, an answer for each of its channels.

use crate::errors;
use lapwing::Clock;
use lapwing_notify::channels::{Sent, Transport};
use lapwing_notify::config::load_notify_config;
use lapwing_notify::message::Notification;
use lapwing_types::{Alert, Labels};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Deserialize)]
struct Told {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at_ms: i64,
    #[serde(default)]
    ends_at_ms: Option<i64>,
}

impl Told {
    fn alert(self) -> PyResult<Alert> {
        let labels =
            |pairs: BTreeMap<String, String>| Labels::from_pairs(pairs).map_err(|e| errors::value(&e));
        Ok(Alert {
            labels: labels(self.labels)?,
            annotations: labels(self.annotations)?,
            starts_at_ms: self.starts_at_ms,
            ends_at_ms: self.ends_at_ms,
            ..Alert::default()
        })
    }
}

/// `receiver` is one receiver of an alertmanager.yml as JSON, `settings` its global section. A JSON list: per channel its kind, whether it
/// was delivered, and why not. Without alerts nothing is sent, and the list is empty: so a receiver is tried that nobody is to be told through yet.
#[pyfunction]
#[pyo3(signature = (receiver, alerts, settings = "{}"))]
fn send(py: Python<'_>, receiver: &str, alerts: &str, settings: &str) -> PyResult<String> {
    let mut receiver: Value = serde_json::from_str(receiver).map_err(|e| errors::value(&e))?;
    let global: Value = serde_json::from_str(settings).map_err(|e| errors::value(&e))?;
    let told: Vec<Told> = serde_json::from_str(alerts).map_err(|e| errors::value(&e))?;
    let alerts: Vec<Alert> = told.into_iter().map(Told::alert).collect::<PyResult<_>>()?;
    receiver["name"] = json!("python");
    // JSON is YAML.
    let text =
        json!({"global": global, "route": {"receiver": "python"}, "receivers": [receiver]}).to_string();
    py.detach(|| {
        let config = load_notify_config(&text, &[], "").map_err(|problems| {
            let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
            PyValueError::new_err(reasons.join("; "))
        })?;
        if alerts.is_empty() {
            return Ok("[]".to_owned());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| errors::runtime(&e))?;
        let transport = Transport::new();
        let now_ms = Clock::system().now_ms();
        let mut answers = Vec::new();
        let channels = config.receivers.values().flat_map(|r| &r.channels);
        for channel in channels {
            let notification = Notification {
                id: next_id(now_ms),
                attempt: 1,
                receiver: "python".to_owned(),
                channel: channel.clone(),
                group_key: "python".to_owned(),
                group_labels: Labels::empty(),
                alerts: alerts.clone(),
                reason: "firing".to_owned(),
                now_ms,
                external_url: String::new(),
                continues: None,
                picture: None,
            };
            let sent = runtime
                .block_on(transport.send(&notification, &config.templates))
                .sent;
            let (delivered, reason) = match sent {
                Sent::Delivered { .. } => (true, None),
                Sent::Later { reason, .. } | Sent::Refused { reason } => (false, Some(reason)),
            };
            answers.push(json!({"channel": channel.kind(), "delivered": delivered, "reason": reason}));
        }
        Ok(Value::Array(answers).to_string())
    })
}

fn next_id(now_ms: i64) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("python-{now_ms}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(send, module)?)
}
