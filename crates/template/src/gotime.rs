//! Points in time and durations as Go formats them: by the reference time `Mon Jan 2 15:04:05 MST 2006`.

use crate::Value;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::fmt;

/// An instant and the zone to show it in.
#[derive(Clone, Debug)]
pub struct GoTime {
    zoned: Zoned,
}

impl GoTime {
    /// In UTC; an instant outside of years -9999 to 9999 becomes the nearest one inside.
    pub fn from_ms(ms: i64) -> GoTime {
        let clamped = ms.clamp(
            Timestamp::MIN.as_millisecond() + 1,
            Timestamp::MAX.as_millisecond() - 1,
        );
        let timestamp = Timestamp::from_millisecond(clamped).unwrap_or(Timestamp::UNIX_EPOCH);
        GoTime {
            zoned: timestamp.to_zoned(TimeZone::UTC),
        }
    }

    pub fn as_ms(&self) -> i64 {
        self.zoned.timestamp().as_millisecond()
    }

    /// The same instant in another zone, by its IANA name.
    pub fn in_zone(&self, name: &str) -> Result<GoTime, String> {
        let zone = match name {
            "" | "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| format!("unknown time zone {name}"))?,
        };
        Ok(GoTime {
            zoned: self.zoned.with_time_zone(zone),
        })
    }

    pub fn format(&self, layout: &str) -> String {
        let mut out = String::new();
        let mut rest = layout;
        'next: while !rest.is_empty() {
            for (token, write) in TOKENS {
                let Some(after) = rest.strip_prefix(token) else {
                    continue;
                };
                // "Jan" and "Mon" only where no word goes on, as in Go ("January" stands before).
                if matches!(*token, "Jan" | "Mon") && after.starts_with(|c: char| c.is_ascii_lowercase()) {
                    continue;
                }
                write(&self.zoned, &mut out);
                rest = after;
                continue 'next;
            }
            if let Some(after) = self.fraction(rest, &mut out) {
                rest = after;
                continue;
            }
            let c = rest.chars().next().unwrap_or(' ');
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        out
    }

    /// `.000` keeps zeros, `.999` drops them.
    fn fraction<'a>(&self, rest: &'a str, out: &mut String) -> Option<&'a str> {
        let digits = rest.strip_prefix(['.', ','])?;
        let kind = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
        let after = digits.trim_start_matches(kind);
        let count = digits.len() - after.len();
        if count > 9 || after.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let nanos = format!("{:09}", self.zoned.subsec_nanosecond());
        let mut shown = &nanos[..count];
        if kind == '9' {
            shown = shown.trim_end_matches('0');
            if shown.is_empty() {
                return Some(after);
            }
        }
        out.push_str(&rest[..1]);
        out.push_str(shown);
        Some(after)
    }

    pub(crate) fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let moved = |ms: i64| GoTime {
            zoned: GoTime::from_ms(ms)
                .zoned
                .with_time_zone(self.zoned.time_zone().clone()),
        };
        Some(Ok(match (name, args) {
            ("Format", [layout]) => self.format(layout.as_text().unwrap_or_default()).into(),
            ("Unix", []) => Value::Int(self.zoned.timestamp().as_second()),
            ("UnixMilli", []) => Value::Int(self.as_ms()),
            ("UnixNano", []) => Value::Int(self.as_ms().saturating_mul(1_000_000)),
            ("UTC", []) => Value::Time(GoTime::from_ms(self.as_ms())),
            ("Local", []) => Value::Time(self.clone()),
            ("IsZero", []) => Value::Bool(self.as_ms() <= GO_ZERO_MS),
            ("Year", []) => Value::Int(i64::from(self.zoned.year())),
            ("Month", []) => MONTHS[month_index(&self.zoned)].into(),
            ("Day", []) => Value::Int(i64::from(self.zoned.day())),
            ("Hour", []) => Value::Int(i64::from(self.zoned.hour())),
            ("Minute", []) => Value::Int(i64::from(self.zoned.minute())),
            ("Second", []) => Value::Int(i64::from(self.zoned.second())),
            ("Weekday", []) => DAYS[day_index(&self.zoned)].into(),
            ("String", []) => self.to_string().into(),
            ("Add", [Value::Duration(n) | Value::Int(n)]) => {
                Value::Time(moved(self.as_ms().saturating_add(n / 1_000_000)))
            }
            ("Sub", [Value::Time(other)]) => {
                Value::Duration((self.as_ms() - other.as_ms()).saturating_mul(1_000_000))
            }
            ("Before", [Value::Time(other)]) => Value::Bool(self.as_ms() < other.as_ms()),
            ("After", [Value::Time(other)]) => Value::Bool(self.as_ms() > other.as_ms()),
            ("Equal", [Value::Time(other)]) => Value::Bool(self.as_ms() == other.as_ms()),
            _ => return None,
        }))
    }
}

/// `0001-01-01T00:00:00Z`, Go's zero time.
pub(crate) const GO_ZERO_MS: i64 = -62_135_596_800_000;

impl fmt::Display for GoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

fn month_index(z: &Zoned) -> usize {
    usize::try_from(z.month() - 1).unwrap_or(0)
}

