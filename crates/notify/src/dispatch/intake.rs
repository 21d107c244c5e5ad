//! Alerts come in, change, and end; each stands in the groups that its routes name.

use super::dispatcher::Dispatcher;
use super::state::{Group, KeptAlert, group_key};
use crate::config::Route;
use lapwing_types::{Alert, AlertEvent, AlertEventKind, DecisionReason, DecisionStep, Fingerprint};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is thrown away by this has no say in anything any more, so it may stay a while.
const CLEANUP_MS: i64 = 1_000;

impl Dispatcher {
    /// What our own rules found out.
    pub fn apply_events(&mut self, events: &[AlertEvent], now_ms: i64) {
        for event in events.iter().filter(|e| e.kind.concerns_dispatch()) {
            let mut alert = event.alert.clone();
            let reason = match event.kind {
                AlertEventKind::Resolved => DecisionReason::Resolved,
                AlertEventKind::RuleRemoved => DecisionReason::RuleRemoved,
                _ => {
                    alert.ends_at_ms = None;
                    DecisionReason::Firing
                }
            };
            self.take_in(alert, reason, now_ms);
        }
    }

    /// What a sender posted. A firing alert without an end ends by itself unless it is repeated in time.
    pub fn apply_alerts(&mut self, alerts: impl IntoIterator<Item = Alert>, now_ms: i64) {
        for mut alert in alerts {
            alert.updated_at_ms = now_ms;
            if alert.starts_at_ms == 0 {
                alert.starts_at_ms = alert.ends_at_ms.unwrap_or(now_ms).min(now_ms);
            }
            if alert.ends_at_ms.is_none() {
                alert.ends_at_ms = Some(now_ms + self.config.resolve_timeout_ms);
                alert.expires = true;
            }
            // Prometheus sends a deadline as `endsAt`: one that lies ahead was not observed.
            alert.expires |= !alert.is_resolved_at(now_ms);
            let reason = if alert.is_resolved_at(now_ms) {
                DecisionReason::Resolved
            } else {
                DecisionReason::Firing
            };
            self.take_in(alert, reason, now_ms);
        }
    }

    /// After a start: what our rules say fires is the truth about their alerts; one of ours that they do not know any more has
    /// ended. Alerts of senders end by their own deadlines.
    pub fn reconcile(&mut self, firing: &[Alert], now_ms: i64) {
        let known: BTreeSet<Fingerprint> = firing.iter().map(Alert::fingerprint).collect();
        let orphans: Vec<Alert> = self
            .state
            .alerts
            .values()
            .filter(|a| !a.is_resolved && !a.alert.expires && !known.contains(&a.alert.fingerprint()))
            .map(|a| a.alert.clone())
            .collect();
        for mut orphan in orphans {
            orphan.ends_at_ms = Some(now_ms);
            self.take_in(orphan, DecisionReason::RuleRemoved, now_ms);
        }
        for alert in firing {
            if !self.state.alerts.contains(&alert.fingerprint().to_string()) {
                self.take_in(alert.clone(), DecisionReason::Firing, now_ms);
            }
        }
    }

    fn take_in(&mut self, mut alert: Alert, reason: DecisionReason, now_ms: i64) {
        let print = alert.fingerprint();
        let key = print.to_string();
        let is_resolved = alert.is_resolved_at(now_ms);
        let config = self.config.clone();
        let old = self.state.alerts.get(&key);
        let was_firing = old.is_some_and(|o| !o.is_resolved);
        if is_resolved && !was_firing {
            if old.is_some() || !self.was_told_before(&alert) {
                return;
            }
            // Nobody else will tell that it is over.
            let mut open = alert.clone();
            open.ends_at_ms = None;
            self.take_in(open, DecisionReason::Firing, now_ms);
            return self.take_in(alert, reason, now_ms);
        }
        if let Some(old) = old.filter(|o| !o.is_resolved) {
            // The same firing goes on: it began when it first began.
            alert.starts_at_ms = alert.starts_at_ms.min(old.alert.starts_at_ms);
            if is_resolved && alert.annotations.is_empty() {
                alert.annotations = old.alert.annotations.clone();
            }
        }
        if was_firing == is_resolved {
            self.note_change(print, now_ms);
            let detail = format!("received, severity {}", alert.severity());
            self.decide_of(now_ms, (print, &alert), DecisionStep::Receive, (reason, detail));
        }
        let unseen_ms = self.state.alerts.get(&key).map_or(0, |old| {
            let lasted_ms = if old.is_resolved { lasted_ms(&old.alert) } else { 0 };
            old.unseen_ms.max(lasted_ms)
        });
        match (was_firing, is_resolved) {
            (false, false) => self.inhibition.fires(&config.inhibit_rules, &alert.labels),
            (true, true) => self.inhibition.ended(&config.inhibit_rules, &alert.labels),
            _ => {}
        }
        if let Some(ends_at_ms) = alert.ends_at_ms.filter(|_| !is_resolved) {
            self.expiry_ms = self.expiry_ms.min(ends_at_ms);
        }
        let row = KeptAlert {
            alert,
            is_resolved,
            unseen_ms,
        };
        self.group_alert(print, &row, now_ms);
        if let Some(kept) = self.state.alerts.get(&key)
            && only_lasts_longer(kept, &row, now_ms + config.resolve_timeout_ms)
        {
            self.state.alerts.amend(&key, row);
        } else {
            self.state.alerts.insert(key, row);
        }
    }

