//! Storm collapse: when too many groups open at once for one receiver, the rest become one page with a digest.
//!
//! Critical and emergency are never collapsed: each is paged as it is.

use super::delivery::{Intent, Why};
use super::dispatcher::Dispatcher;
use lapwing_types::{Alert, DecisionReason, DecisionStep, Labels, Severity};

impl Dispatcher {
    /// The digest that this page goes into instead, if there is a storm.
    pub(super) fn collapse(&mut self, intent: &Intent, was_flushed: bool, now_ms: i64) -> Option<Intent> {
        let storm = self.config.extras.storm?;
        if was_flushed && intent.why != Why::Resolved {
            return None;
        }
        if intent.alerts.iter().any(|a| a.severity() >= Severity::Critical) {
            return None;
        }
        let lane = format!("{}/{}/{}", intent.receiver, intent.kind, intent.channel);
        let opened = self.opened.entry(lane).or_default();
        opened.retain(|t| *t > now_ms - storm.window_ms);
        opened.push(now_ms);
        if opened.len() <= storm.groups {
            return None;
        }
        let key = format!("storm:{}", intent.receiver);
        for alert in &intent.alerts {
            let detail = format!("more than {} pages within {} ms", storm.groups, storm.window_ms);
            let why = (DecisionReason::StormCollapsed, detail);
            self.decide_once((now_ms, &key), alert, DecisionStep::Storm, why);
        }
        let mut alerts: Vec<Alert> = intent.alerts.clone();
        alerts.sort_by_key(|a| std::cmp::Reverse(a.severity()));
        Some(Intent {
            group_key: key,
            group_labels: Labels::from_sorted([("lapwing_storm", intent.receiver.as_str())]),
            alerts,
            why: Why::Storm,
            ..intent.clone()
        })
    }
}
