//! The calendar (UTC, Gregorian) of a Unix time.

use crate::promql::Function;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

const DAY_SECONDS: u64 = 24 * 3600;
/// Days in 400 years.
const ERA_DAYS: u64 = 146_097;
/// Eras from the beginning of this calendar to the year 0: as far as unsigned seconds reach on both sides of 1970.
const ERAS_BEFORE: u64 = 730_692_556;
/// Days from 1 March of year 0 to 1 January 1970.
const EPOCH_DAYS: u64 = 719_468;

/// Date and second of the day. Years are counted from March, so that the leap day is the last of its year. Times at the ends of
/// what an integer holds wrap around, as they do in Go.
pub(crate) fn civil(unix_s: i64) -> (Date, i64) {
    let epoch_s = (ERAS_BEFORE * ERA_DAYS + EPOCH_DAYS) * DAY_SECONDS;
    let seconds = epoch_s.wrapping_add_signed(unix_s);
    let (days, second) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let (era, day_of_era) = (days / ERA_DAYS, (days % ERA_DAYS) as i64);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + (era as i64 - ERAS_BEFORE as i64) * 400 + i64::from(month <= 2);
    (Date { year, month, day }, second as i64)
}

/// Days since a Wednesday, the 1 March of year 0.
fn weekday(unix_s: i64) -> i64 {
    let epoch_s = (ERAS_BEFORE * ERA_DAYS + EPOCH_DAYS) * DAY_SECONDS;
    // An era is a whole number of weeks.
    ((epoch_s.wrapping_add_signed(unix_s) / DAY_SECONDS + 3) % 7) as i64
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(date: Date) -> i64 {
    match date.month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(date.year) => 29,
        2 => 28,
        _ => 31,
    }
}

pub(super) fn is_date(function: Function) -> bool {
    matches!(
        function,
        Function::DayOfMonth
            | Function::DayOfWeek
            | Function::DayOfYear
            | Function::DaysInMonth
            | Function::Hour
            | Function::Minute
            | Function::Month
            | Function::Year
    )
}

/// Seconds as an integer; what no integer holds (NaN and infinities too) becomes the smallest one.
pub(super) fn whole_seconds(value: f64) -> i64 {
    if (-9.3e18..9.223_372_036_854_775e18).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

pub(super) fn value(function: Function, unix_s: i64) -> f64 {
    let (date, second) = civil(unix_s);
    let number = match function {
        Function::DayOfMonth => date.day,
        Function::DayOfWeek => weekday(unix_s),
        Function::DayOfYear => {
            let lengths = (1..date.month).map(|month| days_in_month(Date { month, ..date }));
            lengths.sum::<i64>() + date.day
        }
        Function::DaysInMonth => days_in_month(date),
        Function::Hour => second / 3600,
        Function::Minute => second / 60 % 60,
        Function::Month => date.month,
        _ => date.year,
    };
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        let check = |unix_s: i64, year, month, day| {
            assert_eq!(civil(unix_s).0, Date { year, month, day });
        };
        check(0, 1970, 1, 1);
        check(951_782_400, 2000, 2, 29);
        check(-1, 1969, 12, 31);
        check(1_706_745_599, 2024, 1, 31);
        assert_eq!(value(Function::DayOfWeek, 0), 4.0);
        assert_eq!(value(Function::DayOfWeek, -DAY_SECONDS.cast_signed()), 3.0);
        assert_eq!(value(Function::Hour, whole_seconds(f64::NAN)), 15.0);
        assert_eq!(value(Function::DayOfYear, 951_782_400), 60.0);
        assert_eq!(value(Function::DaysInMonth, 951_782_400), 29.0);
    }
}
