//! Time intervals of routes: times of day, weekdays, days of the month, months and years, in a time zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTimeInterval {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) time_intervals: Vec<RawSpan>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSpan {
    #[serde(default)]
    times: Vec<RawTimes>,
    #[serde(default)]
    weekdays: Vec<String>,
    #[serde(default)]
    days_of_month: Vec<String>,
    #[serde(default)]
    months: Vec<String>,
    #[serde(default)]
    years: Vec<String>,
    location: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTimes {
    start_time: String,
    end_time: String,
}

/// Holds at an instant when any of its spans does.
#[derive(Clone, Debug)]
pub struct TimeInterval {
    pub name: String,
    spans: Vec<Span>,
}

/// Empty lists do not restrict.
#[derive(Clone, Debug)]
struct Span {
    /// Minutes of the day, the end exclusive.
    times: Vec<(i64, i64)>,
    /// 0: Sunday, as in the files.
    weekdays: Vec<(i64, i64)>,
    /// Negative days count from the end of the month.
    days_of_month: Vec<(i64, i64)>,
    months: Vec<(i64, i64)>,
    years: Vec<(i64, i64)>,
    zone: TimeZone,
}

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    pub(crate) fn compile(raw: &RawTimeInterval) -> Result<TimeInterval, String> {
        let spans: Result<Vec<Span>, String> = raw.time_intervals.iter().map(span).collect();
        Ok(TimeInterval {
            name: raw.name.clone(),
            spans: spans?,
        })
    }

    pub fn contains(&self, now_ms: i64) -> bool {
        let Ok(now) = Timestamp::from_millisecond(now_ms) else {
            return false;
        };
        self.spans.iter().any(|span| span.contains(now))
    }
}

impl Span {
    fn contains(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let days_in_month = i64::from(local.days_in_month());
        let within = |ranges: &[(i64, i64)], value: i64| {
            ranges.is_empty() || ranges.iter().any(|(from, to)| (*from..=*to).contains(&value))
        };
        let day = |d: i64| if d < 0 { days_in_month + d + 1 } else { d };
        let days: Vec<(i64, i64)> = self
            .days_of_month
            .iter()
            .map(|(from, to)| (day(*from).max(1), day(*to)))
            .collect();
        (self.times.is_empty() || self.times.iter().any(|(from, to)| (*from..*to).contains(&minute)))
            && within(&self.weekdays, i64::from(local.weekday().to_sunday_zero_offset()))
            && within(&days, i64::from(local.day()))
            && within(&self.months, i64::from(local.month()))
            && within(&self.years, i64::from(local.year()))
    }
}

fn span(raw: &RawSpan) -> Result<Span, String> {
    let mut times = Vec::new();
    for range in &raw.times {
        let (from, to) = (clock(&range.start_time)?, clock(&range.end_time)?);
        if from >= to {
            return Err(format!(
                "start time {} is not before end time {}",
                range.start_time, range.end_time
            ));
        }
        times.push((from, to));
    }
    let zone = match raw.location.as_deref() {
        None | Some("" | "UTC") => TimeZone::UTC,
        Some("Local") => TimeZone::system(),
        Some(name) => TimeZone::get(name).map_err(|_| format!("unknown time zone {name:?}"))?,
    };
    Ok(Span {
        times,
        weekdays: ranges(&raw.weekdays, &named(&WEEKDAYS, 0), (0, 6))?,
        days_of_month: ranges(&raw.days_of_month, &plain, (-31, 31))?,
        months: ranges(&raw.months, &named(&MONTHS, 1), (1, 12))?,
        years: ranges(&raw.years, &plain, (1, 9999))?,
        zone,
    })
}

fn clock(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is not a time of day such as 09:30");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let (h, m): (i64, i64) = (
        hours.parse().map_err(|_| wrong())?,
        minutes.parse().map_err(|_| wrong())?,
    );
    if !(0..=24).contains(&h)
        || !(0..60).contains(&m)
        || (h == 24 && m > 0)
        || (hours.len(), minutes.len()) != (2, 2)
    {
        return Err(wrong());
    }
    Ok(h * 60 + m)
}

fn plain(word: &str) -> Option<i64> {
    word.parse().ok()
}

fn named<'a>(names: &'a [&'a str], first: i64) -> impl Fn(&str) -> Option<i64> + 'a {
    move |word| {
        let lower = word.to_ascii_lowercase();
        let at = names.iter().position(|n| *n == lower);
        at.and_then(|i| i64::try_from(i).ok())
            .map(|i| i + first)
            .or_else(|| lower.parse().ok())
    }
}

fn ranges(
    texts: &[String],
    read: &dyn Fn(&str) -> Option<i64>,
    (least, most): (i64, i64),
) -> Result<Vec<(i64, i64)>, String> {
    texts
        .iter()
        .map(|text| {
            let (from, to) = text.split_once(':').unwrap_or((text, text));
            let wrong = || format!("{text:?} is not a range such as 1:5");
            let from = read(from.trim()).ok_or_else(wrong)?;
            let to = read(to.trim()).ok_or_else(wrong)?;
            let inside = |n: i64| (least..=most).contains(&n);
            if !inside(from)
                || !inside(to)
                || (from > to && from > 0 && to > 0)
                || (least < 0 && (from == 0 || to == 0))
            {
                return Err(wrong());
            }
            Ok((from, to))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(yaml: &str) -> Result<TimeInterval, String> {
        let raw: RawTimeInterval = serde_saphyr::from_str(yaml).map_err(|e| e.to_string())?;
        TimeInterval::compile(&raw)
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn business_hours_in_a_time_zone() {
        let hours = interval(
            "name: b\ntime_intervals: [{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['monday:friday'], location: Europe/Berlin}]",
        )
        .unwrap();
        assert!(hours.contains(at("2026-11-20T08:00:00Z")));
        assert!(!hours.contains(at("2026-11-20T07:59:00Z")));
        assert!(!hours.contains(at("2026-11-20T16:00:00Z")));
        assert!(!hours.contains(at("2026-11-21T12:00:00Z")), "a Saturday");
    }

    #[test]
    fn the_last_days_of_a_month_count_from_its_end() {
        let end =
            interval("name: e\ntime_intervals: [{days_of_month: ['-2:-1'], months: ['february']}]").unwrap();
        assert!(end.contains(at("2026-02-27T00:00:00Z")) && end.contains(at("2026-02-28T23:59:00Z")));
        assert!(!end.contains(at("2026-02-26T00:00:00Z")) && !end.contains(at("2026-03-31T00:00:00Z")));
    }

    #[test]
    fn refuses_nonsense() {
        for body in [
            "{times: [{start_time: '25:00', end_time: '26:00'}]}",
            "{times: [{start_time: '10:00', end_time: '09:00'}]}",
            "{times: [{start_time: '9:00', end_time: '10:00'}]}",
            "{weekdays: ['friday:monday']}",
            "{weekdays: ['caturday']}",
            "{days_of_month: ['0']}",
            "{location: Nowhere/City}",
        ] {
            assert!(
                interval(&format!("name: x\ntime_intervals: [{body}]")).is_err(),
                "{body}"
            );
        }
    }
}
