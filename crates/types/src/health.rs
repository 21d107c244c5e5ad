//! Nouns of health: how well something works, what one probe found, and the named reason when it found fault.
//!
//! States are ordered from good to bad, so that the worst of many is their maximum. `Critical` is for wholes only: a check
//! is unhealthy, a model that nobody serves any more is critical.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How well a check, an endpoint, a model or the whole system works. Ascending from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    Healthy,
    /// Nothing was heard yet, or nothing could be.
    #[default]
    Unknown,
    Degraded,
    Unhealthy,
    Critical,
}

impl HealthState {
    pub fn as_str(self) -> &'static str {
        match self {
            HealthState::Healthy => "healthy",
            HealthState::Unknown => "unknown",
            HealthState::Degraded => "degraded",
            HealthState::Unhealthy => "unhealthy",
            HealthState::Critical => "critical",
        }
    }

    /// The value of `lapwing_health_state`: an alert reads `> 0` as not well and `>= 2` as failing.
    pub fn value(self) -> f64 {
        match self {
            HealthState::Unknown => -1.0,
            HealthState::Healthy => 0.0,
            HealthState::Degraded => 1.0,
            HealthState::Unhealthy => 2.0,
            HealthState::Critical => 3.0,
        }
    }

    /// Requests can be sent there.
    pub fn serves(self) -> bool {
        matches!(self, HealthState::Healthy | HealthState::Degraded)
    }

    pub fn is_failing(self) -> bool {
        self >= HealthState::Unhealthy
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one look says. A single look never decides a state: streaks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Degraded,
    Fail,
    /// Nothing can be said of the target (no permission here, our own network is down).
    Unjudged,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),+ }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Why a look found fault; one word for labels, the API and the page.
    ProbeReason {
        Timeout = "timeout",
        Refused = "refused",
        Closed = "closed",
        Unreachable = "unreachable",
        Dns = "dns",
        Tls = "tls",
        CertificateExpired = "certificate_expired",
        CertificateUntrusted = "certificate_untrusted",
        CertificateName = "certificate_name",
        CertificateExpiring = "certificate_expiring",
        Redirects = "redirects",
        TooLarge = "too_large",
        Protocol = "protocol",
        Status = "status",
        Header = "header",
        Body = "body",
        JsonPath = "json_path",
        Latency = "latency",
        Answer = "answer",
        Empty = "empty",
        StaleWeights = "stale_weights",
        Auth = "auth",
        NotFound = "not_found",
        NotRunning = "not_running",
        ExitCode = "exit_code",
        Overdue = "overdue",
        Threshold = "threshold",
        Artifact = "artifact",
        Traffic = "traffic",
        NotPermitted = "not_permitted",
        OwnNetwork = "own_network",
        OwnDelay = "own_delay",
        Config = "config",
        Internal = "internal",
    }
}

impl ProbeReason {
    /// As it looks when the fault may lie in our own network: nothing came back at all.
    pub fn is_network(self) -> bool {
        matches!(
            self,
            ProbeReason::Timeout | ProbeReason::Unreachable | ProbeReason::Dns
        )
    }
}

words! {
    /// The parts of one look at a server, in their order; the words are blackbox_exporter's.
    Phase {
        Resolve = "resolve",
        Connect = "connect",
        Tls = "tls",
        Processing = "processing",
        Transfer = "transfer",
    }
}

words! {
    /// A serving shard's place in its fleet. Only `Healthy` and `Suspect` serve.
    ShardState {
        Healthy = "healthy",
        Suspect = "suspect",
        Dead = "dead",
        Restarting = "restarting",
        Stale = "stale",
        Retired = "retired",
    }
}

impl ShardState {
    pub const ALL: [ShardState; 6] = [
        ShardState::Healthy,
        ShardState::Suspect,
        ShardState::Dead,
        ShardState::Restarting,
        ShardState::Stale,
        ShardState::Retired,
    ];

    pub fn serves(self) -> bool {
        matches!(self, ShardState::Healthy | ShardState::Suspect)
    }
}

/// One more number that a probe measured, by the name under which it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSeries {
    pub name: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

/// Everything one look brought.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeOutcome {
    pub verdict: Verdict,
    pub reason: Option<ProbeReason>,
    /// A sentence for the person who is woken; never a secret, at most [`ProbeOutcome::DETAIL_CHARS_MAX`].
    pub detail: String,
    pub duration_s: f64,
    pub phases: Vec<(Phase, f64)>,
    pub series: Vec<ProbeSeries>,
    /// What an engineer would ask next: addresses, certificate, the beginning of the body.
    pub notes: Vec<(&'static str, String)>,
    /// The weights or version that the target says it serves, where the probe learnt it.
    pub version: Option<String>,
}

impl ProbeOutcome {
    pub const DETAIL_CHARS_MAX: usize = 300;

    pub fn pass() -> Self {
        ProbeOutcome {
            verdict: Verdict::Pass,
            reason: None,
            detail: String::new(),
            duration_s: 0.0,
            phases: Vec::new(),
            series: Vec::new(),
            notes: Vec::new(),
            version: None,
        }
    }

    pub fn fault(verdict: Verdict, reason: ProbeReason, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        ProbeOutcome {
            verdict,
            reason: Some(reason),
            detail: detail.chars().take(Self::DETAIL_CHARS_MAX).collect(),
            ..ProbeOutcome::pass()
        }
    }

    pub fn fail(reason: ProbeReason, detail: impl Into<String>) -> Self {
        ProbeOutcome::fault(Verdict::Fail, reason, detail)
    }

    pub fn is_success(&self) -> bool {
        matches!(self.verdict, Verdict::Pass | Verdict::Degraded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_many_is_their_maximum() {
        let states = [HealthState::Healthy, HealthState::Critical, HealthState::Degraded];
        assert_eq!(states.into_iter().max(), Some(HealthState::Critical));
        assert!(HealthState::Unknown < HealthState::Degraded && HealthState::Unknown > HealthState::Healthy);
        assert!(HealthState::Degraded.serves() && !HealthState::Unknown.serves());
    }

    #[test]
    fn words_are_what_serde_writes() {
        for reason in [ProbeReason::CertificateExpired, ProbeReason::JsonPath] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        for state in ShardState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn a_detail_is_bounded() {
        let outcome = ProbeOutcome::fail(ProbeReason::Body, "x".repeat(10_000));
        assert_eq!(outcome.detail.len(), ProbeOutcome::DETAIL_CHARS_MAX);
    }
}
