//! What Alertmanager's API v2 shows: alerts, groups, silences, receivers.

use super::dispatcher::Dispatcher;
use super::silence::{Silence, SilenceError, SilenceMatcher, SilenceState};
use super::state::{Group, KeptAlert};
use crate::message::rfc3339;
use lapwing_types::{Alert, Labels, Matcher};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertView {
    pub annotations: Labels,
    pub ends_at: String,
    pub fingerprint: String,
    pub receivers: Vec<ReceiverView>,
    pub starts_at: String,
    pub status: AlertStatusView,
    pub updated_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    pub generator_url: String,
    pub labels: Labels,
    /// Ours: who has it.
    #[serde(rename = "ackedBy", skip_serializing_if = "Option::is_none")]
    pub acked_by: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertStatusView {
    pub inhibited_by: Vec<String>,
    pub silenced_by: Vec<String>,
    pub muted_by: Vec<String>,
    pub state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiverView {
    pub name: String,
    /// Where receivers are listed: its own and its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl ReceiverView {
    fn named(name: &str) -> Self {
        ReceiverView {
            name: name.to_owned(),
            labels: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct GroupView {
    pub labels: Labels,
    pub receiver: ReceiverView,
    pub alerts: Vec<AlertView>,
}

/// Also what `POST /silences` takes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    pub comment: String,
    pub created_by: String,
    pub ends_at: String,
    pub starts_at: String,
    pub matchers: Vec<SilenceMatcher>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_resolved: bool,
}

/// The query of `GET /alerts` and `GET /alerts/groups`.
#[derive(Clone, Debug)]
pub struct AlertFilter {
    pub matchers: Vec<Matcher>,
    /// On the receiver's name.
    pub receiver: Option<Matcher>,
    /// On the labels of the receiver.
    pub receiver_matchers: Vec<Matcher>,
    pub active: bool,
    pub silenced: bool,
    pub inhibited: bool,
    pub muted: bool,
}

impl Default for AlertFilter {
    fn default() -> Self {
        AlertFilter {
            matchers: Vec::new(),
            receiver: None,
            receiver_matchers: Vec::new(),
            active: true,
            silenced: true,
            inhibited: true,
            muted: true,
        }
    }
}

impl AlertFilter {
    fn takes(&self, view: &AlertView) -> bool {
        let status = &view.status;
        self.matchers.iter().all(|m| m.matches_labels(&view.labels))
            && (self.active || status.state != "active")
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
            && (self.muted || status.muted_by.is_empty())
    }
}

impl SilenceView {
    pub fn of(silence: &Silence, now_ms: i64) -> Self {
        SilenceView {
            id: Some(silence.id.clone()),
            status: Some(BTreeMap::from([(
                "state".to_owned(),
                silence.state(now_ms).as_str().to_owned(),
            )])),
            updated_at: Some(rfc3339(silence.updated_at_ms)),
            comment: silence.comment.clone(),
            created_by: silence.created_by.clone(),
            ends_at: rfc3339(silence.ends_at_ms),
            starts_at: rfc3339(silence.starts_at_ms),
            matchers: silence.matchers.clone(),
            annotations: silence.annotations.clone(),
            until_resolved: silence.until_resolved,
        }
    }

    /// What was posted, as a silence to set.
    pub fn into_silence(self) -> Result<Silence, SilenceError> {
        let time = |text: &str| {
            text.parse::<jiff::Timestamp>()
                .map(|t| t.as_millisecond())
                .map_err(|_| SilenceError::Invalid {
                    reason: format!("{text:?} is not a time"),
                })
        };
        Ok(Silence {
            id: self.id.unwrap_or_default(),
            starts_at_ms: time(&self.starts_at)?,
            ends_at_ms: time(&self.ends_at)?,
            updated_at_ms: 0,
            matchers: self.matchers,
            created_by: self.created_by,
            comment: self.comment,
            annotations: self.annotations,
            until_resolved: self.until_resolved,
        })
    }
}

impl Dispatcher {
    /// What fires and has all of these.
    pub fn firing(&self, matchers: &[Matcher]) -> Vec<Alert> {
        let firing = self.state.alerts.values().filter(|a| !a.is_resolved);
        let fits = |a: &&Alert| matchers.iter().all(|m| m.matches_labels(&a.labels));
        firing.map(|a| &a.alert).filter(fits).cloned().collect()
    }

    /// By fingerprint.
    pub fn alerts_view(&self, filter: &AlertFilter, now_ms: i64) -> Vec<AlertView> {
        let rows = self.state.alerts.values().filter(|a| !a.is_resolved);
        let asks = filter.receiver.is_some() || !filter.receiver_matchers.is_empty();
        let is_for =
            |view: &AlertView| !asks || view.receivers.iter().any(|r| self.is_wanted(filter, &r.name));
        rows.map(|row| self.alert_view(row, now_ms))
            .filter(|view| filter.takes(view) && is_for(view))
            .collect()
    }

    /// How many fire and may be told, and how many are kept quiet: what the views say, without making them.
    pub fn count_alerts(&self, now_ms: i64) -> (usize, usize) {
        let firing = self.state.alerts.values().filter(|a| !a.is_resolved);
        let rules = &self.config.inhibit_rules;
        let is_quiet = |row: &&KeptAlert| {
            let labels = &row.alert.labels;
            self.inhibition.source_of(rules, labels).is_some() || !self.silences_of(labels, now_ms).is_empty()
        };
        let (quiet, active): (Vec<_>, Vec<_>) = firing.partition(is_quiet);
        (active.len(), quiet.len())
    }

    pub fn groups_view(&self, filter: &AlertFilter, now_ms: i64) -> Vec<GroupView> {
        let mut groups: Vec<GroupView> = self
            .state
            .groups
            .values()
            .filter(|g| self.is_wanted(filter, &g.receiver))
            .map(|group| self.group_view(group, filter, now_ms))
            .filter(|g| !g.alerts.is_empty())
            .collect();
        // As Alertmanager has them: those of few labels first.
        groups.sort_by(|a, b| {
            let order = |g: &GroupView| g.labels.iter().count();
            let counts = order(a).cmp(&order(b));
            counts.then_with(|| (&a.labels, &a.receiver.name).cmp(&(&b.labels, &b.receiver.name)))
        });
        groups
    }

    fn group_view(&self, group: &Group, filter: &AlertFilter, now_ms: i64) -> GroupView {
        let members = group
            .members
            .iter()
            .filter_map(|p| self.state.alerts.get(&p.to_string()))
            .filter(|row| !row.is_resolved);
        let mut alerts: Vec<AlertView> = members.map(|row| self.alert_view(row, now_ms)).collect();
        if let Some(route) = self.config.route.find(&group.route) {
            let muted_by = self.muting_intervals(route, now_ms);
            for alert in alerts.iter_mut().filter(|_| !muted_by.is_empty()) {
                alert.status.muted_by = muted_by.clone();
                alert.status.state = "suppressed";
            }
        }
        alerts.retain(|view| filter.takes(view));
        GroupView {
            labels: group.labels.clone(),
            receiver: ReceiverView::named(&group.receiver),
            alerts,
        }
    }

    fn alert_view(&self, row: &KeptAlert, now_ms: i64) -> AlertView {
        let alert = &row.alert;
        let silenced_by = self.silences_of(&alert.labels, now_ms);
        let inhibited_by: Vec<String> = self
            .inhibition
            .source_of(&self.config.inhibit_rules, &alert.labels)
            .map(|(print, _)| print.to_string())
            .into_iter()
            .collect();
        let state = if silenced_by.is_empty() && inhibited_by.is_empty() {
            "active"
        } else {
            "suppressed"
        };
        let mut receivers: Vec<ReceiverView> = Vec::new();
        for route in self.config.route.matching(&alert.labels) {
            let view = ReceiverView::named(&route.receiver);
            if !receivers.contains(&view) {
                receivers.push(view);
            }
        }
        AlertView {
            annotations: alert.annotations.clone(),
            ends_at: rfc3339(
                alert
                    .ends_at_ms
                    .unwrap_or(now_ms + self.config.resolve_timeout_ms),
            ),
            fingerprint: alert.fingerprint().to_string(),
            receivers,
            starts_at: rfc3339(alert.starts_at_ms),
            status: AlertStatusView {
                inhibited_by,
                silenced_by,
                muted_by: Vec::new(),
                state,
            },
            updated_at: rfc3339(alert.updated_at_ms),
            generator_url: alert.generator_url.clone(),
            labels: alert.labels.clone(),
            acked_by: self.ack_of(alert, now_ms).map(|a| a.by.clone()),
        }
    }

    /// Active first, the soonest to end first; then pending, the soonest to begin first; then expired, the last to end first.
    pub fn silences_view(&self, matchers: &[Matcher], now_ms: i64) -> Vec<SilenceView> {
        let takes = |silence: &Silence| {
            matchers.iter().all(|wanted| {
                let mut has = silence
                    .matchers
                    .iter()
                    .filter(|m| *m.name == *wanted.name)
                    .peekable();
                // Of a label that it says nothing about, its value is empty.
                match has.peek() {
                    Some(_) => has.any(|m| wanted.matches(&m.value)),
                    None => wanted.matches(""),
                }
            })
        };
        let mut silences: Vec<&Silence> = self.state.silences.values().filter(|s| takes(s)).collect();
        let rank = |s: &Silence| match s.state(now_ms) {
            SilenceState::Active => 0,
            SilenceState::Pending => 1,
            SilenceState::Expired => 2,
        };
        let moment = |s: &Silence| match s.state(now_ms) {
            SilenceState::Active => s.ends_at_ms,
            SilenceState::Pending => s.starts_at_ms,
            SilenceState::Expired => -s.ends_at_ms,
        };
        silences.sort_by_key(|s| (rank(s), moment(s), s.id.clone()));
        silences.into_iter().map(|s| SilenceView::of(s, now_ms)).collect()
    }

    pub fn count_silences(&self, state: SilenceState, now_ms: i64) -> usize {
        let all = self.state.silences.values();
        all.filter(|s| s.state(now_ms) == state).count()
    }

    pub fn count_groups(&self) -> usize {
        self.state.groups.values().count()
    }

    pub fn receivers_view(&self, filter: &AlertFilter) -> Vec<ReceiverView> {
        let wanted = self
            .config
            .receivers
            .keys()
            .filter(|name| self.is_wanted(filter, name));
        let made = wanted.map(|name| ReceiverView {
            name: name.clone(),
            labels: self.labels_of_receiver(name),
        });
        made.collect()
    }

    fn labels_of_receiver(&self, name: &str) -> BTreeMap<String, String> {
        let receiver = self.config.receivers.get(name);
        let mut labels = receiver.map(|r| r.labels.clone()).unwrap_or_default();
        labels.entry("name".to_owned()).or_insert_with(|| name.to_owned());
        labels
    }

    /// Whether a receiver is one of those that are asked for.
    fn is_wanted(&self, filter: &AlertFilter, name: &str) -> bool {
        if filter.receiver.as_ref().is_some_and(|m| !m.matches(name)) {
            return false;
        }
        if filter.receiver_matchers.is_empty() {
            return true;
        }
        let labels = self.labels_of_receiver(name);
        let value = |m: &Matcher| labels.get(&*m.name).map_or("", String::as_str).to_owned();
        filter.receiver_matchers.iter().all(|m| m.matches(&value(m)))
    }
}
