//! Alerts of rules handed on to other Alertmanagers: a look every second at what fires, and what is due is sent.

use crate::engine::Engine;
use crate::jobs::Jobs;
use crate::meter::Counter;
use crate::paging::PagingOptions;
use lapwing_notify::channels::{Outgoing, Sent, Transport};
use lapwing_notify::forward::{Forward, ForwardStatus, Forwarder};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(1);

/// A cheap handle.
#[derive(Clone)]
pub struct Forwarding {
    forwarder: Arc<Mutex<Forwarder>>,
    transport: Transport,
    sent: Counter,
    failed: Counter,
}

impl Forwarding {
    pub(crate) fn new(forwarder: Forwarder, meter: &crate::meter::Meter) -> Self {
        let counter = |name, help| meter.counter(name, help, &[]);
        Forwarding {
            forwarder: Arc::new(Mutex::new(forwarder)),
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

    pub(crate) fn reload(&self, options: &PagingOptions) {
        let (targets, labels) = options.forward_to();
        self.lock().reload(targets, labels);
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
        self.forwarder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn start(jobs: &mut Jobs, engine: &Engine) {
    let engine = engine.clone();
    jobs.every("forward", PERIOD, move || {
        let engine = engine.clone();
        async move { engine.forwarding().clone().round(&engine).await }
    });
}
