//! Silences: API v2's nouns. Written down at once, so that neither a crash nor a restart un-silences anything; an ended one
//! never comes back.

use super::dispatcher::Dispatcher;
use lapwing_types::{Alert, Kept, Labels, MatchOp, Matcher, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const MATCHERS_MAX: usize = 100;
/// Of so few alerts a silence may hide most without a word.
const FEW_ALERTS: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceMatcher {
    pub name: String,
    pub value: String,
    #[serde(default)]
    pub is_regex: bool,
    #[serde(default = "yes", deserialize_with = "yes_unless_said")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Clients of before it existed leave it out, or send `null`.
fn yes_unless_said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::<bool>::deserialize(deserializer).map(|said| said.unwrap_or(true))
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    pub id: String,
    pub matchers: Vec<SilenceMatcher>,
    pub starts_at_ms: i64,
    pub ends_at_ms: i64,
    pub updated_at_ms: i64,
    pub created_by: String,
    pub comment: String,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Ends by itself when nothing that it matches is firing any more.
    #[serde(default)]
    pub until_resolved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceState {
    Pending,
    Active,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    #[error("silence {id:?} not found")]
    NotFound { id: String },
    #[error("silence invalid: {reason}")]
    Invalid { reason: String },
}

impl SilenceState {
    pub fn as_str(self) -> &'static str {
        match self {
            SilenceState::Pending => "pending",
            SilenceState::Active => "active",
            SilenceState::Expired => "expired",
        }
    }
}

impl SilenceMatcher {
    pub fn compile(&self) -> Result<Matcher, SilenceError> {
        let op = match (self.is_regex, self.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Matcher::new(op, &*self.name, &*self.value).map_err(|e| SilenceError::Invalid {
            reason: e.to_string(),
        })
    }
}

impl Silence {
    pub fn state(&self, now_ms: i64) -> SilenceState {
        if now_ms >= self.ends_at_ms {
            SilenceState::Expired
        } else if now_ms < self.starts_at_ms {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    fn validate(&self) -> Result<(), SilenceError> {
        let invalid = |reason: &str| {
            Err(SilenceError::Invalid {
                reason: reason.to_owned(),
            })
        };
        if self.matchers.is_empty() {
            return invalid("at least one matcher required");
        }
        if self.matchers.len() > MATCHERS_MAX {
            return invalid("too many matchers");
        }
        let mut all_match_empty = true;
        for matcher in &self.matchers {
            if matcher.name.is_empty() {
                return invalid("a matcher's label name is empty");
            }
            // As in Alertmanager, one that excludes says enough, though a label that is not there satisfies it.
            all_match_empty &= matcher.compile()?.matches("") && matcher.is_equal;
        }
        if all_match_empty {
            return invalid("at least one matcher must not match the empty string");
        }
        if self.ends_at_ms <= self.starts_at_ms {
            return invalid("end time must not be before start time");
        }
        Ok(())
    }
}

/// Matchers are compiled once per change, not per alert.
#[derive(Debug, Default)]
pub(crate) struct CompiledSilences {
    all: Vec<(String, Vec<Matcher>)>,
}

impl CompiledSilences {
    pub(crate) fn rebuild(&mut self, silences: &Kept<Silence>) {
        self.all = silences
            .iter()
            .filter_map(|(id, silence)| {
                let matchers: Result<Vec<Matcher>, _> =
                    silence.matchers.iter().map(SilenceMatcher::compile).collect();
                matchers.ok().map(|m| (id.to_owned(), m))
            })
            .collect();
    }

    fn matching<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a str> {
        self.all
            .iter()
            .filter(|(_, matchers)| matchers.iter().all(|m| m.matches_labels(labels)))
            .map(|(id, _)| id.as_str())
    }
}

impl Dispatcher {
    /// Ids of the active silences that match; those of the configuration are called `recurring/NAME`.
    pub fn silences_of(&self, labels: &Labels, now_ms: i64) -> Vec<String> {
        let recurring = self
            .config
            .extras
            .recurring_silences
            .iter()
            .filter(|s| s.hides(labels, now_ms))
            .map(|s| format!("recurring/{}", s.name));
        let set = self
            .silences
            .matching(labels)
            .filter(|id| {
                let silence = self.state.silences.get(id);
                silence.is_some_and(|s| s.state(now_ms) == SilenceState::Active)
            })
            .map(str::to_owned);
        recurring.chain(set).collect()
    }

    /// Creates (empty id) or changes a silence; returns its id. As in Alertmanager, a change of what an active silence
    /// means ends the old one and begins a new one.
    pub fn set_silence(&mut self, mut silence: Silence, now_ms: i64) -> Result<String, SilenceError> {
        silence.updated_at_ms = now_ms;
        if silence.id.is_empty() {
            silence.starts_at_ms = silence.starts_at_ms.max(now_ms);
            if silence.ends_at_ms <= now_ms {
                return Err(SilenceError::Invalid {
                    reason: "end time can't be in the past".to_owned(),
                });
            }
        }
        silence.validate()?;
        if !silence.id.is_empty() {
            let old = self
                .state
                .silences
                .get(&silence.id)
                .ok_or_else(|| SilenceError::NotFound {
                    id: silence.id.clone(),
                })?;
            let extends = old.matchers == silence.matchers
                && match old.state(now_ms) {
                    SilenceState::Active => {
                        old.starts_at_ms == silence.starts_at_ms && silence.ends_at_ms >= now_ms
                    }
                    SilenceState::Pending => silence.starts_at_ms >= now_ms,
                    SilenceState::Expired => false,
                };
            if !extends {
                if old.state(now_ms) != SilenceState::Expired {
                    let id = silence.id.clone();
                    self.end_silence(&id, now_ms)?;
                }
                silence.id = String::new();
                silence.starts_at_ms = silence.starts_at_ms.max(now_ms);
            }
        }
        if silence.id.is_empty() {
            silence.id = self.new_id("silence", now_ms);
        }
        let id = silence.id.clone();
        self.state.silences.insert(id.clone(), silence);
        self.silences.rebuild(&self.state.silences);
        Ok(id)
    }

    pub fn end_silence(&mut self, id: &str, now_ms: i64) -> Result<(), SilenceError> {
        let silence = self
            .state
            .silences
            .get_mut(id)
            .ok_or_else(|| SilenceError::NotFound { id: id.to_owned() })?;
        silence.starts_at_ms = silence.starts_at_ms.min(now_ms);
        silence.ends_at_ms = silence.ends_at_ms.min(now_ms);
        silence.updated_at_ms = now_ms;
        // What it hid is weighed again at the next flush, and said in the record.
        for told in self.last_reason.values_mut() {
            told.retain(|(_, reason)| *reason != lapwing_types::DecisionReason::Silenced);
        }
        Ok(())
    }

    pub fn silence(&self, id: &str) -> Option<&Silence> {
        self.state.silences.get(id)
    }

    /// How many firing alerts a silence would hide: the warning before one that hides too much.
    pub fn would_hide(&self, silence: &Silence) -> Result<Vec<Alert>, SilenceError> {
        let matchers: Vec<Matcher> = silence
            .matchers
            .iter()
            .map(SilenceMatcher::compile)
            .collect::<Result<_, _>>()?;
        Ok(self.firing(&matchers))
    }

    /// What a silence would hide now, and a warning where it hides a critical alert or most of what fires.
    pub fn preview_silence(&self, silence: &Silence) -> Result<(Vec<Alert>, Option<String>), SilenceError> {
        let hidden = self.would_hide(silence)?;
        let firing = self.state.alerts.values().filter(|a| !a.is_resolved).count();
        let critical = hidden
            .iter()
            .filter(|a| a.severity() >= Severity::Critical)
            .count();
        let warning = if critical > 0 {
            Some(format!("hides {critical} critical of {} alerts", hidden.len()))
        } else if firing > FEW_ALERTS && hidden.len() * 2 > firing {
            Some(format!("hides {} of the {firing} alerts that fire", hidden.len()))
        } else {
            None
        };
        Ok((hidden, warning))
    }

    pub(super) fn expire_silences(&mut self, now_ms: i64) {
        let kept_ms = self.config.extras.silences_kept_ms;
        let over: Vec<String> = self
            .state
            .silences
            .iter()
            .filter(|(_, s)| now_ms - s.ends_at_ms > kept_ms)
            .map(|(k, _)| k.to_owned())
            .collect();
        let has_gone = !over.is_empty();
        for id in over {
            self.state.silences.remove(&id);
        }
        if has_gone {
            self.silences.rebuild(&self.state.silences);
        }
        let until: Vec<String> = self
            .state
            .silences
            .iter()
            .filter(|(_, s)| s.until_resolved && s.state(now_ms) == SilenceState::Active)
            .filter(|(_, s)| self.would_hide(s).is_ok_and(|hidden| hidden.is_empty()))
            .map(|(k, _)| k.to_owned())
            .collect();
        for id in until {
            if let Some(silence) = self.state.silences.get_mut(&id) {
                silence.ends_at_ms = now_ms;
                silence.updated_at_ms = now_ms;
            }
        }
    }
}