fn day_index(z: &Zoned) -> usize {
    usize::try_from(z.weekday().to_monday_zero_offset()).unwrap_or(0)
}

type Write = fn(&Zoned, &mut String);

/// Longer tokens before their prefixes.
const TOKENS: &[(&str, Write)] = &[
    ("January", |z, o| o.push_str(MONTHS[month_index(z)])),
    ("Jan", |z, o| o.push_str(&MONTHS[month_index(z)][..3])),
    ("Monday", |z, o| o.push_str(DAYS[day_index(z)])),
    ("Mon", |z, o| o.push_str(&DAYS[day_index(z)][..3])),
    ("MST", |z, o| o.push_str(&zone_name(z))),
    ("2006", |z, o| o.push_str(&format!("{:04}", z.year()))),
    ("-07:00", |z, o| offset(z, true, o)),
    ("-0700", |z, o| offset(z, false, o)),
    ("Z07:00", |z, o| offset_or_z(z, true, o)),
    ("Z0700", |z, o| offset_or_z(z, false, o)),
    ("002", |z, o| o.push_str(&format!("{:03}", z.day_of_year()))),
    ("01", |z, o| o.push_str(&format!("{:02}", z.month()))),
    ("02", |z, o| o.push_str(&format!("{:02}", z.day()))),
    ("03", |z, o| o.push_str(&format!("{:02}", hour12(z)))),
    ("04", |z, o| o.push_str(&format!("{:02}", z.minute()))),
    ("05", |z, o| o.push_str(&format!("{:02}", z.second()))),
    ("06", |z, o| o.push_str(&format!("{:02}", z.year() % 100))),
    ("15", |z, o| o.push_str(&format!("{:02}", z.hour()))),
    ("PM", |z, o| o.push_str(if z.hour() >= 12 { "PM" } else { "AM" })),
    ("pm", |z, o| o.push_str(if z.hour() >= 12 { "pm" } else { "am" })),
    ("_2", |z, o| o.push_str(&format!("{:2}", z.day()))),
    ("1", |z, o| o.push_str(&z.month().to_string())),
    ("2", |z, o| o.push_str(&z.day().to_string())),
    ("3", |z, o| o.push_str(&hour12(z).to_string())),
    ("4", |z, o| o.push_str(&z.minute().to_string())),
    ("5", |z, o| o.push_str(&z.second().to_string())),
];

fn hour12(z: &Zoned) -> i8 {
    match z.hour() % 12 {
        0 => 12,
        h => h,
    }
}

fn zone_name(z: &Zoned) -> String {
    z.time_zone()
        .to_offset_info(z.timestamp())
        .abbreviation()
        .to_owned()
}

fn offset(z: &Zoned, colon: bool, out: &mut String) {
    let seconds = z.offset().seconds();
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    let separator = if colon { ":" } else { "" };
    out.push_str(&format!(
        "{sign}{:02}{separator}{:02}",
        minutes / 60,
        minutes % 60
    ));
}

fn offset_or_z(z: &Zoned, colon: bool, out: &mut String) {
    if z.offset().seconds() == 0 {
        out.push('Z');
    } else {
        offset(z, colon, out);
    }
}

/// `1h2m3.5s`, `250ms`, `0s`.
pub fn format_go_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let fraction = |unit: u64| crate::number::format_float(magnitude as f64 / unit as f64);
    match magnitude {
        0 => "0s".to_owned(),
        n if n < 1_000 => format!("{sign}{n}ns"),
        n if n < 1_000_000 => format!("{sign}{}µs", fraction(1_000)),
        n if n < 1_000_000_000 => format!("{sign}{}ms", fraction(1_000_000)),
        n => {
            let (hours, minutes) = (n / 3_600_000_000_000, n / 60_000_000_000 % 60);
            let rest = n % 60_000_000_000;
            let mut seconds = format!("{}.{:09}", rest / 1_000_000_000, rest % 1_000_000_000);
            seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, m) => format!("{sign}{m}m{seconds}s"),
                (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_the_reference_time() {
        // 2026-11-21 14:05:09.5 UTC, a Saturday.
        let time = GoTime::from_ms(1_795_269_909_500);
        let check = |layout: &str, expect: &str| assert_eq!(time.format(layout), expect, "{layout}");
        check("2006-01-02T15:04:05Z07:00", "2026-11-21T14:05:09Z");
        check("Mon Jan _2 3:04PM MST", "Sat Nov 21 2:05PM UTC");
        check("Monday, 02 January 06 .000", "Saturday, 21 November 26 .500");
        check("15:04:05.999", "14:05:09.5");
        assert_eq!(time.to_string(), "2026-11-21 14:05:09.5 +0000 UTC");
        let berlin = time.in_zone("Europe/Berlin").unwrap();
        assert_eq!(berlin.format("15:04 -0700 MST"), "15:05 +0100 CET");
        assert!(time.in_zone("Nowhere/City").is_err());
    }

    #[test]
    fn prints_durations() {
        for (nanos, expect) in [
            (0, "0s"),
            (5_400_000_000_000, "1h30m0s"),
            (1_500_000_000, "1.5s"),
            (-250_000_000, "-250ms"),
            (90_000_000_000, "1m30s"),
        ] {
            assert_eq!(format_go_duration(nanos), expect);
        }
    }
}
