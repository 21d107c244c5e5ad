//! A notification, and what templates see of it.

use super::picture::{Continued, Picture};
use crate::config::Channel;
use lapwing_template::{GoTime, Record, Value};
use lapwing_types::{Alert, Labels, Severity};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One page for one channel, decided and written down, about to leave.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Also the idempotency key where a channel has one.
    pub id: String,
    /// From 1.
    pub attempt: u32,
    pub receiver: String,
    pub channel: Arc<Channel>,
    pub group_key: String,
    pub group_labels: Labels,
    pub alerts: Vec<Alert>,
    /// Why now: `firing`, `added`, `resolved`, `repeat`, `escalation`, `storm`, `fallback`.
    pub reason: String,
    pub now_ms: i64,
    pub external_url: String,
    pub picture: Option<Arc<Picture>>,
    pub continues: Option<Continued>,
}

impl Notification {
    pub fn is_firing(&self) -> bool {
        self.alerts.iter().any(|a| !a.is_resolved_at(self.now_ms))
    }

    pub fn status(&self) -> &'static str {
        if self.is_firing() { "firing" } else { "resolved" }
    }

    /// Why now, in Alertmanager's words where it has one.
    pub(crate) fn notification_reason(&self) -> &str {
        match self.reason.as_str() {
            "firing" => "first notification",
            "added" => "new alerts added",
            "resolved" if self.is_firing() => "some alerts resolved",
            "resolved" => "all alerts resolved",
            "repeat" => "repeat interval elapsed",
            own => own,
        }
    }

    /// The worst of what fires, or of everything once it is over.
    pub fn severity(&self) -> Severity {
        let worst = |firing: bool| {
            let of_interest = self
                .alerts
                .iter()
                .filter(|a| !firing || !a.is_resolved_at(self.now_ms));
            of_interest.map(Alert::severity).max()
        };
        worst(true).or_else(|| worst(false)).unwrap_or_default()
    }

    pub fn common_labels(&self) -> BTreeMap<String, String> {
        common(self.alerts.iter().map(|a| &a.labels))
    }

    pub fn common_annotations(&self) -> BTreeMap<String, String> {
        common(self.alerts.iter().map(|a| &a.annotations))
    }

    /// What `.` is in a template.
    pub(crate) fn data(&self) -> Value {
        let values: Vec<(Value, bool)> = self
            .alerts
            .iter()
            .map(|alert| (self.alert(alert), !alert.is_resolved_at(self.now_ms)))
            .collect();
        let only = |firing: bool| -> Vec<Value> {
            let of = values.iter().filter(|(_, f)| *f == firing);
            of.map(|(v, _)| v.clone()).collect()
        };
        let alerts = Value::Record(Arc::new(Record {
            fields: vec![
                ("Firing", Value::list(only(true))),
                ("Resolved", Value::list(only(false))),
            ],
            elements: Some(values.iter().map(|(v, _)| v.clone()).collect()),
        }));
        Value::record(vec![
            ("Receiver", self.receiver.as_str().into()),
            ("Status", self.status().into()),
            ("Alerts", alerts),
            ("GroupLabels", Value::kv(&self.group_labels)),
            ("CommonLabels", Value::kv(self.common_labels())),
            ("CommonAnnotations", Value::kv(self.common_annotations())),
            ("ExternalURL", self.external_url.as_str().into()),
            ("GroupKey", self.group_key.as_str().into()),
            ("NotificationReason", self.notification_reason().into()),
            ("Severity", self.severity().as_str().into()),
        ])
    }

    fn alert(&self, alert: &Alert) -> Value {
        let resolved = alert.is_resolved_at(self.now_ms);
        let ends_ms = if resolved { alert.ends_at_ms } else { None };
        Value::record(vec![
            ("Status", if resolved { "resolved" } else { "firing" }.into()),
            ("Labels", Value::kv(&alert.labels)),
            ("Annotations", Value::kv(&alert.annotations)),
            ("StartsAt", Value::Time(GoTime::from_ms(alert.starts_at_ms))),
            (
                "EndsAt",
                Value::Time(GoTime::from_ms(ends_ms.unwrap_or(ZERO_TIME_MS))),
            ),
            ("GeneratorURL", alert.generator_url.as_str().into()),
            ("Fingerprint", alert.fingerprint().to_string().into()),
        ])
    }
}

/// `0001-01-01T00:00:00Z`: Go's zero time, which the payloads show for "not yet".
pub(crate) const ZERO_TIME_MS: i64 = -62_135_596_800_000;

/// RFC 3339 with milliseconds, as Alertmanager's payloads show times.
pub(crate) fn rfc3339(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(at) if ms >= ZERO_TIME_MS => at.to_string(),
        _ => GoTime::from_ms(ms).format("2006-01-02T15:04:05.999Z07:00"),
    }
}

fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> BTreeMap<String, String> {
    let Some(first) = sets.next() else {
        return BTreeMap::new();
    };
    let mut shared: BTreeMap<String, String> =
        first.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    for set in sets {
        shared.retain(|name, value| set.get(name) == Some(value));
        if shared.is_empty() {
            break;
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_as_go_writes_them() {
        for ms in [
            ZERO_TIME_MS,
            ZERO_TIME_MS - 1,
            i64::MIN,
            i64::MAX,
            -1,
            0,
            1_700_000_000_000,
            1_700_000_000_001,
            1_700_000_000_100,
            1_700_000_000_120,
        ] {
            let expect = GoTime::from_ms(ms).format("2006-01-02T15:04:05.999Z07:00");
            assert_eq!(rfc3339(ms), expect, "{ms}");
        }
    }
}
