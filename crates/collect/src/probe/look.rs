//! What every probe is given, and what it may end with.
//!
//! A probe notes what it learns as it goes, so that a look which is cut off by its timeout still tells how far it came.

use super::dial::IpPreference;
use lapwing_types::{Phase, ProbeOutcome, ProbeReason, ProbeSeries, Verdict};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nanoseconds since some fixed moment; the engine's, or a test's. Only differences are read.
pub type Nanos = fn() -> u64;

/// Notes and series of one look; more are dropped, for what a target sends must not grow without bound.
const NOTES_MAX: usize = 32;
const SERIES_MAX: usize = 64;
const NOTE_CHARS_MAX: usize = 600;

/// One look: where, until when, and what was seen so far.
pub struct Look {
    /// What relative paths and bare probes of an endpoint refer to, such as `http://10.0.0.5:8000`.
    pub base: Option<String>,
    pub timeout_ms: i64,
    /// A whole look that passes and takes longer is degraded; what a probe's own settings say goes before it.
    pub degraded_above_ms: Option<i64>,
    pub now_ms: i64,
    /// Which addresses of a name are asked.
    pub ip: IpPreference,
    /// The address of ours that it comes from.
    pub source_ip: Option<IpAddr>,
    /// Whoever asks reads every number that blackbox_exporter would tell; a check keeps those that change.
    pub tells_all: bool,
    nanos: Nanos,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    phases: Vec<(Phase, f64)>,
    under_way: Option<(Phase, u64)>,
    series: Vec<ProbeSeries>,
    notes: Vec<(&'static str, String)>,
    version: Option<String>,
    /// The first thing that was not as it should be and is no failure; what comes after it may be one.
    degraded: Option<Fault>,
}

/// Why a look did not pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) verdict: Verdict,
    pub(super) reason: ProbeReason,
    pub(super) detail: String,
}

pub(super) type Found = Result<(), Fault>;

impl Fault {
    pub(super) fn new(reason: ProbeReason, detail: impl Into<String>) -> Self {
        Fault {
            verdict: Verdict::Fail,
            reason,
            detail: detail.into(),
        }
    }

    pub(super) fn degraded(reason: ProbeReason, detail: impl Into<String>) -> Self {
        Fault {
            verdict: Verdict::Degraded,
            ..Fault::new(reason, detail)
        }
    }

    /// The target cannot be judged from here.
    pub(super) fn unjudged(reason: ProbeReason, detail: impl Into<String>) -> Self {
        Fault {
            verdict: Verdict::Unjudged,
            ..Fault::new(reason, detail)
        }
    }

    pub(super) fn config(detail: impl Into<String>) -> Self {
        Fault::unjudged(ProbeReason::Config, detail)
    }

    pub(super) fn protocol(detail: impl Into<String>) -> Self {
        Fault::new(ProbeReason::Protocol, detail)
    }

    pub(super) fn of_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let reason = match error.kind() {
            Kind::ConnectionRefused => ProbeReason::Refused,
            Kind::ConnectionReset | Kind::BrokenPipe | Kind::UnexpectedEof | Kind::ConnectionAborted => {
                ProbeReason::Closed
            }
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
                ProbeReason::Unreachable
            }
            Kind::PermissionDenied => ProbeReason::NotPermitted,
            Kind::TimedOut => ProbeReason::Timeout,
            _ => ProbeReason::Protocol,
        };
        Fault::new(reason, error.to_string())
    }
}

impl Look {
    pub fn new(base: Option<String>, timeout_ms: i64, now_ms: i64, nanos: Nanos) -> Self {
        Look {
            base,
            timeout_ms,
            degraded_above_ms: None,
            now_ms,
            ip: IpPreference::default(),
            source_ip: None,
            tells_all: false,
            nanos,
            seen: Mutex::default(),
        }
    }

    pub(super) fn nanos(&self) -> u64 {
        (self.nanos)()
    }

    pub(super) fn seconds_since(&self, start: u64) -> f64 {
        (self.nanos)().saturating_sub(start) as f64 / 1e9
    }

    /// A phase begins; the one before it ends. Times of a phase that comes again (redirects, steps) add up.
    pub(super) fn enter(&self, phase: Phase) {
        let now = (self.nanos)();
        self.seen().turn(Some((phase, now)), now);
    }

    /// The phase under way ends.
    pub(super) fn leave(&self) {
        let now = (self.nanos)();
        self.seen().turn(None, now);
    }

