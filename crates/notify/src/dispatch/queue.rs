//! Which deliveries may leave, and in what order, without looking at all of them: a storm has tens of thousands.
//!
//! Invariants:
//! - A lane is a group's pages to one channel, the oldest first; only its head has a place.
//! - A place is one of: later (its attempt has a time), ready (its time has come), under way.
//! - The queue knows nothing that the rows do not say: it is made from them at a start, and put right with
//!   [`Dispatcher::requeue`] after each change of a delivery.

use super::delivery::{Delivery, DeliveryStatus};
use super::dispatcher::Dispatcher;
use lapwing_types::Severity;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

#[derive(Debug, Default)]
pub(crate) struct Queue {
    lanes: HashMap<String, VecDeque<String>>,
    places: HashMap<String, Place>,
    later: BTreeMap<(i64, String), Severity>,
    /// The worst first, then the longest due.
    ready: BTreeSet<(Reverse<Severity>, i64, String)>,
    under_way: usize,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Later(i64),
    Ready(Severity, i64),
    UnderWay,
}

impl Queue {
    /// How many wait in a lane, and the newest of them.
    pub(super) fn lane(&self, lane: &str) -> (usize, Option<&String>) {
        let queue = self.lanes.get(lane);
        (queue.map_or(0, VecDeque::len), queue.and_then(VecDeque::back))
    }

    fn head(&self, lane: &str) -> Option<&String> {
        self.lanes.get(lane).and_then(VecDeque::front)
    }

    fn put(&mut self, delivery: &Delivery) {
        let place = match delivery.status {
            DeliveryStatus::Dead => return,
            DeliveryStatus::InFlight => {
                self.under_way += 1;
                Place::UnderWay
            }
            DeliveryStatus::Waiting => {
                let key = (delivery.next_attempt_ms, delivery.id.clone());
                self.later.insert(key, delivery.severity());
                Place::Later(delivery.next_attempt_ms)
            }
        };
        self.places.insert(delivery.id.clone(), place);
    }

    fn take_out(&mut self, id: &str) {
        match self.places.remove(id) {
            None => {}
            Some(Place::UnderWay) => self.under_way -= 1,
            Some(Place::Later(at_ms)) => {
                self.later.remove(&(at_ms, id.to_owned()));
            }
            Some(Place::Ready(severity, at_ms)) => {
                self.ready.remove(&(Reverse(severity), at_ms, id.to_owned()));
            }
        }
    }

    /// When the next one may leave. What is ready and waits for others to come back is woken by them.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.later.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// What may leave now, so that at most `most` are under way.
    pub(super) fn due(&mut self, most: usize, now_ms: i64) -> Vec<String> {
        while let Some(first) = self.later.first_entry() {
            if first.key().0 > now_ms {
                break;
            }
            let ((at_ms, id), severity) = first.remove_entry();
            self.places.insert(id.clone(), Place::Ready(severity, at_ms));
            self.ready.insert((Reverse(severity), at_ms, id));
        }
        let free = most.saturating_sub(self.under_way);
        self.ready
            .iter()
            .take(free)
            .map(|(_, _, id)| id.clone())
            .collect()
    }
}

impl Dispatcher {
    pub(super) fn index_lanes(&mut self) {
        let ids: Vec<String> = self.state.deliveries.keys().map(str::to_owned).collect();
        for id in ids {
            self.join_lane(&id);
        }
    }

    /// A delivery that is a row already takes its place behind the others of its lane.
    pub(super) fn join_lane(&mut self, id: &str) {
        let row = self.state.deliveries.get(id);
        let Some(delivery) = row.filter(|d| d.status != DeliveryStatus::Dead) else {
            return;
        };
        let lane = self.queue.lanes.entry(delivery.lane()).or_default();
        lane.push_back(id.to_owned());
        if lane.len() == 1 {
            self.queue.put(delivery);
        }
    }

    /// The next one of its lane goes on in its place.
    pub(super) fn leave_lane(&mut self, id: &str) {
        self.queue.take_out(id);
        let Some(lane) = self.state.deliveries.get(id).map(Delivery::lane) else {
            return;
        };
        if let Some(waiting) = self.queue.lanes.get_mut(&lane) {
            waiting.retain(|other| other != id);
            if waiting.is_empty() {
                self.queue.lanes.remove(&lane);
            }
        }
        if let Some(head) = self.queue.head(&lane).cloned() {
            self.requeue(&head);
        }
    }

    /// Its status or its time changed.
    pub(super) fn requeue(&mut self, id: &str) {
        self.queue.take_out(id);
        let Some(delivery) = self.state.deliveries.get(id) else {
            return;
        };
        if self.queue.head(&delivery.lane()).is_some_and(|head| head == id) {
            self.queue.put(delivery);
        }
    }
}
