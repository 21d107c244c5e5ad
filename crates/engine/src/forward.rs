//! Alerts of rules handed on to other Alertmanagers: a look every second at what fires, and what is due is sent.

use crate::alertmanagers::{AlertmanagerGroup, SortedAlertmanagers};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::jobs::Jobs;
use crate::meter::Counter;
use crate::paging::PagingOptions;
use crate::scraping::ScrapingError;
use lapwing_collect::discovery::{Discoveries, DiscoveryStatus, Tell};
use lapwing_notify::channels::{Outgoing, Sent, Transport};
use lapwing_notify::forward::{Forward, ForwardStatus, ForwardTarget, Forwarder};
use lapwing_types::Labels;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(1);

/// A cheap handle.
#[derive(Clone)]
pub struct Forwarding {
    forwarder: Arc<Mutex<Forwarder>>,
    known: Arc<Mutex<Known>>,
    discoveries: Arc<Discoveries>,
    transport: Transport,
    sent: Counter,
    failed: Counter,
}

/// All Alertmanagers, however they became known.
#[derive(Default)]
struct Known {
    /// Those that the configuration names.
    named: Vec<ForwardTarget>,
    external_labels: Labels,
    /// Those of each group that was found.
    groups: BTreeMap<usize, SortedAlertmanagers>,
}

impl Forwarding {
    /// Knows nobody to begin with.
    pub(crate) fn new(clock: &Clock, meter: &crate::meter::Meter) -> Self {
        let counter = |name, help| meter.counter(name, help, &[]);
        let clock = clock.clone();
        Forwarding {
            forwarder: Arc::new(Mutex::new(Forwarder::new(Vec::new(), Labels::empty()))),
            known: Arc::default(),
            discoveries: Arc::new(Discoveries::new(Arc::new(move || clock.now_ms()))),
            transport: Transport::new(),
            sent: counter(
                "lapwing_forwarded_alerts_total",
                "Alerts that another Alertmanager took.",
            ),
            failed: counter(
                "lapwing_forwarded_alerts_failed_total",
                "Alerts that another Alertmanager did not take; they are sent again.",
            ),
        }
    }

    /// Needs a tokio runtime around it.
    pub(crate) fn reload(&self, options: &PagingOptions) -> Result<(), ScrapingError> {
        let (named, external_labels) = options.forward_to();
        let groups = &options.alertmanagers;
        {
            let mut known = self.lock_known();
            known.named = named;
            known.external_labels = external_labels;
            known.groups.retain(|number, _| *number < groups.len());
            for number in 0..groups.len() {
                known.groups.entry(number).or_default();
            }
        }
        let wanted: Vec<String> = (0..groups.len()).map(group_name).collect();
        for gone in self.discoveries.names().iter().filter(|n| !wanted.contains(n)) {
            self.discoveries.remove(gone);
        }
        for (number, (group, name)) in groups.iter().zip(&wanted).enumerate() {
            self.discoveries
                .set(name, &group.discovery, self.tell(number, group))
                .map_err(|e| ScrapingError::Alertmanagers {
                    name: name.clone(),
                    reason: e.to_string(),
                })?;
        }
        self.publish();
        Ok(())
    }

    /// Takes what the discovery of one group has found.
    fn tell(&self, number: usize, group: &AlertmanagerGroup) -> Tell {
        let (forwarding, group) = ((self.forwarder.clone(), self.known.clone()), group.clone());
        Arc::new(move |found| {
            let (forwarder, known) = &forwarding;
            let sorted = group.sort(found);
            let mut known = lock(known);
            // Gone with a reload while it was looked for.
            let Some(before) = known.groups.get_mut(&number) else {
                return;
            };
            for reason in sorted.wrong.iter().filter(|r| !before.wrong.contains(r)) {
                tracing::warn!(
                    group = group_name(number),
                    "an Alertmanager cannot be told: {reason}"
                );
            }
            *before = sorted;
            known.publish(forwarder);
        })
    }

    fn publish(&self) {
        self.lock_known().publish(&self.forwarder);
    }

    /// Where those are that the rules of their groups drop.
    pub fn dropped(&self) -> Vec<String> {
        let known = self.lock_known();
        known.groups.values().flat_map(|g| &g.dropped).cloned().collect()
    }

    pub fn discovery_statuses(&self) -> Vec<DiscoveryStatus> {
        self.discoveries.statuses()
    }

    pub(crate) fn stop(&self) {
        self.discoveries.stop();
    }

    /// How each Alertmanager fares.
    pub fn status(&self) -> Vec<ForwardStatus> {
        self.lock().status().to_vec()
    }

    async fn round(&self, engine: &Engine) {
        let due = {
            let mut forwarder = self.lock();
            if forwarder.is_idle() {
                return;
            }
            let firing = engine.paging().look_at_rules(|rules, state| rules.firing(state));
            let now_ms = engine.now_ms();
            forwarder.observe(&firing, now_ms);
            forwarder.due(now_ms)
        };
        // One that hangs must not hold up the others, nor the next look at what fires.
        let sends = due.into_iter().map(|forward| {
            let (this, engine) = (self.clone(), engine.clone());
            tokio::spawn(async move { this.send(forward, &engine).await })
        });
        for send in sends.collect::<Vec<_>>() {
            if let Err(error) = send.await {
                tracing::error!(%error, "handing alerts on was cut off");
            }
        }
    }

    async fn send(&self, forward: Forward, engine: &Engine) {
        let request = forward.request.clone();
        let url = request.url.clone();
        let result = match self.transport.carry(Outgoing::Http(vec![request])).await {
            Sent::Delivered { .. } => Ok(()),
            Sent::Later { reason, .. } | Sent::Refused { reason } => Err(reason),
        };
        let count = forward.len() as u64;
        match &result {
            Ok(()) => self.sent.add(count),
            Err(reason) => {
                self.failed.add(count);
                tracing::warn!(url, reason, "an Alertmanager did not take alerts");
            }
        }
        self.lock().done(&forward, result, engine.now_ms());
    }

    fn lock(&self) -> MutexGuard<'_, Forwarder> {
        lock(&self.forwarder)
    }

    fn lock_known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

impl Known {
    fn publish(&self, forwarder: &Mutex<Forwarder>) {
        let found = self.groups.values().flat_map(|g| &g.active);
        let targets = self.named.iter().chain(found).cloned().collect();
        lock(forwarder).reload(targets, self.external_labels.clone());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As its place in the file is called.
fn group_name(number: usize) -> String {
    format!("alertmanagers[{number}]")
}

pub(crate) fn start(jobs: &mut Jobs, engine: &Engine) {
    let engine = engine.clone();
    jobs.every("forward", PERIOD, move || {
        let engine = engine.clone();
        async move { engine.forwarding().clone().round(&engine).await }
    });
}