    pub(super) fn note(&self, name: &'static str, text: impl Into<String>) {
        let mut seen = self.seen();
        let text: String = text.into().chars().take(NOTE_CHARS_MAX).collect();
        let has_room = seen.notes.len() < NOTES_MAX;
        match seen.notes.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = text,
            None if has_room => seen.notes.push((name, text)),
            None => {}
        }
    }

    /// One number; the last one of a name and its labels counts.
    pub(super) fn measure(&self, name: &'static str, value: f64) {
        self.measure_with(name, &[], value);
    }

    /// One of those that only `/probe` tells.
    pub(super) fn measure_more(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        if self.tells_all {
            self.measure_with(name, labels, value);
        }
    }

    /// Which kind of address is asked, and a number that changes with it.
    pub(super) fn measure_address(&self, ip: IpAddr) {
        self.measure("probe_ip_protocol", if ip.is_ipv4() { 4.0 } else { 6.0 });
        self.measure_more("probe_ip_addr_hash", &[], f64::from(address_hash(ip)));
    }

    pub(super) fn measure_with(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        let mut seen = self.seen();
        let has_room = seen.series.len() < SERIES_MAX;
        match seen
            .series
            .iter_mut()
            .find(|s| s.name == name && s.labels == labels)
        {
            Some(old) => old.value = value,
            None if has_room => seen.series.push(ProbeSeries { name, labels, value }),
            None => {}
        }
    }

    /// Not well, and no reason to stop looking: a certificate that ends soon must not hide a server that fails.
    pub(super) fn degrade(&self, reason: ProbeReason, detail: impl Into<String>) {
        let mut seen = self.seen();
        if seen.degraded.is_none() {
            seen.degraded = Some(Fault::degraded(reason, detail));
        }
    }

    pub(super) fn serves_version(&self, version: impl Into<String>) {
        let version: String = version.into();
        self.seen().version = Some(version.chars().take(200).collect());
    }

    /// The time of a phase so far.
    pub(super) fn phase_s(&self, phase: Phase) -> f64 {
        let seen = self.seen();
        seen.phases
            .iter()
            .find(|(p, _)| *p == phase)
            .map_or(0.0, |(_, s)| *s)
    }

    /// Everything seen, with the verdict. A look that found nothing worse is degraded when it took longer than is allowed.
    pub(super) fn outcome(
        &self,
        started: u64,
        found: Option<Found>,
        degraded_above_ms: Option<i64>,
    ) -> ProbeOutcome {
        let duration_s = self.seconds_since(started);
        if let Some(said) = degraded_above_ms.and_then(|allowed_ms| too_slow("it", duration_s, allowed_ms)) {
            self.degrade(ProbeReason::Latency, said);
        }
        let mut seen = std::mem::take(&mut *self.seen());
        let hung = seen.under_way.map(|(phase, _)| phase);
        let now = (self.nanos)();
        seen.turn(None, now);
        let mut outcome = match found {
            Some(Ok(())) => match seen.degraded {
                Some(fault) => ProbeOutcome::fault(fault.verdict, fault.reason, fault.detail),
                None => ProbeOutcome::pass(),
            },
            Some(Err(fault)) => ProbeOutcome::fault(fault.verdict, fault.reason, fault.detail),
            None => {
                let place = hung.map_or_else(String::new, |phase| format!(" (it hung in {phase})"));
                let detail = format!("not done within {} ms{place}", self.timeout_ms);
                ProbeOutcome::fail(ProbeReason::Timeout, detail)
            }
        };
        outcome.duration_s = duration_s;
        outcome.phases = seen.phases;
        outcome.series = seen.series;
        outcome.notes = seen.notes;
        outcome.version = seen.version;
        outcome
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// FNV-1a over the bytes of the address, as blackbox_exporter has it.
fn address_hash(ip: IpAddr) -> u32 {
    let add = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619);
    const BASIS: u32 = 2_166_136_261;
    match ip {
        IpAddr::V4(ip) => ip.octets().iter().fold(BASIS, add),
        IpAddr::V6(ip) => ip.octets().iter().fold(BASIS, add),
    }
}

/// What is said of a time that is longer than is allowed.
pub(super) fn too_slow(what: &str, seconds: f64, allowed_ms: i64) -> Option<String> {
    let took_ms = seconds * 1000.0;
    let is_too_slow = took_ms > allowed_ms as f64;
    is_too_slow.then(|| format!("{what} took {:.0} ms, {allowed_ms} are allowed", took_ms.ceil()))
}

impl Seen {
    fn turn(&mut self, next: Option<(Phase, u64)>, now: u64) {
        if let Some((phase, began)) = std::mem::replace(&mut self.under_way, next) {
            let seconds = now.saturating_sub(began) as f64 / 1e9;
            match self.phases.iter_mut().find(|(p, _)| *p == phase) {
                Some((_, total)) => *total += seconds,
                None => self.phases.push((phase, seconds)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_address_is_that_of_blackbox_exporter() {
        assert_eq!(address_hash(IpAddr::from([127, 0, 0, 1])), 3_668_918_509);
        assert_eq!(address_hash("::1".parse().unwrap()), 1_751_717_746);
    }
}
