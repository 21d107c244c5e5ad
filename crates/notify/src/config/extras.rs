//! What Alertmanager does not have: fallback, retries, cooldown, flap detection, storm collapse, escalation.
//!
//! Everything here is off, or harmless, until it is configured: a file of Alertmanager's alone behaves as there.

use super::matchers::parse_matchers;
use lapwing_types::{Matcher, Severity, parse_duration_ms};
use serde::Deserialize;
use std::collections::BTreeMap;

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
    receiver: String,
    #[serde(default)]
    repeat: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Extras {
    pub fallback_receiver: Option<String>,
    pub retry: RetryOptions,
    pub cooldown: Cooldown,
    pub flap: Option<FlapOptions>,
    pub storm: Option<StormOptions>,
    pub escalations: Vec<EscalationChain>,
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

#[derive(Clone, Debug)]
pub struct EscalationStep {
    /// Since the first page.
    pub after_ms: i64,
    pub receiver: String,
    /// How often it is told again, at the same distance.
    pub repeat: u32,
}

impl Extras {
    pub(crate) fn compile(raw: &RawExtras) -> Result<Extras, String> {
        let duration = |text: &Option<String>, default: i64| match text {
            Some(text) => parse_duration_ms(text).map_err(|e| e.to_string()),
            None => Ok(default),
        };
        let ms = |text: &str| parse_duration_ms(text).map_err(|e| e.to_string());
        let defaults = RetryOptions::default();
        let mut by_severity = BTreeMap::new();
        for (word, text) in &raw.cooldown {
            let severity =
                Severity::parse(word).ok_or_else(|| format!("cooldown: {word:?} is not a severity"))?;
            by_severity.insert(severity, ms(text)?);
        }
        let flap = match &raw.flap {
            None => None,
            Some(flap) => Some(FlapOptions {
                window_ms: ms(&flap.window)?,
                changes: flap.changes.max(2),
            }),
        };
        let storm = match &raw.storm {
            None => None,
            Some(storm) => Some(StormOptions {
                window_ms: ms(&storm.window)?,
                groups: storm.groups.max(1),
            }),
        };
        Ok(Extras {
            fallback_receiver: raw.fallback_receiver.clone(),
            retry: RetryOptions {
                fallback_after_ms: duration(&raw.fallback_after, defaults.fallback_after_ms)?,
                give_up_after_ms: duration(&raw.give_up_after, defaults.give_up_after_ms)?,
                ..defaults
            },
            cooldown: Cooldown { by_severity },
            flap,
            storm,
            escalations: raw.escalations.iter().map(chain).collect::<Result<_, _>>()?,
        })
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
            receiver: step.receiver.clone(),
            repeat: step.repeat,
        });
    }
    Ok(EscalationChain {
        name: raw.name.clone(),
        matchers,
        steps,
    })
}
