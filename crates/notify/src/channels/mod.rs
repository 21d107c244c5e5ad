//! Ways out of the house, one file each.
//!
//! A channel *builds* what goes out ([`Outgoing`]): pure, tested against golden payloads. [`Transport`] carries it: the
//! only place with sockets, processes and files.

pub mod command;
pub mod discord;
pub mod email;
pub mod http;
pub mod incidentio;
pub mod line;
pub mod mattermost;
mod multipart;
pub mod ntfy;
pub mod opsgenie;
mod outgoing;
pub mod pagerduty;
pub mod pushover;
pub mod rocketchat;
pub mod signed;
pub mod slack;
mod slack_talk;
pub mod teams;
pub mod teams_v1;
pub mod telegram;
mod transport;
pub mod victorops;
pub mod webex;
pub mod webhook;

pub use outgoing::{
    Attempt, BuildError, Call, HttpRequest, Judge, LineTarget, Mail, Outgoing, PICTURE_ID, Sent,
};
pub use slack_talk::{Album, SlackTalk};
pub use transport::Transport;

/// Every text in a value, however deep.
pub(crate) fn texts_of<'a>(value: &'a serde_json::Value, all: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::String(text) => all.push(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts_of(item, all)),
        serde_json::Value::Object(map) => map.values().for_each(|inner| texts_of(inner, all)),
        _ => {}
    }
}

/// Receivers that say when an alert ended, unless the config says otherwise.
pub(crate) fn yes() -> bool {
    true
}
