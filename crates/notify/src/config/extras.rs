//! What Alertmanager does not have: fallback, retries, cooldown, flap detection, storm collapse, escalation.
//!
//! Everything here is off, or harmless, until it is configured: a file of Alertmanager's alone behaves as there.

use super::interval::TimeInterval;
use super::matchers::parse_matchers;
use super::oncall::{OnCall, RawPerson, RawSchedule};
use crate::channels::http::{HttpConfig, TIMEOUT};
use crate::forward::ForwardTarget;
use lapwing_types::{Labels, Matcher, Severity, parse_duration_ms};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawExtras {
    fallback_receiver: Option<String>,
    fallback_after: Option<String>,
    give_up_after: Option<String>,
    cooldown: BTreeMap<String, String>,
    flap: Option<RawFlap>,
    storm: Option<RawStorm>,
    escalations: Vec<RawChain>,
    alertmanagers: Vec<RawAlertmanager>,
    people: Vec<RawPerson>,
    schedules: Vec<RawSchedule>,
    recurring_silences: Vec<RawRecurring>,
    keep_history: Option<String>,
    keep_ended_silences: Option<String>,
}

/// A silence that comes again whenever one of its time intervals holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecurring {
    name: String,
    matchers: Vec<String>,
    during: Vec<String>,
    #[serde(default)]
    comment: String,
}

/// An Alertmanager that is told as well; `http_config`'s keys beside its address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlertmanager {
    url: String,
    #[serde(default)]
    timeout: Option<String>,
    #[serde(default)]
    http_config: HttpConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFlap {
    window: String,
    changes: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStorm {
    groups: usize,
    window: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChain {
    name: String,
    #[serde(default)]
    matchers: Vec<String>,
    steps: Vec<RawStep>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    after: String,
    #[serde(default)]
    receiver: Option<String>,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default)]
    repeat: u32,
}

/// How long decisions and the ledger are kept: a month's report can still say why.
const HISTORY_KEPT_MS: i64 = 31 * 24 * 3_600_000;
/// As long as Alertmanager shows them.
const SILENCES_KEPT_MS: i64 = 5 * 24 * 3_600_000;

#[derive(Clone, Debug, Default)]
pub struct Extras {
    pub fallback_receiver: Option<String>,
    pub retry: RetryOptions,
    pub cooldown: Cooldown,
    pub flap: Option<FlapOptions>,
    pub storm: Option<StormOptions>,
    pub escalations: Vec<EscalationChain>,
    /// Alertmanagers that are told of every alert of a rule, as Prometheus would.
    pub alertmanagers: Vec<ForwardTarget>,
    pub on_call: OnCall,
    pub recurring_silences: Vec<RecurringSilence>,
    /// How long decisions and rows of the ledger can be asked for.
    pub history_kept_ms: i64,
    /// How long an ended silence is shown.
    pub silences_kept_ms: i64,
}

#[derive(Clone, Debug)]
pub struct RecurringSilence {
    pub name: String,
    pub comment: String,
    matchers: Vec<Matcher>,
    during: Vec<TimeInterval>,
}

