//! What a TLS certificate says of itself: until when it holds, for whom, by whom.
//!
//! Only the way to `validity` and the names is walked through the DER; every length is checked against what is there, and
//! nothing is trusted for it: whether a certificate is genuine is rustls's question.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) not_before_ms: i64,
    pub(super) not_after_ms: i64,
    pub(super) subject: String,
    pub(super) issuer: String,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// `None` when it is no certificate.
pub(super) fn read_certificate(der: &[u8]) -> Option<Certificate> {
    let (_, certificate, _) = element(der)?;
    let (_, body, _) = element(certificate)?;
    let mut rest = body;
    // The version is explicit and may be absent.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    rest = element(rest)?.2; // serial number
    rest = element(rest)?.2; // algorithm
    let (_, issuer, rest) = element(rest)?;
    let (_, validity, rest) = element(rest)?;
    let (_, subject, _) = element(rest)?;
    let (from_tag, from, after) = element(validity)?;
    let (until_tag, until, _) = element(after)?;
    Some(Certificate {
        not_before_ms: time_ms(from_tag, from)?,
        not_after_ms: time_ms(until_tag, until)?,
        subject: common_name(subject).unwrap_or_default(),
        issuer: common_name(issuer).unwrap_or_default(),
    })
}

/// Tag, contents, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first) = (*der.first()?, *der.get(1)?);
    let (length, head) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let bytes = der.get(2..2 + count)?;
        (
            bytes.iter().fold(0usize, |n, b| n << 8 | usize::from(*b)),
            2 + count,
        )
    };
    let end = head.checked_add(length)?;
    Some((tag, der.get(head..end)?, &der[end..]))
}

fn time_ms(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let full = match tag {
        // RFC 5280: years below 50 are in this century.
        UTC_TIME if text.len() == 12 && text.is_ascii() => {
            let century = if text[..2] < *"50" { "20" } else { "19" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME if text.len() == 14 && text.is_ascii() => text.to_owned(),
        _ => return None,
    };
    let moment = DateTime::strptime("%Y%m%d%H%M%S", full).ok()?;
    let zoned = moment.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

fn common_name(mut name: &[u8]) -> Option<String> {
    let mut found = None;
    while !name.is_empty() {
        let (set_tag, set, rest) = element(name)?;
        name = rest;
        let (pair_tag, pair, _) = element(set)?;
        if set_tag != SET || pair_tag != SEQUENCE {
            continue;
        }
        let (_, oid, value) = element(pair)?;
        if oid == COMMON_NAME {
            let (_, text, _) = element(value)?;
            found = Some(String::from_utf8_lossy(text).chars().take(200).collect());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn der(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        if body.len() < 0x80 {
            out.push(body.len() as u8);
        } else {
            out.extend([0x82, (body.len() >> 8) as u8, body.len() as u8]);
        }
        out.extend(body);
        out
    }

    fn name(text: &str) -> Vec<u8> {
        let pair = [der(6, &COMMON_NAME), der(12, text.as_bytes())].concat();
        der(SEQUENCE, &der(SET, &der(SEQUENCE, &pair)))
    }

    fn certificate(from: &[u8], until: &[u8]) -> Vec<u8> {
        let body = [
            der(0xa0, &der(2, &[2])),
            der(2, &[1; 200]),
            der(SEQUENCE, &[]),
            name("an authority"),
            der(SEQUENCE, &[from, until].concat()),
            name("server.example"),
        ]
        .concat();
        der(SEQUENCE, &der(SEQUENCE, &body))
    }

    #[test]
    fn reads_both_spellings_of_time() {
        let whole = certificate(
            &der(UTC_TIME, b"700101000000Z"),
            &der(GENERALIZED_TIME, b"20500101000001Z"),
        );
        let read = read_certificate(&whole).unwrap();
        assert_eq!((read.not_before_ms, read.not_after_ms), (0, 2_524_608_001_000));
        assert_eq!(
            (read.subject.as_str(), read.issuer.as_str()),
            ("server.example", "an authority")
        );
        assert_eq!(read_certificate(&whole[..whole.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..150, byte: u8) {
            let _ = read_certificate(&bytes);
            let mut whole = certificate(&der(UTC_TIME, b"700101000000Z"), &der(UTC_TIME, b"490101000000Z"));
            let at = at % whole.len();
            whole[at] = byte;
            let _ = read_certificate(&whole);
        }
    }
}