    /// Puts a firing alert into the groups that its routes name.
    fn group_alert(&mut self, print: Fingerprint, row: &KeptAlert, now_ms: i64) {
        if row.is_resolved {
            return;
        }
        let config = self.config.clone();
        for route in config.route.matching(&row.alert.labels) {
            let labels = route.group_by.labels_of(&row.alert.labels);
            let key = group_key(&route.id, &labels);
            let overdue = row.alert.starts_at_ms + route.group_wait_ms <= now_ms;
            let first_flush_ms = now_ms + if overdue { 0 } else { route.group_wait_ms };
            self.note_worst(&key, &row.alert);
            let open = self.state.groups.get(&key);
            if open.is_some_and(|group| group.members.contains(&print)) {
                continue;
            }
            let is_new = open.is_none();
            let detail = format!("route {:?}, receiver {:?}", route.id, route.receiver);
            let why = (DecisionReason::RouteMatched, detail);
            self.decide_of(now_ms, (print, &row.alert), DecisionStep::Route, why);
            let why = if is_new {
                let detail = format!("group {key}, first page in {} ms", first_flush_ms - now_ms);
                (DecisionReason::GroupOpened, detail)
            } else {
                (DecisionReason::GroupJoined, format!("group {key}"))
            };
            self.decide_of(now_ms, (print, &row.alert), DecisionStep::Group, why);
            if let Some(group) = self.state.groups.get_mut(&key) {
                group.members.insert(print);
                if !group.was_flushed && overdue {
                    group.next_flush_ms = group.next_flush_ms.min(now_ms);
                }
                continue;
            }
            let group = Group {
                route: route.id.clone(),
                receiver: route.receiver.clone(),
                labels,
                members: BTreeSet::from([print]),
                next_flush_ms: first_flush_ms,
                was_flushed: false,
                lanes: BTreeMap::new(),
            };
            self.state.groups.insert(key, group);
        }
    }

    fn note_worst(&mut self, group: &str, alert: &Alert) {
        let severity = alert.severity();
        match self.worst.get_mut(group) {
            Some(worst) => *worst = severity.max(*worst),
            None => {
                self.worst.insert(group.to_owned(), severity);
            }
        }
    }

    /// Ends what has passed its end: senders that fell silent, acks, silences.
    pub(super) fn expire(&mut self, now_ms: i64) {
        if now_ms >= self.expiry_ms {
            self.expire_alerts(now_ms);
        }
        self.expire_acks(now_ms);
        self.expire_silences(now_ms);
        if now_ms >= self.cleanup_ms {
            self.forget_cooldowns(now_ms);
            self.forget_flaps(now_ms);
            self.forget_messages(now_ms);
            self.forget_handovers(now_ms);
            self.cleanup_ms = now_ms + CLEANUP_MS;
        }
    }

    fn expire_alerts(&mut self, now_ms: i64) {
        let config = self.config.clone();
        let over: Vec<String> = self
            .state
            .alerts
            .iter()
            .filter(|(_, a)| !a.is_resolved && a.alert.is_resolved_at(now_ms))
            .map(|(k, _)| k.to_owned())
            .collect();
        for key in over {
            let Some(row) = self.state.alerts.get_mut(&key) else {
                continue;
            };
            row.is_resolved = true;
            let alert = row.alert.clone();
            self.inhibition.ended(&config.inhibit_rules, &alert.labels);
            self.note_change(alert.fingerprint(), now_ms);
            let why = (
                DecisionReason::SenderSilent,
                "its sender did not repeat it in time".to_owned(),
            );
            self.decide(now_ms, &alert, DecisionStep::Receive, why);
        }
        let firing = self.state.alerts.values().filter(|a| !a.is_resolved);
        let ends_ms = firing.filter_map(|a| a.alert.ends_at_ms);
        self.expiry_ms = ends_ms.min().unwrap_or(i64::MAX);
    }

