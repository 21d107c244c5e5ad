//! Planned work: during it nobody is paged and nothing is repaired, and availability is not counted.
//!
//! A window is one span of time, or comes again on days of the week at a wall-clock time of a zone. Such a window starts at
//! that local time whatever the clocks of the zone do, and lasts its duration in real time.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Debug, PartialEq)]
pub struct MaintenanceWindow {
    pub name: String,
    /// Names of models, checks or groups (with `*` at the end for a prefix); none means everything.
    pub of: Vec<String>,
    pub when: Recurrence,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Recurrence {
    Once {
        from_ms: i64,
        until_ms: i64,
    },
    Weekly {
        days: Vec<Weekday>,
        at: Time,
        duration_ms: i64,
        zone: TimeZone,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("{text:?} is not a moment such as 2026-11-30T22:00:00Z")]
    Moment { text: String },
    #[error("{text:?} is not a day of the week")]
    Day { text: String },
    #[error("{text:?} is not a time of day such as 02:30")]
    Time { text: String },
    #[error("{text:?} is not a time zone such as Europe/Vienna")]
    Zone { text: String },
    #[error("a window lasts more than nothing and at most a week")]
    Duration,
}

impl Recurrence {
    pub fn once(from: &str, until: &str) -> Result<Self, WindowError> {
        let moment = |text: &str| {
            text.parse::<Timestamp>()
                .map(|t| t.as_millisecond())
                .map_err(|_| WindowError::Moment {
                    text: text.to_owned(),
                })
        };
        let (from_ms, until_ms) = (moment(from)?, moment(until)?);
        if until_ms <= from_ms {
            return Err(WindowError::Duration);
        }
        Ok(Recurrence::Once { from_ms, until_ms })
    }

    pub fn weekly(days: &[String], at: &str, duration_ms: i64, zone: &str) -> Result<Self, WindowError> {
        if !(1..=7 * DAY_MS).contains(&duration_ms) {
            return Err(WindowError::Duration);
        }
        let days = days.iter().map(|d| weekday(d)).collect::<Result<_, _>>()?;
        Ok(Recurrence::Weekly {
            days,
            at: at
                .parse()
                .map_err(|_| WindowError::Time { text: at.to_owned() })?,
            duration_ms,
            zone: TimeZone::get(zone).map_err(|_| WindowError::Zone {
                text: zone.to_owned(),
            })?,
        })
    }

    /// Until when this window holds, if it holds now.
    pub fn until_ms(&self, now_ms: i64) -> Option<i64> {
        match self {
            Recurrence::Once { from_ms, until_ms } => {
                (*from_ms <= now_ms && now_ms < *until_ms).then_some(*until_ms)
            }
            Recurrence::Weekly {
                days,
                at,
                duration_ms,
                zone,
            } => {
                let now = Timestamp::from_millisecond(now_ms).ok()?;
                let today = now.to_zoned(zone.clone()).date();
                let back = duration_ms / DAY_MS + 1;
                (0..=back)
                    .filter_map(|ago| {
                        let day = today.checked_sub(ago.days()).ok()?;
                        if !days.is_empty() && !days.contains(&day.weekday()) {
                            return None;
                        }
                        let start = zone.to_ambiguous_zoned(day.to_datetime(*at)).compatible().ok()?;
                        let start_ms = start.timestamp().as_millisecond();
                        let end_ms = start_ms + duration_ms;
                        (start_ms <= now_ms && now_ms < end_ms).then_some(end_ms)
                    })
                    .max()
            }
        }
    }
}

impl MaintenanceWindow {
    /// Until when planned work holds for whatever bears one of these names.
    pub fn holds_for(&self, names: &[&str], now_ms: i64) -> Option<i64> {
        let named = |pattern: &String| {
            names
                .iter()
                .any(|name| MaintenanceWindow::is_meant(pattern, name))
        };
        if !self.of.is_empty() && !self.of.iter().any(named) {
            return None;
        }
        self.when.until_ms(now_ms)
    }

    /// Whether a word of `of` means this name.
    pub fn is_meant(pattern: &str, name: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == pattern,
        }
    }
}

fn weekday(text: &str) -> Result<Weekday, WindowError> {
    const DAYS: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let lower = text.to_ascii_lowercase();
    DAYS.iter()
        .find(|(name, _)| lower.len() >= 3 && name.starts_with(&lower))
        .map(|(_, day)| *day)
        .ok_or_else(|| WindowError::Day {
            text: text.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn once() {
        let window = Recurrence::once("2026-11-21T10:00:00Z", "2026-11-21T12:00:00Z").unwrap();
        assert_eq!(window.until_ms(at("2026-11-21T09:59:59Z")), None);
        assert_eq!(
            window.until_ms(at("2026-11-21T10:00:00Z")),
            Some(at("2026-11-21T12:00:00Z"))
        );
        assert_eq!(window.until_ms(at("2026-11-21T12:00:00Z")), None);
        assert_eq!(
            Recurrence::once("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"),
            Err(WindowError::Duration)
        );
        assert!(Recurrence::once("soon", "later").is_err());
    }

    #[test]
    fn weekly_over_midnight_and_summer_time() {
        let days = ["Sat".to_owned()];
        let window = Recurrence::weekly(&days, "23:00", 4 * 3_600_000, "Europe/Vienna").unwrap();
        // 21 November 2026 is a Saturday; Vienna is one hour ahead of UTC in winter.
        assert_eq!(window.until_ms(at("2026-11-21T21:59:59Z")), None);
        assert_eq!(
            window.until_ms(at("2026-11-22T01:00:00Z")),
            Some(at("2026-11-22T02:00:00Z"))
        );
        assert_eq!(window.until_ms(at("2026-11-22T02:00:00Z")), None);
        // And two hours ahead in summer.
        assert!(window.until_ms(at("2026-07-18T21:30:00Z")).is_some());
        assert!(Recurrence::weekly(&["someday".to_owned()], "23:00", 1, "UTC").is_err());
        assert!(Recurrence::weekly(&days, "25:00", 1, "UTC").is_err());
        assert!(Recurrence::weekly(&days, "01:00", 1, "Nowhere/At_All").is_err());
    }

    #[test]
    fn names_choose_what_it_is_for() {
        let window = MaintenanceWindow {
            name: "w".to_owned(),
            of: vec!["chat".to_owned(), "db-*".to_owned()],
            when: Recurrence::Once {
                from_ms: 0,
                until_ms: 10,
            },
        };
        assert_eq!(window.holds_for(&["chat"], 5), Some(10));
        assert_eq!(window.holds_for(&["x", "db-1"], 5), Some(10));
        assert_eq!(window.holds_for(&["chatter"], 5), None);
        assert_eq!(window.holds_for(&["chat"], 10), None);
    }
}
