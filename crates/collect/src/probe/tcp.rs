//! TCP: it accepts a connection, and where wanted says what it should after what we send.

use super::dial::{Address, TlsOptions, dial, secure};
use super::expect::beginning;
use super::line::Talk;
use super::look::{Fault, Found, Look};
use lapwing_types::{Phase, ProbeReason, go_regex};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpProbe {
    /// `host:port`; the endpoint's without it.
    pub address: Option<String>,
    pub tls: Option<TlsOptions>,
    /// How to trust the other side after an exchange with `starttls`.
    pub starttls: Option<TlsOptions>,
    /// Lines of ours end with a line feed alone.
    pub bare_newline: bool,
    /// Sent and expected in turn, line by line.
    pub talk: Vec<Exchange>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exchange {
    /// `${1}` is what the last expectation's first group caught.
    pub send: Option<String>,
    /// A regular expression that a line which comes must match; others before it are passed over.
    pub expect: Option<String>,
    /// TLS begins after this exchange.
    pub starttls: bool,
}

/// Lines passed over while waiting for the expected one.
const LINES_MAX: usize = 100;

impl TcpProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        for expect in self.talk.iter().filter_map(|t| t.expect.as_ref()) {
            go_regex(expect).map_err(|e| format!("{expect:?} is not a regular expression: {e}"))?;
        }
        Ok(())
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let (host, port) = host_port(look, self.address.as_deref(), None)?;
        let dialed = dial(look, &Address { host: &host, port }, self.tls.as_ref(), false).await?;
        let mut talk = Talk::new(dialed.stream);
        look.enter(Phase::Processing);
        let end = if self.bare_newline { "\n" } else { "\r\n" };
        let mut caught: Vec<String> = Vec::new();
        for exchange in &self.talk {
            if let Some(text) = &exchange.send {
                let text = filled(text, &caught);
                talk.send(format!("{text}{end}").as_bytes()).await?;
            }
            if let Some(pattern) = &exchange.expect {
                caught = wait_for(look, &mut talk, pattern).await?;
            }
            if exchange.starttls {
                let tls = self.starttls.clone().unwrap_or_default();
                let secured = secure(look, talk.into_stream()?, (&host, &tls), false).await?;
                talk = Talk::new(secured.stream);
                look.enter(Phase::Processing);
            }
        }
        look.leave();
        Ok(())
    }
}

/// `${1}` and its kin, by what was caught.
fn filled(text: &str, caught: &[String]) -> String {
    let mut out = text.to_owned();
    for (i, group) in caught.iter().enumerate() {
        out = out.replace(&format!("${{{i}}}"), group);
    }
    out
}

/// What the line that matched and its groups hold.
async fn wait_for(look: &Look, talk: &mut Talk, pattern: &str) -> Result<Vec<String>, Fault> {
    let regex = go_regex(pattern).map_err(|e| Fault::config(e.to_string()))?;
    let mut last = String::new();
    for _ in 0..LINES_MAX {
        last = match talk.line().await {
            Ok(line) => line,
            Err(fault) => {
                look.measure("probe_failed_due_to_regex", 1.0);
                return Err(fault);
            }
        };
        if let Some(found) = regex.captures(&last) {
            look.measure("probe_failed_due_to_regex", 0.0);
            let groups = found.iter().map(|g| g.map_or("", |m| m.as_str()).to_owned());
            return Ok(groups.collect());
        }
    }
    look.measure("probe_failed_due_to_regex", 1.0);
    let detail = format!("no line matches {pattern:?}; the last is {:?}", beginning(&last));
    Err(Fault::new(ProbeReason::Body, detail))
}

/// From `host:port`, a URL, or the endpoint.
pub(super) fn host_port(
    look: &Look,
    address: Option<&str>,
    default_port: Option<u16>,
) -> Result<(String, u16), Fault> {
    let text = address
        .or(look.base.as_deref())
        .ok_or_else(|| Fault::config("neither an address nor an endpoint"))?;
    split_host_port(text, default_port).map_err(Fault::config)
}

pub(super) fn split_host_port(text: &str, default_port: Option<u16>) -> Result<(String, u16), String> {
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("tcp://{text}")
    };
    let url = url::Url::parse(&with_scheme).map_err(|e| format!("{text:?}: {e}"))?;
    let host = url.host_str().filter(|h| !h.is_empty());
    let port = url.port().or(default_port).or(url.port_or_known_default());
    match (host, port) {
        (Some(host), Some(port)) => Ok((host.to_owned(), port)),
        _ => Err(format!("{text:?} is not host:port")),
    }
}