impl RecurringSilence {
    pub fn hides(&self, labels: &Labels, now_ms: i64) -> bool {
        self.matchers.iter().all(|m| m.matches_labels(labels))
            && self.during.iter().any(|i| i.contains(now_ms))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct RetryOptions {
    pub first_ms: i64,
    pub most_ms: i64,
    /// After failing for this long, the fallback receiver is told as well.
    pub fallback_after_ms: i64,
    /// After failing for this long, the page is a dead letter.
    pub give_up_after_ms: i64,
}

impl Default for RetryOptions {
    fn default() -> Self {
        RetryOptions {
            first_ms: 1_000,
            most_ms: 120_000,
            fallback_after_ms: 300_000,
            give_up_after_ms: 24 * 3_600_000,
        }
    }
}

/// How long a second firing of the same alert is held back, by severity. Critical and emergency never are.
#[derive(Clone, Debug, Default)]
pub struct Cooldown {
    by_severity: BTreeMap<Severity, i64>,
}

impl Cooldown {
    pub fn of(&self, severity: Severity) -> i64 {
        if severity >= Severity::Critical {
            return 0;
        }
        self.by_severity.get(&severity).copied().unwrap_or(0)
    }
}

/// An alert that begins or ends this often within the window is flapping.
#[derive(Clone, Copy, Debug)]
pub struct FlapOptions {
    pub window_ms: i64,
    pub changes: usize,
}

/// When more groups than this open within the window for one receiver, they become one page.
#[derive(Clone, Copy, Debug)]
pub struct StormOptions {
    pub window_ms: i64,
    pub groups: usize,
}

#[derive(Clone, Debug)]
pub struct EscalationChain {
    pub name: String,
    pub matchers: Vec<Matcher>,
    pub steps: Vec<EscalationStep>,
}

/// Whom a step tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    Receiver(String),
    Person(String),
    /// Whoever has the schedule when the step is due.
    Schedule(String),
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Whom::Receiver(name) => write!(f, "receiver {name}"),
            Whom::Person(name) => write!(f, "person {name}"),
            Whom::Schedule(name) => write!(f, "schedule {name}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct EscalationStep {
    /// Since the first page.
    pub after_ms: i64,
    pub whom: Whom,
    /// How often it is told again, at the same distance.
    pub repeat: u32,
}

impl Extras {
    /// Each mistake is told with its place.
    pub(crate) fn compile(
        raw: &RawExtras,
        intervals: &BTreeMap<String, TimeInterval>,
        wrong: &mut Vec<(String, String)>,
    ) -> Extras {
        let mut ms = |place: &str, text: Option<&str>, default: i64| match text.map(parse_duration_ms) {
            None => default,
            Some(Ok(ms)) => ms,
            Some(Err(e)) => {
                wrong.push((place.to_owned(), e.to_string()));
                default
            }
        };
        let defaults = RetryOptions::default();
        let history_kept_ms = ms("keep_history", raw.keep_history.as_deref(), HISTORY_KEPT_MS);
        let silences_kept_ms = ms(
            "keep_ended_silences",
            raw.keep_ended_silences.as_deref(),
            SILENCES_KEPT_MS,
        );
        let retry = RetryOptions {
            fallback_after_ms: ms(
                "fallback_after",
                raw.fallback_after.as_deref(),
                defaults.fallback_after_ms,
            ),
            give_up_after_ms: ms(
                "give_up_after",
                raw.give_up_after.as_deref(),
                defaults.give_up_after_ms,
            ),
            ..defaults
        };
        let flap = raw.flap.as_ref().map(|flap| FlapOptions {
            window_ms: ms("flap", Some(&flap.window), 0),
            changes: flap.changes.max(2),
        });
        let storm = raw.storm.as_ref().map(|storm| StormOptions {
            window_ms: ms("storm", Some(&storm.window), 0),
            groups: storm.groups.max(1),
        });
        let mut by_severity = BTreeMap::new();
        for (word, text) in &raw.cooldown {
            let cooldown_ms = ms("cooldown", Some(text), 0);
            by_severity.insert(word, cooldown_ms);
        }
        let mut severities = BTreeMap::new();
        for (word, cooldown_ms) in by_severity {
            match Severity::parse(word) {
                Some(severity) => {
                    severities.insert(severity, cooldown_ms);
                }
                None => wrong.push(("cooldown".to_owned(), format!("{word:?} is not a severity"))),
            }
        }
        let on_call = OnCall::compile(&raw.people, &raw.schedules, intervals, wrong);
        let mut list = Faults(wrong);
        Extras {
            history_kept_ms,
            silences_kept_ms,
            fallback_receiver: raw.fallback_receiver.clone(),
            retry,
            cooldown: Cooldown {
                by_severity: severities,
            },
            flap,
            storm,
            escalations: list.right("escalations", &raw.escalations, chain),
            alertmanagers: list.right("alertmanagers", &raw.alertmanagers, alertmanager),
            on_call,
            recurring_silences: list.right("recurring_silences", &raw.recurring_silences, |one| {
                recurring(one, intervals)
            }),
        }
    }

    /// The receiver of a step at an instant, and a word about who that is; nothing when nobody has the schedule.
    pub fn receiver_of(&self, whom: &Whom, now_ms: i64) -> Option<(String, String)> {
        match whom {
            Whom::Receiver(name) => Some((name.clone(), whom.to_string())),
            Whom::Person(name) => Some((self.on_call.people.get(name)?.clone(), whom.to_string())),
            Whom::Schedule(name) => {
                let (person, receiver) = self.on_call.receiver_at(name, now_ms)?;
                Some((receiver.to_owned(), format!("{whom}, person {person}")))
            }
        }
    }
}

struct Faults<'a>(&'a mut Vec<(String, String)>);

impl Faults<'_> {
    /// What of a list is right; what is not is noted with its place in it.
    fn right<R, T>(&mut self, section: &str, raw: &[R], compile: impl Fn(&R) -> Result<T, String>) -> Vec<T> {
        let mut made = Vec::new();
        for (nth, one) in raw.iter().enumerate() {
            match compile(one) {
                Ok(one) => made.push(one),
                Err(reason) => self.0.push((format!("{section}[{nth}]"), reason)),
            }
        }
        made
    }
}

