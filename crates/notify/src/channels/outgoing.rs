//! What leaves the house, before it left; and what became of it.

use super::http::{HttpConfig, TlsConfig};
use super::slack_talk::{Album, SlackTalk};
use crate::message::{Picture, Posted};
use std::sync::Arc;
use std::time::Duration;

/// Ready to be carried.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// In order; the first that fails stops the rest.
    Http(Vec<HttpRequest>),
    Slack(Box<SlackTalk>),
    Mail(Box<Mail>),
    Command(Call),
    Line(LineTarget, String),
}

impl Outgoing {
    /// What it says, for people: bodies, without addresses and logins.
    pub fn words(&self) -> String {
        let body = |r: &HttpRequest| String::from_utf8_lossy(&r.body).into_owned();
        match self {
            Outgoing::Http(requests) => requests.iter().map(body).collect::<Vec<_>>().join("\n"),
            Outgoing::Slack(talk) => match &talk.edit {
                None => body(&talk.post),
                Some(edit) => {
                    let both = [Some(&edit.update), edit.note.as_ref()];
                    both.into_iter()
                        .flatten()
                        .map(body)
                        .collect::<Vec<_>>()
                        .join("\n")
                }
            },
            Outgoing::Mail(mail) => {
                let headers = mail.headers.iter().map(|(n, v)| format!("{n}: {v}\n"));
                format!("{}\n{}", headers.collect::<String>(), mail.text)
            }
            Outgoing::Command(call) => String::from_utf8_lossy(&call.stdin).into_owned(),
            Outgoing::Line(_, line) => line.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub config: HttpConfig,
    /// When it is sent: a token has an end.
    pub at_ms: i64,
    pub timeout: Duration,
    pub judge: Judge,
    /// Its failure is no failure of the page.
    pub is_extra: bool,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// 2xx is taken; 429 and 5xx are tried again; the rest never will be taken.
    Status,
    /// Slack answers 200 with `{"ok": false, "error": "..."}`.
    Slack,
}

#[derive(Clone, Debug)]
pub struct Mail {
    pub host: String,
    pub port: u16,
    pub hello: Option<String>,
    pub implicit_tls: bool,
    pub require_tls: bool,
    pub tls: TlsConfig,
    pub login: Option<(String, String)>,
    pub from: String,
    pub to: Vec<String>,
    /// What the mail says of its sender and its readers, where that is not what carries it.
    pub shown_from: Option<String>,
    pub shown_to: Option<String>,
    pub headers: Vec<(String, String)>,
    pub text: String,
    pub html: String,
    /// Shown where the HTML says `cid:` and [`PICTURE_ID`].
    pub picture: Option<Arc<Picture>>,
}

/// What the HTML of a mail calls its picture.
pub const PICTURE_ID: &str = "graph@lapwing";

/// What became of one attempt, and what is left to do about it.
#[derive(Debug)]
pub struct Attempt {
    pub sent: Sent,
    /// Templates that failed; the page left all the same.
    pub failed_templates: Vec<String>,
    /// Where the message stands that later pages may change.
    pub posted: Option<Posted>,
    /// A picture may follow, once this outcome is written down.
    pub album: Option<Album>,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub program: String,
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub stdin: Vec<u8>,
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineTarget {
    Console,
    File(String),
}

/// The payload could not even be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BuildError {
    pub reason: String,
}

impl From<String> for BuildError {
    fn from(reason: String) -> Self {
        BuildError { reason }
    }
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Delivered {
        detail: String,
    },
    /// May work later; the receiver may have said when.
    Later {
        reason: String,
        retry_after_ms: Option<i64>,
    },
    /// Will never work as it is.
    Refused {
        reason: String,
    },
}

impl Judge {
    pub fn judge(self, status: u16, retry_after_ms: Option<i64>, body: &str) -> Sent {
        let said: String = body.trim().chars().take(300).collect();
        let reason = match said.as_str() {
            "" => format!("HTTP {status}"),
            said => format!("HTTP {status}: {said}"),
        };
        match status {
            200..=299 => match self {
                Judge::Slack => slack(&said, body),
                Judge::Status => Sent::Delivered {
                    detail: format!("HTTP {status}"),
                },
            },
            408 | 425 | 429 | 500..=599 => Sent::Later {
                reason,
                retry_after_ms,
            },
            _ => Sent::Refused { reason },
        }
    }
}

fn slack(said: &str, body: &str) -> Sent {
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    match answer.get("ok").and_then(serde_json::Value::as_bool) {
        Some(false) => {
            let error = answer.get("error").and_then(|e| e.as_str()).unwrap_or(said);
            let passing = [
                "ratelimited",
                "rate_limited",
                "internal_error",
                "fatal_error",
                "service_unavailable",
            ];
            if passing.contains(&error) {
                Sent::Later {
                    reason: error.to_owned(),
                    retry_after_ms: None,
                }
            } else {
                Sent::Refused {
                    reason: error.to_owned(),
                }
            }
        }
        _ => Sent::Delivered {
            detail: "HTTP 200".to_owned(),
        },
    }
}
