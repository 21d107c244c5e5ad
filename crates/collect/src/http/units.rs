//! Durations and sizes as people write them in Prometheus's files: `1m30s`, `10MB`.

use lapwing_types::DurationError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error(transparent)]
    Duration(#[from] DurationError),
    #[error("not a size: {text:?} (write for example 512KB, 10MB or 1GB)")]
    Size { text: String },
}

/// `1h30m`, `500ms`, `0`: what Prometheus reads.
pub fn parse_duration_ms(text: &str) -> Result<i64, UnitError> {
    Ok(lapwing_types::parse_duration_ms(text)?)
}

/// `10MB` (1 MB is 1024 KB, as Prometheus counts), `512`, `0`.
pub fn parse_size_bytes(text: &str) -> Result<u64, UnitError> {
    lapwing_types::parse_size_bytes(text).map_err(|e| UnitError::Size { text: e.text })
}

/// A duration in a config, typed as `15s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub i64);

/// A size in a config, typed as `10MB` or as a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", self.0))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}B", self.0))
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Text)?;
        parse_duration_ms(&text).map(Millis).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Text)?;
        parse_size_bytes(&text).map(Bytes).map_err(de::Error::custom)
    }
}

/// Text, or a number that was typed without quotes.
struct Text;

impl de::Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with a unit")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expect) in [
            ("0", 0),
            ("15s", 15_000),
            ("1m30s", 90_000),
            ("1d2h", 93_600_000),
            ("500ms", 500),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(expect), "{text}");
        }
        for text in [
            "",
            "15",
            "s",
            "30s1m",
            "1s1s",
            "-1s",
            "99999999999y",
            "1 s",
            "1.5s",
            "0.5h",
            "1m0.5s",
        ] {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expect) in [
            ("0", 0),
            ("512", 512),
            ("10MB", 10 << 20),
            ("1GiB", 1 << 30),
            ("3 KB", 3072),
        ] {
            assert_eq!(parse_size_bytes(text), Ok(expect), "{text}");
        }
        for text in ["", "MB", "1XB", "-1", "99999999999999999999", "99999999999TB"] {
            assert!(parse_size_bytes(text).is_err(), "{text}");
        }
    }
}
