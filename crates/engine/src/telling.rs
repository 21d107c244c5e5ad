//! Who would have been told: dispatch on a clock that goes where it is told, with receivers that take everything, or nothing
//! while somebody wants them out.
//!
//! The dispatcher is the one that pages in production; only the way out is replaced by a list.

use lapwing_judge::rules::{Replay, Replayed};
use lapwing_notify::channels::Sent;
use lapwing_notify::config::NotifyConfig;
use lapwing_notify::dispatch::{DispatchState, Dispatcher};
use lapwing_notify::dispatch::{Silence, SilenceError};
use lapwing_notify::message::{Context, Notification};
use lapwing_types::{Alert, AlertEvent, Matcher};
use serde::Serialize;
use std::sync::Arc;

/// A page that would have left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToldPage {
    pub at_ms: i64,
    pub receiver: String,
    pub channel: &'static str,
    /// Names of alerts, ascending.
    pub firing: Vec<String>,
    pub resolved: Vec<String>,
    pub reason: String,
    /// As the channel renders it, or why it cannot.
    pub message: String,
}

pub struct Telling {
    dispatcher: Dispatcher,
    now_ms: i64,
    /// Receivers that take nothing, and until when.
    outages: Vec<(String, i64)>,
    /// Those that arrived.
    pub pages: Vec<ToldPage>,
}

/// What people and networks do meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub enum Meanwhile {
    /// Somebody takes what fires now and matches all of these.
    Ack {
        matchers: Vec<Matcher>,
        by: String,
        comment: String,
        until_ms: Option<i64>,
    },
    /// Somebody gives it back.
    Unack {
        matchers: Vec<Matcher>,
    },
    Silence(Silence),
    /// A receiver takes nothing until then.
    Outage {
        receiver: String,
        until_ms: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeanwhileError {
    #[error("nothing fires then that matches")]
    NothingFires,
    #[error("no receiver is called {receiver:?}")]
    NoReceiver { receiver: String },
    #[error(transparent)]
    Silence(#[from] SilenceError),
}

impl Telling {
    pub fn new(config: Arc<NotifyConfig>, start_ms: i64) -> Self {
        Telling {
            dispatcher: Dispatcher::new(config, DispatchState::default(), start_ms),
            now_ms: start_ms,
            outages: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Something happens at an instant; whatever was due before it leaves first.
    pub fn meanwhile(&mut self, now_ms: i64, what: Meanwhile) -> Result<(), MeanwhileError> {
        self.pass(now_ms);
        match what {
            Meanwhile::Ack {
                matchers,
                by,
                comment,
                until_ms,
            } => {
                for alert in self.firing(&matchers)? {
                    let who = (by.as_str(), comment.as_str());
                    let print = alert.fingerprint();
                    let acked = self.dispatcher.acknowledge(print, who, until_ms, now_ms);
                    acked.map_err(|_| MeanwhileError::NothingFires)?;
                }
            }
            Meanwhile::Unack { matchers } => {
                for alert in self.firing(&matchers)? {
                    self.dispatcher.unacknowledge(alert.fingerprint());
                }
            }
            Meanwhile::Silence(silence) => {
                self.dispatcher.set_silence(silence, now_ms)?;
            }
            Meanwhile::Outage { receiver, until_ms } => {
                if !self.dispatcher.config().receivers.contains_key(&receiver) {
                    return Err(MeanwhileError::NoReceiver { receiver });
                }
                self.outages.push((receiver, until_ms));
            }
        }
        Ok(())
    }

    fn firing(&self, matchers: &[Matcher]) -> Result<Vec<Alert>, MeanwhileError> {
        let found = self.dispatcher.firing(matchers);
        if found.is_empty() {
            return Err(MeanwhileError::NothingFires);
        }
        Ok(found)
    }

    /// What the rules found at an instant; whatever was due before it leaves first.
    pub fn hear(&mut self, now_ms: i64, events: &[AlertEvent]) {
        self.pass(now_ms);
        self.dispatcher.apply_events(events, now_ms);
        self.leave(now_ms);
    }

    /// Lets time go on until `to_ms`.
    pub fn pass(&mut self, to_ms: i64) {
        while let Some(next_ms) = self.dispatcher.next_wake_ms().filter(|next| *next <= to_ms) {
            // A wake that changes nothing must not be asked for again at the same instant.
            let at_ms = next_ms.max(self.now_ms + 1).min(to_ms);
            self.leave(at_ms);
            if self.now_ms >= to_ms {
                break;
            }
        }
        self.now_ms = self.now_ms.max(to_ms);
    }

    fn leave(&mut self, at_ms: i64) {
        self.now_ms = at_ms;
        for notification in self.dispatcher.due(at_ms) {
            let is_out = |(receiver, until_ms): &(String, i64)| {
                *receiver == notification.receiver && at_ms < *until_ms
            };
            let sent = if self.outages.iter().any(is_out) {
                Sent::Later {
                    reason: "out".to_owned(),
                    retry_after_ms: None,
                }
            } else {
                let page = self.told(&notification);
                self.pages.push(page);
                Sent::Delivered {
                    detail: "not sent".to_owned(),
                }
            };
            self.dispatcher.outcome(&notification.id, sent, &[], at_ms);
        }
        // Nothing is kept: the rows are of no use to anyone.
        drop(self.dispatcher.take_batch());
    }

    fn told(&self, n: &Notification) -> ToldPage {
        let names = |resolved: bool| {
            let of = n.alerts.iter().filter(|a| a.is_resolved_at(n.now_ms) == resolved);
            let mut names: Vec<String> = of.map(|a| a.name().to_owned()).collect();
            names.sort();
            names
        };
        ToldPage {
            at_ms: n.now_ms,
            receiver: n.receiver.clone(),
            channel: n.channel.kind(),
            firing: names(false),
            resolved: names(true),
            reason: n.reason.clone(),
            message: self.message(n),
        }
    }

    fn message(&self, n: &Notification) -> String {
        let templates = self.dispatcher.config().templates.clone();
        // Secrets in files have no place in a text that nobody sends.
        let read = |_: &str| Ok("secret".to_owned());
        let context = Context::new(n, &templates, &read);
        match n.channel.build(&context) {
            Err(error) => format!("cannot be built: {error}"),
            Ok(outgoing) => outgoing.words(),
        }
    }
}

/// A replay, and whom it would have paged.
pub fn replay_and_tell(
    replay: &mut Replay<'_>,
    config: Arc<NotifyConfig>,
    (start_ms, end_ms): (i64, i64),
) -> (Replayed, Vec<ToldPage>) {
    let mut telling = Telling::new(config, start_ms);
    let replayed = replay.run((start_ms, end_ms), &mut |now_ms, events| {
        telling.hear(now_ms, events);
    });
    telling.pass(end_ms);
    (replayed, telling.pages)
}
