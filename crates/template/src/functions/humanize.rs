//! Numbers as people read them: `humanize`, `humanize1024`, `humanizeDuration`, `humanizePercentage`,
//! `humanizeTimestamp`, `parseDuration`.

use crate::number::{format_general, not_finite};
use crate::{GoTime, Value};
use lapwing_types::parse_duration_ms;

const ABOVE_ONE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const BELOW_ONE: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

/// None: not one of these functions.
pub(super) fn call(name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    if !matches!(
        name,
        "humanize"
            | "humanize1024"
            | "humanizeDuration"
            | "humanizePercentage"
            | "humanizeTimestamp"
            | "toTime"
            | "toDuration"
            | "parseDuration"
    ) {
        return None;
    }
    let [value] = args else {
        return Some(Err("wants 1 argument".to_owned()));
    };
    if name == "parseDuration" {
        let text = value.as_text().unwrap_or_default();
        return Some(
            parse_duration_ms(text)
                .map(|ms| Value::Float(ms as f64 / 1000.0))
                .map_err(|e| e.to_string()),
        );
    }
    let x = match number(value) {
        Ok(x) => x,
        Err(e) => return Some(Err(e)),
    };
    Some(match name {
        "humanize" => Ok(scaled(x).into()),
        "humanize1024" => Ok(scaled_binary(x).into()),
        "humanizeDuration" => Ok(humanize_duration(x).into()),
        "humanizePercentage" => Ok(format!("{}%", format_general(x * 100.0, 4)).into()),
        "toTime" => timestamp(x).map(Value::Time),
        "toDuration" => Ok(Value::Duration((x * 1e9) as i64)),
        _ if not_finite(x).is_some() => Ok(format_general(x, 4).into()),
        _ => timestamp(x).map(|t| t.to_string().into()),
    })
}

fn number(value: &Value) -> Result<f64, String> {
    if let Some(x) = value.as_float() {
        return Ok(x);
    }
    let text = value
        .as_text()
        .ok_or_else(|| format!("can't convert a {} to float", value.kind()))?;
    text.trim_start_matches('+')
        .parse()
        .map_err(|_| format!("can't convert {text:?} to float"))
}

fn timestamp(seconds: f64) -> Result<GoTime, String> {
    if !seconds.is_finite() || seconds.abs() > 1e13 {
        return Err(format!("{seconds} cannot be represented as a timestamp"));
    }
    Ok(GoTime::from_ms((seconds * 1000.0).round() as i64))
}

fn scaled(mut x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format_general(x, 4);
    }
    let mut prefix = "";
    if x.abs() >= 1.0 {
        for p in ABOVE_ONE {
            if x.abs() < 1000.0 {
                break;
            }
            prefix = p;
            x /= 1000.0;
        }
    } else {
        for p in BELOW_ONE {
            if x.abs() >= 1.0 {
                break;
            }
            prefix = p;
            x *= 1000.0;
        }
    }
    format!("{}{prefix}", format_general(x, 4))
}

fn scaled_binary(mut x: f64) -> String {
    let mut prefix = "";
    if x.is_finite() && x.abs() > 1.0 {
        for p in BINARY {
            if x.abs() < 1024.0 {
                break;
            }
            prefix = p;
            x /= 1024.0;
        }
    }
    format!("{}{prefix}", format_general(x, 4))
}

/// `1d 2h 3m 4s`; below a second with a prefix (`12ms`).
pub fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return format_general(seconds, 4);
    }
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds.abs() < 1.0 {
        let (mut x, mut prefix) = (seconds, "");
        for p in BELOW_ONE {
            if x.abs() >= 1.0 {
                break;
            }
            prefix = p;
            x *= 1000.0;
        }
        return format!("{}{prefix}s", format_general(x, 4));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    if days > 0 {
        format!("{sign}{days}d {hours}h {minutes}m {rest}s")
    } else if hours > 0 {
        format!("{sign}{hours}h {minutes}m {rest}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m {rest}s")
    } else {
        format!("{sign}{}s", format_general(seconds.abs(), 4))
    }
}
