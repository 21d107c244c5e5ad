//! DNS: a name server answers this question, with the code and the records that are expected.
//!
//! RFC 1035 over UDP (over TCP when asked for); how packets are read stands in `dns_packet`.

use super::dial::{Address, TlsOptions, dial};
use super::dns_rules::DnsRules;
use super::line::Talk;
use super::look::{Fault, Found, Look};
use super::tcp::host_port;
use crate::dns_packet::{name_at, question, u16_at, u32_at};
use lapwing_types::{Phase, ProbeReason, go_regex};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::UdpSocket;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsProbe {
    /// The name server, `host` or `host:port`.
    pub server: Option<String>,
    pub name: String,
    /// A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub tcp: bool,
    /// NOERROR without it; one of several.
    #[serde(deserialize_with = "super::expect::one_or_many")]
    pub rcode: Vec<String>,
    /// Regular expressions of which each must match one of the answers.
    #[serde(deserialize_with = "super::expect::one_or_many")]
    pub answers: Vec<String>,
    /// Regular expressions that no answer may match.
    #[serde(deserialize_with = "super::expect::one_or_many")]
    pub none_match: Vec<String>,
    /// Regular expressions that each answer must match.
    #[serde(deserialize_with = "super::expect::one_or_many")]
    pub all_match: Vec<String>,
    /// Regular expressions that not all answers may match.
    #[serde(deserialize_with = "super::expect::one_or_many")]
    pub not_all_match: Vec<String>,
    /// An answer without records passes.
    pub may_be_empty: bool,
    /// What only a module of blackbox_exporter says.
    #[serde(skip)]
    pub rules: Option<Box<DnsRules>>,
}

const KINDS: [(&str, u16); 24] = [
    ("ANY", 255),
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("HINFO", 13),
    ("LOC", 29),
    ("NAPTR", 35),
    ("DNAME", 39),
    ("DS", 43),
    ("SSHFP", 44),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("NSEC3", 50),
    ("TLSA", 52),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("CAA", 257),
];
const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
    "NOTAUTH", "NOTZONE",
];
const DNS_PORT: u16 = 53;
const DNS_OVER_TLS_PORT: u16 = 853;
const SOA: u16 = 6;
const TXT: u16 = 16;
const UDP_BYTES_MAX: usize = 4096;

impl DnsProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        question(&self.name, (self.type_number()?, 1, true), 0)?;
        self.rules.as_ref().map_or(Ok(()), |rules| rules.check())?;
        let patterns = [
            &self.answers,
            &self.none_match,
            &self.all_match,
            &self.not_all_match,
        ];
        for pattern in patterns.into_iter().flatten() {
            go_regex(pattern).map_err(|e| format!("{pattern:?} is not a regular expression: {e}"))?;
        }
        match self.rcode.iter().find(|code| !RCODES.contains(&code.as_str())) {
            Some(code) => Err(format!("{code:?} is none of {RCODES:?}")),
            None => Ok(()),
        }
    }

    fn type_number(&self) -> Result<u16, String> {
        let kind = self.kind.as_deref().unwrap_or("A").to_ascii_uppercase();
        let known = KINDS.iter().find(|(name, _)| *name == kind);
        known
            .map(|(_, n)| *n)
            .ok_or_else(|| format!("{kind:?} is not a type of record that can be asked for"))
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let rules = self.rules.as_deref();
        let tls = rules.and_then(|r| r.tls.as_ref());
        let usual_port = if tls.is_some() {
            DNS_OVER_TLS_PORT
        } else {
            DNS_PORT
        };
        let (host, port) = host_port(look, self.server.as_deref(), Some(usual_port))?;
        let kind = self.type_number().map_err(Fault::config)?;
        let id = look.nanos() as u16;
        let (class, wants_recursion) = rules.map_or((1, true), |r| (r.class, r.wants_recursion));
        let question = question(&self.name, (kind, class, wants_recursion), id).map_err(Fault::config)?;
        let packet = if self.tcp {
            ask_tcp(look, (&host, port), tls, &question).await?
        } else {
            ask_udp(look, (&host, port), &question).await?
        };
        look.leave();
        let answer = parse(&packet, id).ok_or_else(|| Fault::protocol("the answer is not whole"))?;
        look.measure("probe_dns_answer_rrs", answer.records.len() as f64);
        look.measure("probe_dns_authority_rrs", f64::from(answer.authority));
        look.measure("probe_dns_additional_rrs", f64::from(answer.additional));
        if kind == SOA {
            look.measure_more("probe_dns_serial", &[], f64::from(answer.serial));
        }
        look.note("answers", answer.records.join(", "));
        self.judge(look, &answer)
    }

    fn judge_records(&self, answer: &Answer) -> Found {
        let all = || answer.records.join(", ");
        let said = |detail: String| Err(Fault::new(ProbeReason::Answer, detail));
        // The whole record as a zone file has it, or its data alone, may be what was meant.
        let count = |pattern: &str| -> Result<usize, Fault> {
            let regex = go_regex(pattern).map_err(|e| Fault::config(e.to_string()))?;
            let found = answer.records.iter().zip(&answer.lines);
            Ok(found
                .filter(|(data, line)| regex.is_match(data) || regex.is_match(line))
                .count())
        };
        for pattern in &self.answers {
            if count(pattern)? == 0 {
                return said(format!("no answer matches {pattern:?}: {}", all()));
            }
        }
        for pattern in &self.none_match {
            if count(pattern)? > 0 {
                return said(format!("an answer matches {pattern:?}: {}", all()));
            }
        }
        for pattern in &self.all_match {
            if count(pattern)? < answer.records.len() {
                return said(format!("not every answer matches {pattern:?}: {}", all()));
            }
        }
        for pattern in &self.not_all_match {
            if !answer.records.is_empty() && count(pattern)? == answer.records.len() {
                return said(format!("every answer matches {pattern:?}: {}", all()));
            }
        }
        Ok(())
    }

    fn judge(&self, look: &Look, answer: &Answer) -> Found {
        let code = RCODES
            .get(usize::from(answer.rcode))
            .copied()
            .unwrap_or("UNKNOWN");
        let wanted = if self.rcode.is_empty() {
            "NOERROR".to_owned()
        } else {
            self.rcode.join(" or ")
        };
        let is_wanted = match self.rcode.is_empty() {
            true => code == "NOERROR",
            false => self.rcode.iter().any(|c| c == code),
        };
        look.measure("probe_dns_query_succeeded", 1.0);
        if !is_wanted {
            let detail = format!("{} answers {code}, not {wanted}", self.name);
            return Err(Fault::new(ProbeReason::Dns, detail));
        }
        if let Some(rules) = &self.rules {
            return rules.judge([&answer.lines, &answer.beside[0], &answer.beside[1]]);
        }
        let judged = self.judge_records(answer);
        look.measure("probe_failed_due_to_regex", f64::from(u8::from(judged.is_err())));
        judged?;
        if code == "NOERROR" && answer.records.is_empty() && !self.may_be_empty {
            return Err(Fault::new(
                ProbeReason::Empty,
                format!("{} has no such record", self.name),
            ));
        }
        Ok(())
    }
}

