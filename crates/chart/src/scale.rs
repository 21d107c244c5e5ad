//! From values to places: where ticks stand, and what they are called.

use crate::scene::{XAxis, YAxis};
use crate::value::Unit;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub at: f64,
    pub label: String,
}

/// More ticks than this are never made, whatever is asked.
const TICKS_MAX: usize = 50;

/// At most about `count` ticks at round values between `low` and `high`, inclusive.
pub fn nice_ticks(low: f64, high: f64, count: usize, unit: Unit) -> Vec<Tick> {
    let span = high - low;
    if span.is_nan() || span <= 0.0 || span.is_infinite() {
        return Vec::new();
    }
    let step = nice_step(span / count.clamp(1, TICKS_MAX) as f64, unit);
    let first = (low / step - 1e-9).ceil();
    (0..TICKS_MAX)
        .map(|i| (first + i as f64) * step)
        .take_while(|at| *at <= high + step * 1e-9)
        .map(|at| Tick {
            at,
            label: unit.tick(at, step, low.abs().max(high.abs())),
        })
        .collect()
}

/// 1, 2, 2.5 or 5 times a power of ten; powers of two for bytes.
pub(crate) fn nice_step(at_least: f64, unit: Unit) -> f64 {
    if unit == Unit::Bytes {
        return 2f64.powf(at_least.max(1.0).log2().ceil());
    }
    let power = 10f64.powf(at_least.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|f| f * power >= at_least * (1.0 - 1e-9))
        .unwrap_or(10.0);
    factor * power
}

/// Steps of a time axis in milliseconds, as clocks and calendars have them.
const TIME_STEPS_MS: [i64; 22] = [
    1,
    10,
    100,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
];
const DAY_MS: i64 = 86_400_000;

/// At most about `count` ticks at round times of the clock that stands `offset_s` from UTC.
pub fn time_ticks(start_ms: i64, end_ms: i64, count: usize, offset_s: i32) -> Vec<Tick> {
    let span = end_ms.saturating_sub(start_ms);
    if span <= 0 {
        return Vec::new();
    }
    let least = span / count.clamp(1, TICKS_MAX) as i64;
    let step = TIME_STEPS_MS
        .into_iter()
        .find(|s| *s >= least)
        .unwrap_or_else(|| (least / DAY_MS + 1) * DAY_MS);
    let shift = i64::from(offset_s) * 1000;
    let first = (start_ms + shift).div_euclid(step) * step - shift;
    (0..=TICKS_MAX as i64)
        .map(|i| first + i * step)
        .filter(|at| *at >= start_ms)
        .take_while(|at| *at <= end_ms)
        .map(|at| Tick {
            at: at as f64,
            label: clock_label(at, step, offset_s),
        })
        .collect()
}

fn clock_label(at_ms: i64, step_ms: i64, offset_s: i32) -> String {
    let midnight = (at_ms + i64::from(offset_s) * 1000).rem_euclid(DAY_MS) == 0;
    let format = if step_ms >= DAY_MS || midnight {
        "%d %b"
    } else if step_ms >= 60_000 {
        "%H:%M"
    } else if step_ms >= 1000 {
        "%H:%M:%S"
    } else {
        "%H:%M:%S%.3f"
    };
    format_time(at_ms, offset_s, format)
}

/// A time that the calendar does not know is written as a number.
pub(crate) fn format_time(at_ms: i64, offset_s: i32, format: &str) -> String {
    let zone = Offset::from_seconds(offset_s).map_or(TimeZone::UTC, TimeZone::fixed);
    match Timestamp::from_millisecond(at_ms) {
        Ok(t) => t.to_zoned(zone).strftime(format).to_string(),
        Err(_) => at_ms.to_string(),
    }
}

impl YAxis {
    /// About as many as asked for; of those that are given, every second or third where there are more.
    pub(crate) fn ticks(&self, (low, high): (f64, f64), count: usize) -> Vec<Tick> {
        if self.ticks.is_empty() {
            return nice_ticks(low, high, count, self.unit);
        }
        let inside: Vec<_> = self
            .ticks
            .iter()
            .filter(|t| t.at >= low && t.at <= high)
            .collect();
        let every = inside.len().div_ceil(count.clamp(1, TICKS_MAX)).max(1);
        inside.into_iter().step_by(every).cloned().collect()
    }
}

impl XAxis {
    pub(crate) fn ticks(&self, count: usize) -> Vec<Tick> {
        match self {
            XAxis::Time {
                start_ms,
                end_ms,
                offset_s,
            } => time_ticks(*start_ms, *end_ms, count, *offset_s),
            XAxis::Number { low, high, unit } => nice_ticks(*low, *high, count, *unit),
            XAxis::Names(names) => {
                let every = names.len().div_ceil(count.max(1)).max(1);
                let all = names.iter().enumerate().step_by(every);
                all.map(|(i, name)| Tick {
                    at: i as f64 + 0.5,
                    label: name.clone(),
                })
                .collect()
            }
        }
    }

    /// A place on the axis in words.
    pub(crate) fn say(&self, at: f64) -> String {
        match self {
            XAxis::Time { offset_s, .. } => format_time(at as i64, *offset_s, "%H:%M:%S"),
            XAxis::Number { unit, .. } => unit.show(at),
            XAxis::Names(names) => names.get(at.max(0.0) as usize).cloned().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn ticks_stand_at_round_values() {
        assert_eq!(
            labels(&nice_ticks(0.0, 1.0, 5, Unit::None)),
            ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(&nice_ticks(0.0, 3.1e9, 4, Unit::Bytes)),
            ["0", "1 GiB", "2 GiB"]
        );
        assert_eq!(labels(&nice_ticks(-7.0, 7.0, 4, Unit::None)), ["−5", "0", "5"]);
        assert_eq!(nice_ticks(1.0, 1.0, 5, Unit::None), []);
        assert_eq!(nice_ticks(f64::NAN, 1.0, 5, Unit::None), []);
    }

    #[test]
    fn an_axis_of_rows_says_what_they_are_as_far_as_there_is_room() {
        let tick = |at: f64| Tick {
            at,
            label: format!("row {at}"),
        };
        let axis = YAxis {
            ticks: vec![tick(1.0), tick(2.0), tick(3.0), tick(4.0), tick(9.0)],
            ..YAxis::default()
        };
        let all = axis.ticks((0.0, 5.0), 10);
        assert_eq!(labels(&all), ["row 1", "row 2", "row 3", "row 4"]);
        assert_eq!(labels(&axis.ticks((0.0, 5.0), 2)), ["row 1", "row 3"]);
        assert_eq!(labels(&axis.ticks((0.0, 5.0), 0)), ["row 1"]);
    }

    #[test]
    fn time_ticks_follow_the_clock_of_the_reader() {
        let start = 1_700_000_000_000; // 2023-11-14 22:13:20 UTC
        assert_eq!(
            labels(&time_ticks(start, start + 3_600_000, 6, 0)),
            ["22:20", "22:30", "22:40", "22:50", "23:00", "23:10"]
        );
        let day = time_ticks(start, start + 86_400_000, 6, 3600);
        assert_eq!(labels(&day), ["15 Nov", "06:00", "12:00", "18:00"]);
    }

    #[test]
    fn no_range_makes_endless_ticks() {
        assert!(time_ticks(i64::MIN / 4, i64::MAX / 4, 8, 0).len() <= TICKS_MAX + 1);
        assert!(nice_ticks(0.0, f64::MAX, 8, Unit::Bytes).len() <= TICKS_MAX);
    }
}
