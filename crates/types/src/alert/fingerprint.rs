//! Who an alert is: a hash of its label set, the same number that Alertmanager's API shows for it.
//!
//! FNV-1a over `name 0xff value 0xff` of each label in order, so that clients which compute or compare fingerprints
//! keep working.

use crate::Labels;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a fingerprint (16 hexadecimal digits)")]
pub struct FingerprintError {
    pub text: String,
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
const SEPARATOR: u8 = 0xff;

impl Fingerprint {
    pub fn of(labels: &Labels) -> Self {
        let mut hash = OFFSET;
        let mut add = |bytes: &[u8]| {
            for byte in bytes.iter().chain([&SEPARATOR]) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
            }
        };
        for (name, value) in labels {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        Fingerprint(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || FingerprintError {
            text: text.chars().take(40).collect(),
        };
        if text.len() != 16 {
            return Err(wrong());
        }
        u64::from_str_radix(text, 16)
            .map(Fingerprint)
            .map_err(|_| wrong())
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Groups of a storm write thousands of them; the formatting machinery would take ten times as long.
        let mut text = [0; 16];
        let digits = self
            .0
            .to_be_bytes()
            .into_iter()
            .flat_map(|byte| [byte >> 4, byte & 0xf]);
        for (place, digit) in text.iter_mut().zip(digits) {
            *place = b"0123456789abcdef"[usize::from(digit)];
        }
        serializer.serialize_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_alertmanagers_number() {
        assert_eq!(Fingerprint::of(&Labels::empty()).to_string(), "cbf29ce484222325");
        let labels = Labels::from_pairs([("alertname", "a"), ("job", "b")]).unwrap();
        let print = Fingerprint::of(&labels);
        assert_eq!(print.to_string().parse::<Fingerprint>(), Ok(print));
        assert_eq!(serde_json::to_string(&print).unwrap(), format!("\"{print}\""));
        assert!("+bf29ce484222325é".parse::<Fingerprint>().is_err());
    }
}
