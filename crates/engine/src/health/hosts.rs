//! To which host a check speaks, and what follows from two checks speaking to the same one.

use super::spec::{CheckKind, CheckSpec};
use lapwing_collect::probe::Probe;
use std::net::IpAddr;

/// Where a check goes on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

pub(super) fn place_of(spec: &CheckSpec) -> Option<Place> {
    let CheckKind::Probe(probe) = &spec.what else {
        return None;
    };
    let text = probe.address().or(spec.base.as_deref())?;
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("tcp://{text}")
    };
    let rest = with_scheme.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, a)| a);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    let default = match with_scheme.split_once("://")?.0 {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let host = host.trim_matches(['[', ']']);
    (!host.is_empty()).then(|| Place {
        host: host.to_owned(),
        port: port.or(default),
    })
}

impl Place {
    /// Answers without any network.
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Whether `child` cannot work when `parent` fails, by what they are: a ping of its host, a connection to its port.
pub(super) fn is_below(child: (&CheckSpec, &Place), parent: (&CheckSpec, &Place)) -> bool {
    let ((child, at), (parent, below)) = (child, parent);
    let depth = |spec: &CheckSpec| match &spec.what {
        CheckKind::Probe(probe) => match &**probe {
            Probe::Icmp(_) => 0,
            Probe::Tcp(p) if p.talk.is_empty() && p.tls.is_none() => 1,
            _ => 2,
        },
        CheckKind::CheckIn { .. } => 2,
    };
    let (mine, theirs) = (depth(child), depth(parent));
    at.host == below.host && theirs < mine && (theirs == 0 || at.port == below.port)
}
