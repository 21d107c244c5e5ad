//! TELL: who must know, and how?
//!
//! In reading order: a configuration (Alertmanager's, unchanged) becomes routes, receivers and rules of silence
//! ([`config`]); [`dispatch`] decides what is to be told to whom, purely; [`message`] makes texts of it; [`channels`]
//! carry them out of the house. [`forward`] hands alerts on to other Alertmanagers.
//!
//! Useful for: routing, grouping, inhibition, silences, retries, escalation, every kind of receiver.
//! Not for: deciding what is bad (`judge`), keeping state (`store`); only [`channels`] knows tokio and sockets.

pub mod channels;
pub mod config;
pub mod dispatch;
pub mod forward;
pub mod message;
