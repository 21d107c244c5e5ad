//! What people and networks do while a test runs: acknowledgements, silences, receivers that are out.

use lapwing::{Meanwhile, Telling};
use lapwing_judge::testing::{Deed, Failure};
use lapwing_notify::config::parse_matchers;
use lapwing_notify::dispatch::{Silence, SilenceMatcher};
use lapwing_types::{MatchOp, Matcher, parse_duration_ms};
use serde_saphyr::Spanned;
use std::collections::VecDeque;

/// In the order of time.
pub(super) struct Deeds {
    waiting: VecDeque<(i64, u64, Meanwhile)>,
    pub(super) failures: Vec<Failure>,
}

impl Deeds {
    pub(super) fn read(deeds: &[Spanned<Deed>], start_ms: i64) -> Result<Deeds, Failure> {
        let mut waiting = Vec::with_capacity(deeds.len());
        for deed in deeds {
            let line = deed.referenced.line();
            let (at_ms, what) =
                read(&deed.value, start_ms).map_err(|e| Failure::said(line, format!("meanwhile: {e}")))?;
            waiting.push((at_ms, line, what));
        }
        waiting.sort_by_key(|(at_ms, line, _)| (*at_ms, *line));
        Ok(Deeds {
            waiting: waiting.into(),
            failures: Vec::new(),
        })
    }

    /// Everything that happens before this instant: at it, rules speak first.
    pub(super) fn until(&mut self, now_ms: i64, telling: &mut Telling) {
        while self.waiting.front().is_some_and(|(at_ms, ..)| *at_ms < now_ms) {
            let Some((at_ms, line, what)) = self.waiting.pop_front() else {
                return;
            };
            if let Err(error) = telling.meanwhile(at_ms, what) {
                self.failures
                    .push(Failure::said(line, format!("meanwhile: {error}")));
            }
        }
    }

    /// What lies behind the end of the test was never done.
    pub(super) fn end(self) -> Vec<Failure> {
        let late = self.waiting.iter().map(|(_, line, _)| {
            Failure::said(
                *line,
                "meanwhile: the test is over before this; `until` makes it longer",
            )
        });
        let mut failures = self.failures;
        failures.extend(late);
        failures
    }
}

fn read(deed: &Deed, start_ms: i64) -> Result<(i64, Meanwhile), String> {
    let duration = |field: &str, text: &str| parse_duration_ms(text).map_err(|e| format!("{field}: {e}"));
    let at_ms = start_ms + duration("at", &deed.at)?;
    let lasts_ms = deed.lasts.as_deref().map(|t| duration("for", t)).transpose()?;
    let until_ms = lasts_ms.map(|ms| at_ms + ms);
    let by = deed.by.clone().unwrap_or_else(|| "somebody".to_owned());
    let needs_for = |what: &str| format!("{what} says how long with `for`");
    let words = (&deed.ack, &deed.unack, &deed.silence, &deed.outage);
    let what = match words {
        (Some(alerts), None, None, None) => Meanwhile::Ack {
            matchers: matchers(alerts)?,
            by,
            comment: deed.comment.clone(),
            until_ms,
        },
        (None, Some(alerts), None, None) => Meanwhile::Unack {
            matchers: matchers(alerts)?,
        },
        (None, None, Some(alerts), None) => Meanwhile::Silence(Silence {
            id: String::new(),
            matchers: matchers(alerts)?.iter().map(of_silence).collect(),
            starts_at_ms: at_ms,
            ends_at_ms: until_ms.ok_or_else(|| needs_for("a silence"))?,
            updated_at_ms: at_ms,
            created_by: by,
            comment: if deed.comment.is_empty() {
                "of a test".to_owned()
            } else {
                deed.comment.clone()
            },
            annotations: std::collections::BTreeMap::new(),
            until_resolved: false,
        }),
        (None, None, None, Some(receiver)) => Meanwhile::Outage {
            receiver: receiver.clone(),
            until_ms: until_ms.ok_or_else(|| needs_for("an outage"))?,
        },
        _ => return Err("one of ack, unack, silence and outage has to stand here".to_owned()),
    };
    Ok((at_ms, what))
}

/// A name alone is the alert's.
fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.trim();
    if text.contains(['=', '~', '{']) {
        return parse_matchers(text).map_err(|e| e.to_string());
    }
    parse_matchers(&format!("alertname={text:?}")).map_err(|e| e.to_string())
}

fn of_silence(matcher: &Matcher) -> SilenceMatcher {
    let (is_regex, is_equal) = match matcher.op {
        MatchOp::Equal => (false, true),
        MatchOp::NotEqual => (false, false),
        MatchOp::Regex => (true, true),
        MatchOp::NotRegex => (true, false),
    };
    SilenceMatcher {
        name: matcher.name.clone(),
        value: matcher.value.clone(),
        is_regex,
        is_equal,
    }
}
