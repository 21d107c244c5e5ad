//! On-call schedules: who is to be woken at an instant.
//!
//! A schedule is a stack of rotations in one time zone; where several say somebody, the last one counts, and an override counts
//! over all. Hand-overs keep their time of day over a change of the clocks: a rotation counts days, not hours.

use super::interval::TimeInterval;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Unit};
use lapwing_types::parse_duration_ms;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DAY_MS: i64 = 24 * 3_600_000;
/// How far ahead the next hand-over is looked for, and in which steps.
const AHEAD_MS: i64 = 60 * DAY_MS;
const AHEAD_STEP_MS: i64 = 15 * 60_000;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPerson {
    name: String,
    receiver: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSchedule {
    name: String,
    #[serde(default)]
    time_zone: Option<String>,
    rotations: Vec<RawRotation>,
    #[serde(default)]
    overrides: Vec<RawOverride>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRotation {
    people: Vec<String>,
    starts: String,
    #[serde(default)]
    every: Option<String>,
    #[serde(default)]
    during: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOverride {
    person: String,
    from: String,
    until: String,
}

/// People and schedules, by name.
#[derive(Clone, Debug, Default)]
pub struct OnCall {
    /// Person → the receiver that reaches them.
    pub people: BTreeMap<String, String>,
    pub schedules: BTreeMap<String, Schedule>,
}

#[derive(Clone, Debug)]
pub struct Schedule {
    zone: TimeZone,
    rotations: Vec<Rotation>,
    overrides: Vec<Override>,
}

#[derive(Clone, Debug)]
struct Rotation {
    people: Vec<String>,
    starts: DateTime,
    every: Every,
    /// Only while one of these holds; empty: always.
    during: Vec<TimeInterval>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Every {
    Days(i64),
    Ms(i64),
}

#[derive(Clone, Debug)]
struct Override {
    person: String,
    from_ms: i64,
    until_ms: i64,
}

/// Who has a schedule now, and who has it next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnCallView {
    pub schedule: String,
    pub person: Option<String>,
    pub receiver: Option<String>,
    /// When somebody else takes over, as far as that is within two months.
    pub until_ms: Option<i64>,
    pub next: Option<String>,
}

impl OnCall {
    /// Each mistake is told with its place. A schedule with mistakes is there all the same, so that whoever names it is not
    /// accused of another one.
    pub(crate) fn compile(
        people: &[RawPerson],
        schedules: &[RawSchedule],
        intervals: &BTreeMap<String, TimeInterval>,
        wrong: &mut Vec<(String, String)>,
    ) -> OnCall {
        let mut out = OnCall::default();
        for person in people {
            let before = out.people.insert(person.name.clone(), person.receiver.clone());
            if before.is_some() {
                let reason = format!("person {:?} is there twice", person.name);
                wrong.push((format!("people[{}]", person.name), reason));
            }
        }
        for raw in schedules {
            let place = format!("schedules[{}]", raw.name);
            let mut faults = Vec::new();
            let schedule = Schedule::compile(raw, &out.people, intervals, &mut faults);
            let said = |reason| (place.clone(), format!("schedule {:?}: {reason}", raw.name));
            wrong.extend(faults.into_iter().map(said));
            if out.schedules.insert(raw.name.clone(), schedule).is_some() {
                wrong.push((place, format!("schedule {:?} is there twice", raw.name)));
            }
        }
        out
    }

    /// The receiver of whoever has the schedule.
    pub fn receiver_at(&self, schedule: &str, now_ms: i64) -> Option<(&str, &str)> {
        let person = self.schedules.get(schedule)?.person_at(now_ms)?;
        Some((person, self.people.get(person)?))
    }

    pub fn view(&self, now_ms: i64) -> Vec<OnCallView> {
        self.schedules
            .iter()
            .map(|(name, schedule)| {
                let person = schedule.person_at(now_ms);
                let change = schedule.next_change(now_ms);
                OnCallView {
                    schedule: name.clone(),
                    person: person.map(str::to_owned),
                    receiver: person.and_then(|p| self.people.get(p)).cloned(),
                    until_ms: change.map(|(at_ms, _)| at_ms),
                    next: change.and_then(|(_, next)| next).map(str::to_owned),
                }
            })
            .collect()
    }
}

impl Schedule {
    fn compile(
        raw: &RawSchedule,
        people: &BTreeMap<String, String>,
        intervals: &BTreeMap<String, TimeInterval>,
        wrong: &mut Vec<String>,
    ) -> Schedule {
        let zone = match raw.time_zone.as_deref().map(|name| (name, TimeZone::get(name))) {
            None => TimeZone::UTC,
            Some((_, Ok(zone))) => zone,
            Some((name, Err(_))) => {
                wrong.push(format!("{name:?} is no time zone"));
                TimeZone::UTC
            }
        };
        if raw.rotations.is_empty() {
            wrong.push("needs at least one rotation".to_owned());
        }
        let mut rotations = Vec::new();
        for raw in &raw.rotations {
            match rotation(raw, people, intervals) {
                Ok(rotation) => rotations.push(rotation),
                Err(faults) => wrong.extend(faults),
            }
        }
        let mut overrides = Vec::new();
        for raw in &raw.overrides {
            match one_override(raw, people, &zone) {
                Ok(one) => overrides.push(one),
                Err(fault) => wrong.push(fault),
            }
        }
        Schedule {
            zone,
            rotations,
            overrides,
        }
    }

    pub fn person_at(&self, now_ms: i64) -> Option<&str> {
        let covers = |o: &&Override| (o.from_ms..o.until_ms).contains(&now_ms);
        if let Some(one) = self.overrides.iter().rev().find(covers) {
            return Some(&one.person);
        }
        self.rotations
            .iter()
            .rev()
            .find_map(|rotation| rotation.person_at(&self.zone, now_ms))
    }

    /// When the person changes next, and to whom; to the minute.
    fn next_change(&self, now_ms: i64) -> Option<(i64, Option<&str>)> {
        let current = self.person_at(now_ms);
        let mut at_ms = now_ms;
        let end_ms = now_ms + AHEAD_MS;
        while at_ms < end_ms && self.person_at(at_ms + AHEAD_STEP_MS) == current {
            at_ms += AHEAD_STEP_MS;
        }
        if at_ms >= end_ms {
            return None;
        }
        let (mut before, mut after) = (at_ms, at_ms + AHEAD_STEP_MS);
        while after - before > 1_000 {
            let middle = before + (after - before) / 2;
            match self.person_at(middle) == current {
                true => before = middle,
                false => after = middle,
            }
        }
        let after = after.div_euclid(1_000) * 1_000;
        Some((after, self.person_at(after)))
    }
}

impl Rotation {
    fn person_at(&self, zone: &TimeZone, now_ms: i64) -> Option<&str> {
        if !self.during.is_empty() && !self.during.iter().any(|i| i.contains(now_ms)) {
            return None;
        }
        // An hour that clocks show twice hands over once, and one that they leave out hands over as well.
        let begin_ms = |days: i64| {
            let local = self.starts.checked_add(Span::new().try_days(days).ok()?).ok()?;
            Some(local.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
        };
        let start_ms = begin_ms(0)?;
        if now_ms < start_ms {
            return None;
        }
        let turns = match self.every {
            Every::Days(days) => {
                let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(zone.clone());
                let passed = now.datetime().since((Unit::Day, self.starts)).ok()?.get_days();
                // The clock on the wall may be an hour off either way.
                let about = i64::from(passed) / days;
                let begun = |turn: &i64| begin_ms(turn * days).is_some_and(|at_ms| at_ms <= now_ms);
                [about + 1, about].into_iter().find(begun).unwrap_or(about - 1)
            }
            Every::Ms(ms) => (now_ms - start_ms) / ms,
        };
        let index = turns.rem_euclid(self.people.len() as i64) as usize;
        Some(&self.people[index])
    }
}

/// `2026-11-02 09:00`, `2026-11-02T09:00:00` or a date alone.
fn known(name: &str, people: &BTreeMap<String, String>) -> Result<String, String> {
    match people.contains_key(name) {
        true => Ok(name.to_owned()),
        false => Err(format!("person {name:?} is not defined under people")),
    }
}

/// Or everything that is wrong with it.
fn rotation(
    raw: &RawRotation,
    people: &BTreeMap<String, String>,
    intervals: &BTreeMap<String, TimeInterval>,
) -> Result<Rotation, Vec<String>> {
    let mut wrong = Vec::new();
    if raw.people.is_empty() {
        wrong.push("a rotation needs people".to_owned());
    }
    let mut taking_turns = Vec::new();
    for name in &raw.people {
        match known(name, people) {
            Ok(name) => taking_turns.push(name),
            Err(fault) => wrong.push(fault),
        }
    }
    let mut during = Vec::new();
    for name in &raw.during {
        match intervals.get(name) {
            Some(interval) => during.push(interval.clone()),
            None => wrong.push(format!("undefined time interval {name:?}")),
        }
    }
    let starts = local_time(&raw.starts).map_err(|fault| wrong.push(fault));
    let every = every(raw.every.as_deref()).map_err(|fault| wrong.push(fault));
    match (starts, every) {
        (Ok(starts), Ok(every)) if wrong.is_empty() => Ok(Rotation {
            people: taking_turns,
            starts,
            every,
            during,
        }),
        _ => Err(wrong),
    }
}

fn one_override(
    raw: &RawOverride,
    people: &BTreeMap<String, String>,
    zone: &TimeZone,
) -> Result<Override, String> {
    let at = |text: &str| -> Result<i64, String> {
        let zoned = local_time(text)?
            .to_zoned(zone.clone())
            .map_err(|e| format!("{text:?}: {e}"))?;
        Ok(zoned.timestamp().as_millisecond())
    };
    let (from_ms, until_ms) = (at(&raw.from)?, at(&raw.until)?);
    if until_ms <= from_ms {
        return Err(format!("the override of {:?} ends before it begins", raw.person));
    }
    Ok(Override {
        person: known(&raw.person, people)?,
        from_ms,
        until_ms,
    })
}

fn local_time(text: &str) -> Result<DateTime, String> {
    let wrong = || format!("{text:?} is no local time (write 2026-11-02 09:00)");
    if let Ok(date) = text.trim().parse::<jiff::civil::Date>()
        && !text.contains(':')
    {
        return Ok(date.to_datetime(jiff::civil::Time::midnight()));
    }
    let time: DateTime = text.trim().parse().map_err(|_| wrong())?;
    // A time that is not on the calendar after a day is no time to start from.
    time.checked_add(1.day()).map_err(|_| wrong())?;
    Ok(time)
}

fn every(text: Option<&str>) -> Result<Every, String> {
    let text = text.unwrap_or("1w");
    let ms = parse_duration_ms(text).map_err(|e| e.to_string())?;
    match ms {
        0 => Err("a rotation cannot turn every 0s".to_owned()),
        ms if ms % DAY_MS == 0 => Ok(Every::Days(ms / DAY_MS)),
        ms => Ok(Every::Ms(ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_call(yaml: &str) -> Result<OnCall, String> {
        #[derive(Deserialize)]
        struct Whole {
            people: Vec<RawPerson>,
            schedules: Vec<RawSchedule>,
            #[serde(default)]
            time_intervals: Vec<super::super::interval::RawTimeInterval>,
        }
        let whole: Whole = serde_saphyr::from_str(yaml).unwrap();
        let intervals = whole
            .time_intervals
            .iter()
            .map(|raw| (raw.name.clone(), TimeInterval::compile(raw).unwrap()))
            .collect();
        let mut wrong = Vec::new();
        let made = OnCall::compile(&whole.people, &whole.schedules, &intervals, &mut wrong);
        match wrong.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>() {
            faults if faults.is_empty() => Ok(made),
            faults => Err(faults.join("\n")),
        }
    }

    const PEOPLE: &str =
        "people: [{ name: ana, receiver: a }, { name: ben, receiver: b }, { name: cy, receiver: c }]\n";

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn check(schedules: &str, expect: &[(&str, Option<&str>)]) {
        let on_call = on_call(&format!("{PEOPLE}{schedules}")).unwrap();
        for (time, person) in expect {
            let found = on_call.receiver_at("main", at(time)).map(|(person, _)| person);
            assert_eq!(found, *person, "{time}");
        }
    }

    #[test]
    fn weeks_change_hands_at_the_same_time_of_day_over_a_change_of_the_clocks() {
        // Vienna leaves summer time on 2026-10-25: 09:00 is 07:00 UTC before and 08:00 UTC after.
        check(
            "schedules: [{ name: main, time_zone: Europe/Vienna, rotations: [{ people: [ana, ben], starts: 2026-10-19 09:00 }] }]",
            &[
                ("2026-10-19T06:59:00Z", None),
                ("2026-10-19T07:00:00Z", Some("ana")),
                ("2026-10-26T07:59:59Z", Some("ana")),
                ("2026-10-26T08:00:00Z", Some("ben")),
                ("2026-11-02T08:00:00Z", Some("ana")),
            ],
        );
    }

    #[test]
    fn an_hour_that_comes_twice_hands_over_once() {
        check(
            "schedules: [{ name: main, time_zone: Europe/Vienna, rotations: [{ people: [ana, ben], starts: 2026-03-28 02:30, every: 1d }] }]",
            &[
                ("2026-03-29T01:29:00Z", Some("ana")),
                ("2026-03-29T01:30:00Z", Some("ben")),
                ("2026-10-25T00:29:00Z", Some("ana")),
                ("2026-10-25T00:30:00Z", Some("ben")),
                ("2026-10-25T01:10:00Z", Some("ben")),
                ("2026-10-25T01:30:00Z", Some("ben")),
                ("2026-10-26T01:30:00Z", Some("ana")),
            ],
        );
    }

    #[test]
    fn the_last_rotation_that_says_somebody_counts_and_an_override_over_all() {
        check(
            "schedules: [{ name: main, rotations: [\
             { people: [ana, ben], starts: 2026-11-02, every: 1d }, { people: [cy], starts: 2026-11-01, during: [nights] }],\
             overrides: [{ person: ben, from: 2026-11-03 01:00, until: 2026-11-03 02:00 }] }]\n\
             time_intervals: [{ name: nights, time_intervals: [{ times: [{ start_time: '00:00', end_time: '06:00' }] }] }]",
            &[
                ("2026-11-02T12:00:00Z", Some("ana")),
                ("2026-11-03T00:30:00Z", Some("cy")),
                ("2026-11-03T01:30:00Z", Some("ben")),
                ("2026-11-03T02:00:00Z", Some("cy")),
                ("2026-11-03T06:00:00Z", Some("ben")),
            ],
        );
    }

    #[test]
    fn shifts_may_be_shorter_than_a_day() {
        check(
            "schedules: [{ name: main, rotations: [{ people: [ana, ben, cy], starts: 2026-11-02, every: 8h }] }]",
            &[
                ("2026-11-02T07:59:00Z", Some("ana")),
                ("2026-11-02T08:00:00Z", Some("ben")),
                ("2026-11-02T23:00:00Z", Some("cy")),
                ("2026-11-03T00:00:00Z", Some("ana")),
            ],
        );
    }

    #[test]
    fn the_view_says_who_is_next_and_when() {
        let on_call = on_call(&format!(
            "{PEOPLE}schedules: [{{ name: main, rotations: [{{ people: [ana, ben], starts: 2026-11-02 }}] }}]"
        ))
        .unwrap();
        let view = on_call.view(at("2026-11-05T10:00:00Z"));
        assert_eq!(view[0].person.as_deref(), Some("ana"));
        assert_eq!(view[0].receiver.as_deref(), Some("a"));
        assert_eq!(view[0].until_ms, Some(at("2026-11-09T00:00:00Z")));
        assert_eq!(view[0].next.as_deref(), Some("ben"));
    }

    #[test]
    fn mistakes_are_named() {
        for (schedule, reason) in [
            (
                "rotations: [{ people: [dora], starts: 2026-11-02 }]",
                "person \"dora\" is not defined",
            ),
            ("rotations: [{ people: [ana], starts: soon }]", "is no local time"),
            ("rotations: [{ people: [], starts: 2026-11-02 }]", "needs people"),
            ("rotations: []", "at least one rotation"),
            (
                "time_zone: Mars/Base, rotations: [{ people: [ana], starts: 2026-11-02 }]",
                "is no time zone",
            ),
            (
                "rotations: [{ people: [ana], starts: 2026-11-02, during: [x] }]",
                "undefined time interval",
            ),
            (
                "rotations: [{ people: [ana], starts: 2026-11-02, every: 0s }]",
                "every 0s",
            ),
            (
                "rotations: [{ people: [ana], starts: 2026-11-02 }], overrides: [{ person: ben, from: 2026-11-03, until: 2026-11-02 }]",
                "ends before it begins",
            ),
        ] {
            let error = on_call(&format!("{PEOPLE}schedules: [{{ name: main, {schedule} }}]")).unwrap_err();
            assert!(error.contains(reason), "{schedule}: {error}");
        }
    }
}
