//! What a TLS certificate says of itself: until when it holds, for whom, by whom.
//!
//! Only the way to `validity` and the names is walked through the DER; every length is checked against what is there, and
//! nothing is trusted for it: whether a certificate is genuine is rustls's question.

use super::s3::hex;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) not_before_ms: i64,
    pub(super) not_after_ms: i64,
    /// The common names.
    pub(super) subject: String,
    pub(super) issuer: String,
    /// The whole names, as RFC 2253 writes them.
    pub(super) subject_name: String,
    pub(super) issuer_name: String,
    pub(super) subject_der: Vec<u8>,
    pub(super) issuer_der: Vec<u8>,
    /// In hexadecimal digits.
    pub(super) serial: String,
    /// For which names it stands, with commas between them.
    pub(super) dns_names: String,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const EXTENSIONS: u8 = 0xa3;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// Of one of the alternative names: it is one of the DNS.
const DNS_NAME: u8 = 0x82;
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
/// Characters of a whole name, and of all alternative names together.
const NAME_CHARS_MAX: usize = 1024;
/// Parts of a name below 2.5.4 in the order in which Go writes them, which is what dashboards were made with.
const PARTS: [(u8, &str); 9] = [
    (5, "SERIALNUMBER"),
    (3, "CN"),
    (17, "POSTALCODE"),
    (9, "STREET"),
    (8, "ST"),
    (7, "L"),
    (11, "OU"),
    (10, "O"),
    (6, "C"),
];

/// `None` when it is no certificate.
pub(super) fn read_certificate(der: &[u8]) -> Option<Certificate> {
    let (_, certificate, _) = element(der)?;
    let (_, body, _) = element(certificate)?;
    let mut rest = body;
    // The version is explicit and may be absent.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    let (_, serial, after) = element(rest)?;
    rest = after;
    rest = element(rest)?.2; // algorithm
    let (_, issuer, rest) = element(rest)?;
    let (_, validity, rest) = element(rest)?;
    let (_, subject, rest) = element(rest)?;
    let (from_tag, from, after) = element(validity)?;
    let (until_tag, until, _) = element(after)?;
    Some(Certificate {
        not_before_ms: time_ms(from_tag, from)?,
        not_after_ms: time_ms(until_tag, until)?,
        subject: common_name(subject).unwrap_or_default(),
        issuer: common_name(issuer).unwrap_or_default(),
        subject_name: whole_name(subject).unwrap_or_default(),
        issuer_name: whole_name(issuer).unwrap_or_default(),
        subject_der: subject.to_vec(),
        issuer_der: issuer.to_vec(),
        serial: hex(serial.strip_prefix(&[0]).unwrap_or(serial)),
        dns_names: dns_names(rest).unwrap_or_default(),
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

fn whole_name(mut name: &[u8]) -> Option<String> {
    let mut found: Vec<(u8, String)> = Vec::new();
    while !name.is_empty() {
        let (_, mut set, rest) = element(name)?;
        name = rest;
        while !set.is_empty() {
            let (_, pair, others) = element(set)?;
            set = others;
            let (_, oid, value) = element(pair)?;
            if let [0x55, 0x04, part] = oid {
                found.push((*part, escaped(&String::from_utf8_lossy(element(value)?.1))));
            }
        }
    }
    let parts = PARTS.iter().filter_map(|(number, word)| {
        let of_it: Vec<String> = found
            .iter()
            .filter(|(n, _)| n == number)
            .map(|(_, text)| format!("{word}={text}"))
            .collect();
        (!of_it.is_empty()).then(|| of_it.join("+"))
    });
    let name = parts.collect::<Vec<_>>().join(",");
    Some(name.chars().take(NAME_CHARS_MAX).collect())
}

fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        let is_at_rim = (c == ' ' && (i == 0 || i == last)) || (c == '#' && i == 0);
        if is_at_rim || ",+\"\\<>;".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What follows the subject: its key, and among the extensions the alternative names.
fn dns_names(mut rest: &[u8]) -> Option<String> {
    let mut extensions = loop {
        let (tag, body, after) = element(rest)?;
        if tag == EXTENSIONS {
            break element(body)?.1;
        }
        rest = after;
    };
    while !extensions.is_empty() {
        let (_, extension, after) = element(extensions)?;
        extensions = after;
        let (tag, oid, mut rest) = element(extension)?;
        if tag != OBJECT_IDENTIFIER || oid != ALTERNATIVE_NAMES {
            continue;
        }
        // Whether it is critical may stand between.
        let names = loop {
            let (tag, body, after) = element(rest)?;
            if tag == OCTET_STRING {
                break element(body)?.1;
            }
            rest = after;
        };
        return Some(names_of_dns(names));
    }
    None
}

fn names_of_dns(mut names: &[u8]) -> String {
    let mut found = Vec::new();
    while let Some((tag, name, after)) = element(names) {
        names = after;
        if tag == DNS_NAME {
            found.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    found.join(",").chars().take(NAME_CHARS_MAX).collect()
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

    #[test]
    fn names_are_written_as_go_writes_them() {
        let pem = include_bytes!("../../tests/data/tls/server.pem");
        let server =
            <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(pem);
        let read = read_certificate(&server.unwrap()).unwrap();
        assert_eq!(
            (read.subject_name.as_str(), read.issuer_name.as_str()),
            ("CN=localhost", "CN=test authority")
        );
        assert_eq!(
            (read.dns_names.as_str(), read.serial.as_str()),
            ("localhost", "13b6ab0ae584f0baf90dbb5f232e1a77931a9bb3")
        );
        let part = |number: u8, text: &str| {
            let pair = [der(6, &[0x55, 4, number]), der(12, text.as_bytes())].concat();
            der(SET, &der(SEQUENCE, &pair))
        };
        let name = [
            part(6, "AT"),
            part(10, "A, B"),
            part(3, " x#"),
            part(11, "one"),
            part(11, "two"),
        ]
        .concat();
        assert_eq!(whole_name(&name).unwrap(), "CN=\\ x#,OU=one+OU=two,O=A\\, B,C=AT");
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
