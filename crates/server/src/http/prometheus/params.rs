//! Parameters of the Prometheus API: from the query string and, for POST, from a form body; names may repeat.

use super::envelope::ApiError;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};

/// A form body beyond this is refused; Prometheus's own bound is 10 MiB (Go's `ParseForm`).
const FORM_BYTES_MAX: usize = 10 << 20;
/// Times beyond this are clamped, as Prometheus does with `minTime`/`maxTime`: about 290 000 years each way.
const TIME_MS_MAX: i64 = i64::MAX / 1000;
/// How Prometheus's own client writes all of time.
const EARLIEST: &str = "-292273086-05-16T16:47:06Z";
const LATEST: &str = "292277025-08-18T07:12:54.999999999Z";

#[derive(Debug, Default, Clone)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let mut pairs = parse_pairs(request.uri().query().unwrap_or("").as_bytes());
        let is_form = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split(';').next())
            .is_some_and(|kind| {
                kind.trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        if request.method() == Method::POST && is_form {
            let body = read_form(request.into_body()).await?;
            // The body comes first: Go's `FormValue` prefers it over the query string.
            let mut all = parse_pairs(&body);
            all.append(&mut pairs);
            pairs = all;
        }
        Ok(Params { pairs })
    }
}

async fn read_form(body: Body) -> Result<Bytes, ApiError> {
    axum::body::to_bytes(body, FORM_BYTES_MAX)
        .await
        .map_err(|e| ApiError::bad_data(format!("error parsing form values: {e}")))
}

fn parse_pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text)
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect()
}

impl Params {
    /// The first non-empty value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let first = self.pairs.iter().find(|(k, _)| k == name)?;
        Some(first.1.as_str()).filter(|v| !v.is_empty())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(k, _)| k == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn require(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name)
            .ok_or_else(|| invalid(name, &format!("parameter {name:?} is missing")))
    }

    pub(crate) fn time_ms(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name)
            .map(|v| parse_time_ms(v).map_err(|e| invalid(name, &e)))
            .transpose()
    }

    /// `start` and `end`, from which all of time follows where they are not given.
    pub(crate) fn time_range_ms(&self) -> Result<(i64, i64), ApiError> {
        let start_ms = self.time_ms("start")?.unwrap_or(-TIME_MS_MAX);
        let end_ms = self.time_ms("end")?.unwrap_or(TIME_MS_MAX);
        Ok((start_ms, end_ms))
    }

    pub(crate) fn duration_ms(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name)
            .map(|v| parse_duration_ms(v).map_err(|e| invalid(name, &e)))
            .transpose()
    }

    /// How many are wanted at most: absent and 0 mean all.
    pub(crate) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.get("limit") else {
            return Ok(None);
        };
        match text.parse::<i64>() {
            Ok(0) => Ok(None),
            Ok(n) if n > 0 => Ok(Some(n as usize)),
            Ok(_) => Err(invalid("limit", "limit must be non-negative")),
            Err(_) => Err(invalid("limit", &format!("cannot parse {text:?} as a number"))),
        }
    }

    /// The limits of metadata, where 0 means none; absent and negative mean all.
    pub(crate) fn at_most(&self, name: &str) -> Result<usize, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(usize::MAX);
        };
        let limit = text.parse::<i64>();
        let limit = limit.map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// A switch in any of the spellings that Go's `ParseBool` knows; off where it is not given.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
            Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
            Some(other) => Err(invalid(name, &format!("{other:?} is neither true nor false"))),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|v| matches!(v, "1" | "true" | "all" | "yes"))
    }
}

pub(super) fn invalid(name: &str, why: &str) -> ApiError {
    ApiError::bad_data(format!("invalid parameter {name:?}: {why}"))
}

/// Seconds since 1970 (with a fraction) or RFC 3339.
pub(crate) fn parse_time_ms(text: &str) -> Result<i64, String> {
    let refused = || format!("cannot parse {text:?} to a valid timestamp");
    if let Some(seconds) = number(text) {
        if seconds.is_nan() {
            return Err(refused());
        }
        // Whole seconds apart: together with them the fraction would lose digits, and be rounded otherwise than in Prometheus.
        let fraction = if seconds.is_finite() { seconds.fract() } else { 0.0 };
        let ms = seconds.trunc() * 1000.0 + (fraction * 1000.0).round();
        return Ok((ms as i64).clamp(-TIME_MS_MAX, TIME_MS_MAX));
    }
    match text {
        EARLIEST => return Ok(-TIME_MS_MAX),
        LATEST => return Ok(TIME_MS_MAX),
        _ => {}
    }
    let time = text.parse::<jiff::Timestamp>().map(|t| t.as_millisecond());
    time.ok().or_else(|| last_days_ms(text)).ok_or_else(refused)
}