    /// After a start: nobody could repeat an alert to us while we were away.
    pub(super) fn extend_deadlines(&mut self, now_ms: i64) {
        let until_ms = now_ms + self.config.resolve_timeout_ms;
        let waiting: Vec<String> = self
            .state
            .alerts
            .iter()
            .filter(|(_, a)| {
                !a.is_resolved && a.alert.expires && a.alert.ends_at_ms.is_some_and(|e| e < until_ms)
            })
            .map(|(k, _)| k.to_owned())
            .collect();
        for key in waiting {
            if let Some(row) = self.state.alerts.get_mut(&key) {
                row.alert.ends_at_ms = Some(until_ms);
            }
        }
    }

    /// Makes groups agree with the routes: after a start and after a reload.
    pub(super) fn regroup(&mut self, now_ms: i64) {
        let config = self.config.clone();
        let mut gone = Vec::new();
        let mut moved = Vec::new();
        for (key, group) in self.state.groups.iter() {
            match config.route.find(&group.route) {
                None => gone.push(key.to_owned()),
                Some(route) if group_key(&route.id, &route.group_by.labels_of(&group.labels)) != key => {
                    gone.push(key.to_owned());
                }
                Some(route) if route.receiver != group.receiver => {
                    moved.push((key.to_owned(), route.receiver.clone()));
                }
                Some(_) => {}
            }
        }
        for key in gone {
            self.state.groups.remove(&key);
        }
        for (key, receiver) in moved {
            if let Some(group) = self.state.groups.get_mut(&key) {
                group.receiver = receiver;
            }
        }
        self.leave_wrong_groups();
        self.worst.clear();
        let rows: Vec<KeptAlert> = self.state.alerts.values().cloned().collect();
        for row in rows {
            self.group_alert(row.alert.fingerprint(), &row, now_ms);
        }
        self.forget_alerts();
    }

    /// One pass over all memberships: alerts times groups would be billions after a storm.
    fn leave_wrong_groups(&mut self) {
        let config = self.config.clone();
        let right = |row: &KeptAlert| -> BTreeSet<String> {
            let routes = config.route.matching(&row.alert.labels).into_iter();
            let key = |route: &Route| group_key(&route.id, &route.group_by.labels_of(&row.alert.labels));
            routes.map(key).collect()
        };
        let rows = self.state.alerts.values();
        let right: HashMap<Fingerprint, BTreeSet<String>> =
            rows.map(|row| (row.alert.fingerprint(), right(row))).collect();
        let is_wrong =
            |print: &Fingerprint, key: &str| right.get(print).is_some_and(|keys| !keys.contains(key));
        let wrong: Vec<(String, Vec<Fingerprint>)> = self
            .state
            .groups
            .iter()
            .map(|(key, group)| {
                let members = group.members.iter().copied();
                (key.to_owned(), members.filter(|p| is_wrong(p, key)).collect())
            })
            .filter(|(_, prints): &(String, Vec<Fingerprint>)| !prints.is_empty())
            .collect();
        for (key, prints) in wrong {
            if let Some(group) = self.state.groups.get_mut(&key) {
                prints.iter().for_each(|print| {
                    group.members.remove(print);
                });
            }
        }
    }

    /// Ended alerts that no group needs any more, and groups without members.
    pub(super) fn forget_alerts(&mut self) {
        let empty: Vec<String> = self
            .state
            .groups
            .iter()
            .filter(|(_, g)| g.members.is_empty())
            .map(|(k, _)| k.to_owned())
            .collect();
        for key in empty {
            self.state.groups.remove(&key);
        }
        let needed: BTreeSet<Fingerprint> = self
            .state
            .groups
            .values()
            .flat_map(|g| g.members.iter().copied())
            .collect();
        let ended = self.state.alerts.values().filter(|a| a.is_resolved);
        let prints = ended.map(|a| a.alert.fingerprint());
        let over: Vec<Fingerprint> = prints.filter(|print| !needed.contains(print)).collect();
        for print in over {
            self.forget_alert(print);
        }
    }

    pub(super) fn forget_alert(&mut self, print: Fingerprint) {
        let key = print.to_string();
        self.state.alerts.remove(&key);
        self.state.acks.remove(&key);
        self.last_reason.remove(&print);
    }
}

/// The same firing goes on, as its sender says again and again. A start extends every deadline to `safe_until_ms` or later
/// anyway, so a nearer one needs not outlive the process.
fn only_lasts_longer(old: &KeptAlert, new: &KeptAlert, safe_until_ms: i64) -> bool {
    let (a, b) = (&old.alert, &new.alert);
    let is_open = !old.is_resolved && !new.is_resolved && a.expires && b.expires;
    is_open
        && b.ends_at_ms.is_some_and(|end| end <= safe_until_ms)
        && (a.starts_at_ms, old.unseen_ms) == (b.starts_at_ms, new.unseen_ms)
        && (&a.annotations, &a.generator_url) == (&b.annotations, &b.generator_url)
}

pub(super) fn lasted_ms(alert: &Alert) -> i64 {
    alert.ends_at_ms.map_or(0, |end| end - alert.starts_at_ms)
}
