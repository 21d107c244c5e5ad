//! What notification templates may call: Alertmanager's functions.

use super::{humanize, text};
use crate::{Functions, GoTime, Value};
use std::sync::Arc;

pub struct NotificationFunctions {
    pub now_ms: i64,
}

const NAMES: [&str; 14] = [
    "date",
    "tz",
    "since",
    "now",
    "toJson",
    "list",
    "append",
    "dict",
    "urlUnescape",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
];

impl Functions for NotificationFunctions {
    fn has(&self, name: &str) -> bool {
        NAMES.contains(&name) || text::NAMES.contains(&name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        if let ("title", [value]) = (name, args) {
            return Ok(text::title(&value.as_text().unwrap_or_default().to_lowercase()).into());
        }
        if let Some(result) = text::call(name, args) {
            return result;
        }
        // Alertmanager passes durations here, Prometheus numbers of seconds: both are read.
        if let Some(result) = humanize::call(name, args) {
            return result;
        }
        match (name, args) {
            ("date", [layout, Value::Time(time)]) => {
                Ok(time.format(layout.as_text().unwrap_or_default()).into())
            }
            ("tz", [zone, Value::Time(time)]) => {
                time.in_zone(zone.as_text().unwrap_or_default()).map(Value::Time)
            }
            ("since", [Value::Time(time)]) => Ok(Value::Duration(
                (self.now_ms - time.as_ms()).saturating_mul(1_000_000),
            )),
            ("now", []) => Ok(Value::Time(GoTime::from_ms(self.now_ms))),
            ("toJson", [value]) => Ok(Value::Safe(value.to_tagged_json().to_string().into())),
            ("list", args) => Ok(Value::list(args.to_vec())),
            ("append", [list, more @ ..]) => {
                let mut all = list.elements().unwrap_or_default().to_vec();
                all.extend(more.iter().cloned());
                Ok(Value::list(all))
            }
            ("dict", args) if args.len() % 2 == 0 => Ok(Value::Map(Arc::new(
                args.chunks(2)
                    .map(|pair| (pair[0].to_string(), pair[1].clone()))
                    .collect(),
            ))),
            ("urlUnescape", [value]) => unescape(value.as_text().unwrap_or_default()).map(Value::from),
            (name, _) => Err(format!("{name} does not take these arguments")),
        }
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                let hex = std::str::from_utf8(&digits).unwrap_or_default();
                let decoded = u8::from_str_radix(hex, 16)
                    .ok()
                    .filter(|_| hex.len() == 2)
                    .ok_or_else(|| format!("invalid URL escape in {text:?}"))?;
                out.push(decoded);
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| format!("{text:?} is not UTF-8 when unescaped"))
}
