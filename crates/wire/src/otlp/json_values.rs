//! The scalars of OTLP JSON that JSON itself does not have.

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, de};
use std::borrow::Cow;
use std::fmt;

/// A 64-bit integer as a number or in quotes.
#[derive(Clone, Copy, Default)]
pub(super) struct Int<T>(pub(super) T);

impl<'de, T: std::str::FromStr + TryFrom<u64> + TryFrom<i64>> Deserialize<'de> for Int<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntVisitor<T>(std::marker::PhantomData<T>);
        impl<T: std::str::FromStr + TryFrom<u64> + TryFrom<i64>> Visitor<'_> for IntVisitor<T> {
            type Value = Int<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a 64-bit integer, as a number or a string")
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Int<T>, E> {
                let wide = T::try_from(v).map(Int);
                wide.map_err(|_| E::custom(format!("{v} does not fit")))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Int<T>, E> {
                let wide = T::try_from(v).map(Int);
                wide.map_err(|_| E::custom(format!("{v} does not fit")))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Int<T>, E> {
                let parsed = v.parse().map(Int);
                parsed.map_err(|_| E::custom(format!("{v:?} is not a 64-bit integer")))
            }
        }
        deserializer.deserialize_any(IntVisitor(std::marker::PhantomData))
    }
}

/// A number, or one of the three that JSON lacks, in quotes.
#[derive(Clone, Copy, Default)]
pub(super) struct Double(pub(super) f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DoubleVisitor;
        impl Visitor<'_> for DoubleVisitor {
            type Value = Double;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }
            fn visit_f64<E>(self, v: f64) -> Result<Double, E> {
                Ok(Double(v))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Double, E> {
                Ok(Double(v as f64))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Double, E> {
                Ok(Double(v as f64))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Double, E> {
                let parsed = crate::text::parse_float(v).map(Double);
                parsed.ok_or_else(|| E::custom(format!("{v:?} is not a number")))
            }
        }
        deserializer.deserialize_any(DoubleVisitor)
    }
}

#[derive(Default)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?))
            .collect();
        match bytes {
            Some(bytes) if rest.is_empty() => Ok(Hex(bytes)),
            _ => Err(D::Error::custom(format!("{text:?} is not hexadecimal"))),
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|d| d as u8)
}

pub(super) struct Base64(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine;
        let text = Cow::<str>::deserialize(deserializer)?;
        let bytes = base64::prelude::BASE64_STANDARD.decode(text.as_bytes());
        bytes.map(Base64).map_err(D::Error::custom)
    }
}