async fn ask_udp(look: &Look, (host, port): (&str, u16), question: &[u8]) -> Result<Vec<u8>, Fault> {
    look.enter(Phase::Resolve);
    let mut found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port))
        .await
        .map_err(|e| Fault::new(ProbeReason::Dns, format!("cannot resolve {host}: {e}")))?;
    let server = look
        .ip
        .order(found.by_ref().collect())
        .into_iter()
        .next()
        .ok_or_else(|| Fault::new(ProbeReason::Dns, format!("{host} has no address")))?;
    look.enter(Phase::Connect);
    look.measure_address(server.ip());
    let any: IpAddr = match server.ip() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let local = SocketAddr::new(look.source_ip.unwrap_or(any), 0);
    let io = |e: std::io::Error| Fault::of_io(&e);
    let socket = UdpSocket::bind(local).await.map_err(io)?;
    socket.connect(server).await.map_err(io)?;
    look.enter(Phase::Processing);
    socket.send(question).await.map_err(io)?;
    let mut answer = vec![0; UDP_BYTES_MAX];
    loop {
        let length = socket.recv(&mut answer).await.map_err(io)?;
        // A late answer to an older question is not ours.
        if length >= 2 && answer[..2] == question[..2] {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn ask_tcp(
    look: &Look,
    (host, port): (&str, u16),
    tls: Option<&TlsOptions>,
    question: &[u8],
) -> Result<Vec<u8>, Fault> {
    let dialed = dial(look, &Address { host, port }, tls, false).await?;
    look.enter(Phase::Processing);
    let mut talk = Talk::new(dialed.stream);
    let framed = [&(question.len() as u16).to_be_bytes()[..], question].concat();
    talk.send(&framed).await?;
    let length = talk.exactly(2).await?;
    talk.exactly(usize::from(u16::from_be_bytes([length[0], length[1]])))
        .await
}

#[derive(Debug, PartialEq)]
struct Answer {
    rcode: u8,
    records: Vec<String>,
    /// Each record as a zone file has it: name, lifetime, class, type, data.
    lines: Vec<String>,
    authority: u16,
    additional: u16,
    /// The lines of those two sections, as far as they can be read.
    beside: [Vec<String>; 2],
    /// Of the zone, where the answer says it.
    serial: u32,
}

fn parse(packet: &[u8], id: u16) -> Option<Answer> {
    if u16_at(packet, 0)? != id {
        return None;
    }
    let (questions, answers) = (u16_at(packet, 4)?, u16_at(packet, 6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = name_at(packet, at)?.1 + 4;
    }
    let (mut records, mut lines, mut serial) = (Vec::new(), Vec::new(), 0);
    for _ in 0..answers {
        let read = read_record(packet, at)?;
        at = read.end;
        serial = read.serial.unwrap_or(serial);
        lines.push(read.line);
        records.push(read.text);
    }
    let counts = [u16_at(packet, 8)?, u16_at(packet, 10)?];
    let mut beside = [Vec::new(), Vec::new()];
    'sections: for (section, count) in beside.iter_mut().zip(counts) {
        for _ in 0..count {
            let Some(read) = read_record(packet, at) else {
                break 'sections;
            };
            at = read.end;
            section.push(read.line);
        }
    }
    Some(Answer {
        rcode: packet.get(3)? & 0x0f,
        records,
        lines,
        authority: counts[0],
        additional: counts[1],
        beside,
        serial,
    })
}

struct Record {
    text: String,
    line: String,
    serial: Option<u32>,
    end: usize,
}

fn read_record(packet: &[u8], at: usize) -> Option<Record> {
    let (owner, at) = name_at(packet, at)?;
    let (kind, length) = (u16_at(packet, at)?, usize::from(u16_at(packet, at + 8)?));
    let data = at + 10;
    let end = data + length;
    packet.get(data..end)?;
    let text = record(packet, kind, (data, length))?;
    let lifetime = u32_at(packet, at + 4)?;
    let known = KINDS.iter().find(|(_, n)| *n == kind);
    let word = known.map_or_else(|| format!("TYPE{kind}"), |(name, _)| (*name).to_owned());
    let (whole, serial) = match kind {
        TXT => (quoted_texts(packet.get(data..end)?)?, None),
        SOA => {
            let (mailbox, numbers) = name_at(packet, name_at(packet, data)?.1)?;
            let number = |n: usize| u32_at(packet, numbers + 4 * n);
            let [serial, refresh, retry, expire, least] =
                [number(0)?, number(1)?, number(2)?, number(3)?, number(4)?];
            let whole = format!("{text} {mailbox} {serial} {refresh} {retry} {expire} {least}");
            (whole, Some(serial))
        }
        _ => (text.clone(), None),
    };
    let class = match u16_at(packet, at + 2)? {
        1 => "IN".to_owned(),
        3 => "CH".to_owned(),
        other => format!("CLASS{other}"),
    };
    Some(Record {
        line: format!("{owner}\t{lifetime}\t{class}\t{word}\t{whole}"),
        text,
        serial,
        end,
    })
}

/// Each text of a TXT record in quotation marks, as a zone file has them.
fn quoted_texts(mut rest: &[u8]) -> Option<String> {
    let mut texts = Vec::new();
    while let Some((length, tail)) = rest.split_first() {
        let part = tail.get(..usize::from(*length))?;
        let text = String::from_utf8_lossy(part)
            .replace('\\', "\\\\")
            .replace('"', "\\\"");
        texts.push(format!("\"{text}\""));
        rest = &tail[part.len()..];
    }
    Some(texts.join(" "))
}

/// As text, in the order of a zone file's fields.
fn record(packet: &[u8], kind: u16, (at, length): (usize, usize)) -> Option<String> {
    let data = packet.get(at..at + length)?;
    Some(match kind {
        1 => IpAddr::from(<[u8; 4]>::try_from(data).ok()?).to_string(),
        28 => IpAddr::from(<[u8; 16]>::try_from(data).ok()?).to_string(),
        2 | 5 | 6 | 12 => name_at(packet, at)?.0,
        15 => format!("{} {}", u16_at(packet, at)?, name_at(packet, at + 2)?.0),
        33 => {
            let field = |n: usize| u16_at(packet, at + n);
            let target = name_at(packet, at + 6)?.0;
            format!("{} {} {} {target}", field(0)?, field(2)?, field(4)?)
        }
        16 => {
            let (mut text, mut rest) = (String::new(), data);
            while let Some((length, tail)) = rest.split_first() {
                let part = tail.get(..usize::from(*length))?;
                text.push_str(&String::from_utf8_lossy(part));
                rest = &tail[part.len()..];
            }
            text
        }
        other => format!("type {other}, {length} bytes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_records_as_text() {
        let mut packet = question("a.example.", (1, 1, true), 7).unwrap();
        packet[7] = 2;
        packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1]);
        packet.extend([0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 4, 0, 5, 0xc0, 12]);
        let answer = parse(&packet, 7).unwrap();
        assert_eq!(answer.records, ["10.0.0.1", "5 a.example."]);
        assert_eq!(parse(&packet, 8), None);
        assert_eq!(parse(&packet[..packet.len() - 3], 7), None);
    }

    proptest! {
        #[test]
        fn no_packet_panics(mut packet in proptest::collection::vec(any::<u8>(), 0..300), answers in 0u8..4) {
            if packet.len() > 12 {
                packet[..8].copy_from_slice(&[0, 7, 0x80, 0, 0, 1, 0, answers]);
            }
            let _ = parse(&packet, 7);
        }
    }
}