fn alertmanager(raw: &RawAlertmanager) -> Result<ForwardTarget, String> {
    if !raw.url.starts_with("http://") && !raw.url.starts_with("https://") {
        return Err(format!("alertmanagers: {:?} is no http address", raw.url));
    }
    let in_client = |reason: String| format!("alertmanagers: {reason}");
    raw.http_config.validate().map_err(in_client)?;
    let timeout = match &raw.timeout {
        None => TIMEOUT,
        Some(text) => {
            let ms = parse_duration_ms(text).map_err(|e| e.to_string())?;
            Duration::from_millis(ms.unsigned_abs().max(1))
        }
    };
    Ok(ForwardTarget {
        url: raw.url.clone(),
        http: raw.http_config.clone(),
        timeout,
        rewrite: None,
    })
}

fn recurring(
    raw: &RawRecurring,
    intervals: &BTreeMap<String, TimeInterval>,
) -> Result<RecurringSilence, String> {
    let fault = |reason: String| format!("recurring silence {:?}: {reason}", raw.name);
    let mut matchers = Vec::new();
    for text in &raw.matchers {
        matchers.extend(parse_matchers(text).map_err(|e| fault(e.to_string()))?);
    }
    if matchers.is_empty() {
        return Err(fault(
            "needs matchers: without any it would hide everything".to_owned(),
        ));
    }
    let mut during = Vec::new();
    for name in &raw.during {
        let interval = intervals.get(name);
        during.push(
            interval
                .ok_or_else(|| fault(format!("undefined time interval {name:?}")))?
                .clone(),
        );
    }
    if during.is_empty() {
        return Err(fault("needs a time interval in during".to_owned()));
    }
    Ok(RecurringSilence {
        name: raw.name.clone(),
        comment: raw.comment.clone(),
        matchers,
        during,
    })
}

fn whom(raw: &RawStep) -> Result<Whom, String> {
    match (&raw.receiver, &raw.person, &raw.schedule) {
        (Some(name), None, None) => Ok(Whom::Receiver(name.clone())),
        (None, Some(name), None) => Ok(Whom::Person(name.clone())),
        (None, None, Some(name)) => Ok(Whom::Schedule(name.clone())),
        _ => Err("a step names a receiver, a person or a schedule, and one of them only".to_owned()),
    }
}

fn chain(raw: &RawChain) -> Result<EscalationChain, String> {
    let mut matchers = Vec::new();
    for text in &raw.matchers {
        matchers.extend(parse_matchers(text).map_err(|e| e.to_string())?);
    }
    let mut steps = Vec::new();
    for step in &raw.steps {
        let after_ms = parse_duration_ms(&step.after).map_err(|e| e.to_string())?;
        if after_ms == 0 {
            return Err(format!("escalation {:?}: a step cannot come after 0s", raw.name));
        }
        steps.push(EscalationStep {
            after_ms,
            whom: whom(step).map_err(|reason| format!("escalation {:?}: {reason}", raw.name))?,
            repeat: step.repeat,
        });
    }
    Ok(EscalationChain {
        name: raw.name.clone(),
        matchers,
        steps,
    })
}
