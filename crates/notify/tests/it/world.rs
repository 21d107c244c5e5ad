//! A dispatcher, a clock that goes where it is told, rows that outlive a kill, and receivers that may be down.

use lapwing_notify::channels::Sent;
use lapwing_notify::config::{NotifyConfig, load_notify_config};
use lapwing_notify::dispatch::{DispatchState, Dispatcher};
use lapwing_notify::message::Notification;
use lapwing_types::{Alert, Decision, Labels, LedgerEntry, StateBatch, StateKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a receiver got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) at_ms: i64,
    pub(crate) receiver: String,
    pub(crate) firing: Vec<String>,
    pub(crate) resolved: Vec<String>,
}

pub(crate) struct World {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) config: Arc<NotifyConfig>,
    pub(crate) now_ms: i64,
    rows: BTreeMap<(String, String), String>,
    pub(crate) pages: Vec<Page>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) ledger: Vec<LedgerEntry>,
    /// Receivers that answer 503.
    pub(crate) down: BTreeSet<String>,
    /// What they say with it.
    pub(crate) retry_after_ms: Option<i64>,
    /// Receivers that answer 404.
    pub(crate) refusing: BTreeSet<String>,
}

pub(crate) fn config(yaml: &str) -> Arc<NotifyConfig> {
    match load_notify_config(yaml, &[], "http://lapwing:9595") {
        Ok(config) => Arc::new(config),
        Err(errors) => panic!("{errors:?}"),
    }
}

pub(crate) fn alert(labels: &[(&str, &str)]) -> Alert {
    Alert {
        labels: Labels::from_pairs(labels.iter().copied()).unwrap(),
        ..Alert::default()
    }
}

pub(crate) const START_MS: i64 = 1_700_000_000_000;

impl World {
    pub(crate) fn new(yaml: &str) -> World {
        let config = config(yaml);
        World {
            dispatcher: Dispatcher::new(config.clone(), DispatchState::default(), START_MS),
            config,
            now_ms: START_MS,
            rows: BTreeMap::new(),
            pages: Vec::new(),
            decisions: Vec::new(),
            ledger: Vec::new(),
            down: BTreeSet::new(),
            retry_after_ms: None,
            refusing: BTreeSet::new(),
        }
    }

    pub(crate) fn fire(&mut self, labels: &[(&str, &str)]) {
        let mut fired = alert(labels);
        fired.starts_at_ms = self.now_ms;
        fired.ends_at_ms = Some(self.now_ms + 100 * 24 * 3_600_000);
        self.dispatcher.apply_alerts([fired], self.now_ms);
    }

    pub(crate) fn resolve(&mut self, labels: &[(&str, &str)]) {
        let mut ended = alert(labels);
        ended.starts_at_ms = self.now_ms;
        ended.ends_at_ms = Some(self.now_ms);
        self.dispatcher.apply_alerts([ended], self.now_ms);
    }

    /// Writes down what changed, as the state store would.
    pub(crate) fn commit(&mut self) {
        let StateBatch {
            changes,
            decisions,
            ledger,
        } = self.dispatcher.take_batch();
        for change in changes {
            let key = (change.kind.as_str().to_owned(), change.key);
            match change.json {
                Some(json) => self.rows.insert(key, json),
                None => self.rows.remove(&key),
            };
        }
        self.decisions.extend(decisions);
        self.ledger.extend(ledger);
    }

    /// A row that another program left.
    pub(crate) fn put_row(&mut self, kind: StateKind, key: &str, json: &str) {
        self.rows
            .insert((kind.as_str().to_owned(), key.to_owned()), json.to_owned());
    }

    /// One round of the engine: due, commit, send, outcome, commit.
    pub(crate) fn round(&mut self) {
        let due = self.dispatcher.due(self.now_ms);
        self.commit();
        for notification in due {
            let sent = self.receive(&notification);
            self.dispatcher.outcome(&notification.id, sent, &[], self.now_ms);
        }
        self.commit();
    }

    pub(crate) fn receive(&mut self, n: &Notification) -> Sent {
        if self.down.contains(&n.receiver) {
            return Sent::Later {
                reason: "HTTP 503".to_owned(),
                retry_after_ms: self.retry_after_ms,
            };
        }
        if self.refusing.contains(&n.receiver) {
            return Sent::Refused {
                reason: "HTTP 404".to_owned(),
            };
        }
        let name = |a: &Alert| a.labels.without_name().to_string();
        let (resolved, firing): (Vec<&Alert>, Vec<&Alert>) =
            n.alerts.iter().partition(|a| a.is_resolved_at(n.now_ms));
        self.pages.push(Page {
            at_ms: self.now_ms,
            receiver: n.receiver.clone(),
            firing: firing.into_iter().map(name).collect(),
            resolved: resolved.into_iter().map(name).collect(),
        });
        Sent::Delivered {
            detail: "HTTP 200".to_owned(),
        }
    }

    /// Seconds pass, one round each.
    pub(crate) fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now_ms += 1_000;
            self.round();
        }
    }

    /// Kill -9 and start again: only what was committed is left.
    pub(crate) fn kill(&mut self) {
        let rows = &self.rows;
        let (state, errors) = DispatchState::load(|kind| {
            let of = rows.iter().filter(|((k, _), _)| k == kind.as_str());
            of.map(|((_, key), json)| (key.clone(), json.clone())).collect()
        });
        assert!(errors.is_empty(), "{errors:?}");
        self.dispatcher = Dispatcher::new(self.config.clone(), state, self.now_ms);
    }

    /// Pages since the last call, as `receiver: +firing -resolved`.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let pages = std::mem::take(&mut self.pages);
        let tell = |p: &Page| {
            let firing = p.firing.iter().map(|a| format!(" +{a}"));
            let resolved = p.resolved.iter().map(|a| format!(" -{a}"));
            let all: String = firing.chain(resolved).collect();
            format!("{}:{all}", p.receiver)
        };
        pages.iter().map(tell).collect()
    }

    pub(crate) fn reasons(&self, alertname: &str) -> Vec<String> {
        let of = self.decisions.iter().filter(|d| d.alertname == alertname);
        of.map(|d| d.reason.as_str().to_owned()).collect()
    }
}