/// The end of the year 9999, which is written for "for ever", is beyond what a timestamp of the library holds.
fn last_days_ms(text: &str) -> Option<i64> {
    let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    let offset_ms = i64::from(pieces.to_numeric_offset()?.seconds()) * 1000;
    let local = pieces.date().to_datetime(pieces.time()?);
    let since = local.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
    Some(i64::try_from(since.as_millis()).ok()? - offset_ms)
}

/// A number that a float can hold: `1e400` is none.
fn number(text: &str) -> Option<f64> {
    let value = text.parse::<f64>().ok()?;
    let is_named = || text.chars().any(|c| matches!(c, 'i' | 'I'));
    (!value.is_infinite() || is_named()).then_some(value)
}

/// Seconds (with a fraction) or a Prometheus duration such as `1h30m`. What is shorter than a millisecond is one, and what is shorter than a
/// nanosecond is nothing, as in Prometheus.
pub(crate) fn parse_duration_ms(text: &str) -> Result<i64, String> {
    let refused = || format!("cannot parse {text:?} to a valid duration");
    if let Some(seconds) = number(text) {
        let ms = seconds * 1000.0;
        if ms.is_nan() {
            return Err(refused());
        }
        if ms.abs() > TIME_MS_MAX as f64 {
            return Err(format!("{}. It overflows int64", refused()));
        }
        return Ok(match seconds >= 1e-9 && ms < 1.0 {
            true => 1,
            false => ms as i64,
        });
    }
    lapwing_types::parse_duration_ms(text).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_or_rfc3339() {
        assert_eq!(parse_time_ms("1.5"), Ok(1500));
        assert_eq!(parse_time_ms("2015-07-01T20:10:51.781Z"), Ok(1_435_781_451_781));
        assert_eq!(parse_time_ms("2015-07-01T20:10:51+02:00"), Ok(1_435_774_251_000));
        assert_eq!(parse_time_ms("9999-12-31T23:59:59Z"), Ok(253_402_300_799_000));
        assert_eq!(
            parse_time_ms("9999-12-31T23:59:59.5-01:00"),
            Ok(253_402_304_399_500)
        );
        assert_eq!(parse_time_ms(EARLIEST), Ok(-TIME_MS_MAX));
        assert_eq!(parse_time_ms(LATEST), Ok(TIME_MS_MAX));
        assert!(parse_time_ms("yesterday").is_err());
        assert!(parse_time_ms("2015-07-01T20:10:51").is_err());
        assert!(parse_time_ms("NaN").is_err());
        assert!(parse_time_ms("1e400").is_err());
        assert_eq!(parse_time_ms("Inf"), Ok(TIME_MS_MAX));
        assert_eq!(parse_time_ms("1.0005"), Ok(1000));
        assert_eq!(parse_time_ms("0.9996"), Ok(1000));
        assert_eq!(parse_time_ms("-1.5"), Ok(-1500));
    }

    #[test]
    fn durations_are_numbers_or_words() {
        assert_eq!(parse_duration_ms("15"), Ok(15_000));
        assert_eq!(parse_duration_ms("1m30s"), Ok(90_000));
        assert!(parse_duration_ms("1 minute").is_err());
        assert!(
            parse_duration_ms("1e300")
                .unwrap_err()
                .ends_with("duration. It overflows int64")
        );
        assert!(parse_duration_ms("NaN").unwrap_err().ends_with("valid duration"));
        assert_eq!(parse_duration_ms("1e-9"), Ok(1));
        assert_eq!(parse_duration_ms("1e-10"), Ok(0));
        assert_eq!(parse_duration_ms("-1e-9"), Ok(0));
    }

    #[test]
    fn empty_values_count_as_absent() {
        let params = Params {
            pairs: parse_pairs(b"a=&b=1&b=2&limit=-1"),
        };
        assert_eq!(params.get("a"), None);
        assert_eq!(params.all("b").collect::<Vec<_>>(), ["1", "2"]);
        assert!(params.limit().is_err());
    }
}
