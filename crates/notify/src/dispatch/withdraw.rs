//! A page that waits for its next attempt while its alerts are being silenced: it is not tried again.
//!
//! What was news in it counts as untold, so that it is told when the silence ends before the alert does. What an earlier page had
//! told stays told, and so its end is told, too. Digests of storms are told as they are: they belong to no group.

use super::delivery::{Delivery, Why};
use super::dispatcher::Dispatcher;
use super::state::lane_name;
use lapwing_types::{Alert, DecisionReason, DecisionStep, LedgerEvent};

impl Dispatcher {
    /// Takes silenced alerts out of a delivery that was made before; true when nothing of it is left to tell.
    pub(super) fn withdraw_silenced(&mut self, id: &str, now_ms: i64) -> bool {
        let Some(delivery) = self.state.deliveries.get(id) else {
            return false;
        };
        if delivery.created_ms >= now_ms || delivery.why == Why::Storm {
            return false;
        }
        let open = delivery.alerts.iter().filter(|a| a.ends_at_ms.is_none());
        let hidden: Vec<(Alert, String)> = open
            .map(|a| (a.clone(), self.silences_of(&a.labels, now_ms).join(", ")))
            .filter(|(_, ids)| !ids.is_empty())
            .collect();
        if hidden.is_empty() {
            return false;
        }
        let delivery = delivery.clone();
        for (alert, ids) in &hidden {
            let detail = format!(
                "silence {ids}: its page to {} is not tried again",
                delivery.receiver
            );
            let why = (DecisionReason::Silenced, detail);
            self.decide_once((now_ms, &delivery.group_key), alert, DecisionStep::Silence, why);
        }
        self.untell(&delivery, &hidden);
        let Some(row) = self.state.deliveries.get_mut(id) else {
            return false;
        };
        row.alerts
            .retain(|a| !hidden.iter().any(|(h, _)| h.labels == a.labels));
        if !row.alerts.is_empty() {
            return false;
        }
        self.drop_delivery(id);
        self.log(&delivery, LedgerEvent::Superseded, "silenced".to_owned(), now_ms);
        true
    }

    fn untell(&mut self, delivery: &Delivery, hidden: &[(Alert, String)]) {
        let news: Vec<_> = hidden
            .iter()
            .map(|(a, _)| a.fingerprint())
            .filter(|print| delivery.news.contains(print))
            .collect();
        if news.is_empty() {
            return;
        }
        let channel = lane_name(&delivery.receiver, &delivery.kind, delivery.channel);
        let group = self.state.groups.get_mut(&delivery.group_key);
        if let Some(lane) = group.and_then(|g| g.lanes.get_mut(&channel)) {
            lane.firing.retain(|print| !news.contains(print));
        }
    }
}
