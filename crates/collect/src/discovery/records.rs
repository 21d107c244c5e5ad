//! The DNS questions that the system's resolver does not answer: which hosts serve this name (SRV, with ports), take its mail (MX),
//! or answer for it (NS)?
//!
//! RFC 1035 over UDP, over TCP when the answer was cut; name servers from `resolv.conf`, in order. The answer is foreign input;
//! how it is read stands in `dns_packet`.

use crate::dns_packet::{name_at, question, u16_at};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

const CLASS_IN: u16 = 1;
const SERVER_WAIT: Duration = Duration::from_secs(3);
const SERVERS_MAX: usize = 3;
const UDP_BYTES_MAX: usize = 4096;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKind {
    Srv,
    Mx,
    Ns,
}

impl RecordKind {
    fn code(self) -> u16 {
        match self {
            RecordKind::Ns => 2,
            RecordKind::Mx => 15,
            RecordKind::Srv => 33,
        }
    }

    /// What stands before the name: priority, weight and port, or a preference.
    fn bytes_before_name(self) -> usize {
        match self {
            RecordKind::Srv => 6,
            RecordKind::Mx => 2,
            RecordKind::Ns => 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    /// Ends with a dot, as DNS writes it.
    pub(super) target: String,
    /// Only a service names one.
    pub(super) port: Option<u16>,
}

/// Ascending by target and port.
pub(super) async fn query(name: &str, kind: RecordKind, resolv_conf: &Path) -> Result<Vec<Record>, String> {
    let text = std::fs::read_to_string(resolv_conf).map_err(|e| format!("{}: {e}", resolv_conf.display()))?;
    let servers = name_servers(&text);
    let mut last = format!("no name server in {}", resolv_conf.display());
    for server in servers {
        match tokio::time::timeout(SERVER_WAIT, ask(name, kind, server)).await {
            Ok(Ok(records)) => return Ok(records),
            Ok(Err(error)) => last = format!("{server}: {error}"),
            Err(_) => last = format!("{server} did not answer"),
        }
    }
    Err(last)
}

/// `nameserver 10.0.0.1`; a port may follow in brackets' notation (`[10.0.0.1]:5353`), which tests use.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|l| l.trim().strip_prefix("nameserver"));
    let parsed = addresses.filter_map(|a| {
        let a = a.trim();
        let with_port = a.replace(['[', ']'], "").parse().ok();
        let plain = a.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
        plain.or(with_port)
    });
    parsed.take(SERVERS_MAX).collect()
}

async fn ask(name: &str, kind: RecordKind, server: SocketAddr) -> Result<Vec<Record>, String> {
    let text = |e: std::io::Error| e.to_string();
    let id = random_id();
    let question = question(name, (kind.code(), CLASS_IN, true), id)?;
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).await.map_err(text)?;
    socket.connect(server).await.map_err(text)?;
    socket.send(&question).await.map_err(text)?;
    let mut answer = vec![0; UDP_BYTES_MAX];
    loop {
        let length = socket.recv(&mut answer).await.map_err(text)?;
        match parse(&answer[..length], kind, id) {
            Err(Bad::NotOurs) => {} // A late answer to an older question.
            Err(Bad::Truncated) => break,
            Err(Bad::Reason(reason)) => return Err(reason),
            Ok(records) => return Ok(records),
        }
    }
    let mut stream = TcpStream::connect(server).await.map_err(text)?;
    stream.write_u16(question.len() as u16).await.map_err(text)?;
    stream.write_all(&question).await.map_err(text)?;
    let length = stream.read_u16().await.map_err(text)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(text)?;
    match parse(&answer, kind, id) {
        Ok(records) => Ok(records),
        Err(Bad::Reason(reason)) => Err(reason),
        Err(Bad::NotOurs | Bad::Truncated) => Err("the answer over TCP is not whole".to_owned()),
    }
}

/// Unpredictable enough beside a fresh source port; the standard library's hasher is seeded by the system.
fn random_id() -> u16 {
    use std::hash::{BuildHasher, Hasher};
    let seeded = std::collections::hash_map::RandomState::new();
    seeded.build_hasher().finish() as u16
}

#[derive(Debug, PartialEq)]
enum Bad {
    NotOurs,
    Truncated,
    Reason(String),
}

fn parse(packet: &[u8], kind: RecordKind, id: u16) -> Result<Vec<Record>, Bad> {
    let short = || Bad::Reason("the answer ends too early".to_owned());
    let u16_at = |at: usize| u16_at(packet, at).ok_or_else(short);
    let name_at = |at: usize| name_at(packet, at).ok_or_else(short);
    if u16_at(0)? != id {
        return Err(Bad::NotOurs);
    }
    let flags = u16_at(2)?;
    if flags & 0x0200 != 0 {
        return Err(Bad::Truncated);
    }
    match flags & 0x000f {
        0 => {}
        3 => return Err(Bad::Reason("no such name".to_owned())),
        code => return Err(Bad::Reason(format!("the name server failed with code {code}"))),
    }
    let (questions, answers) = (u16_at(4)?, u16_at(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = name_at(at)?.1 + 4;
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        at = name_at(at)?.1;
        let (code, length) = (u16_at(at)?, usize::from(u16_at(at + 8)?));
        let data = at + 10;
        if code == kind.code() {
            let port = match kind {
                RecordKind::Srv => Some(u16_at(data + 4)?),
                RecordKind::Mx | RecordKind::Ns => None,
            };
            let (target, _) = name_at(data + kind.bytes_before_name())?;
            records.push(Record { target, port });
        }
        at = data + length;
    }
    records.sort();
    Ok(records)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    fn push_name(packet: &mut Vec<u8>, name: &str) {
        for part in name.split('.') {
            packet.push(part.len() as u8);
            packet.extend(part.as_bytes());
        }
        packet.push(0);
    }

    /// An answer to `question` with these records of the kind that it asks for; their names point back to the question's.
    fn answer(question: &[u8], records: &[(&str, u16)]) -> Vec<u8> {
        let mut packet = question.to_vec();
        let kind = [question[question.len() - 4], question[question.len() - 3]];
        packet[2] |= 0x80;
        packet[7] = records.len() as u8;
        for (target, port) in records {
            packet.extend([0xc0, 12]);
            packet.extend(kind);
            packet.extend([0, 1, 0, 0, 0, 60]);
            let mut data = match u16::from_be_bytes(kind) {
                33 => [&[0, 1, 0, 1], &port.to_be_bytes()[..]].concat(),
                15 => vec![0, 10],
                2 => Vec::new(),
                other => panic!("nobody asks for {other}"),
            };
            push_name(&mut data, target);
            packet.extend((data.len() as u16).to_be_bytes());
            packet.extend(data);
        }
        packet
    }

    /// A name server on loopback, and a folder with a `resolv.conf` that names it.
    pub(crate) async fn name_server(
        records: &[(&'static str, u16)],
    ) -> (tempfile::TempDir, tokio::task::JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut text = "# comment\n".to_owned();
        let address = socket.local_addr().unwrap();
        writeln!(text, "nameserver [{}]:{}", address.ip(), address.port()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("resolv.conf"), text).unwrap();
        let records = records.to_vec();
        let server = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let packet = answer(&question[..length], &records);
                let _ = socket.send_to(&packet, from).await;
            }
        });
        (folder, server)
    }

    #[test]
    fn reads_answers_and_refusals() {
        let asked = question("_m._tcp.example.", (33, CLASS_IN, true), 7).unwrap();
        let parse = |packet: &[u8], id| parse(packet, RecordKind::Srv, id);
        let records = parse(&answer(&asked, &[("b.c", 2), ("a", 1)]), 7).unwrap();
        let srv = |target: &str, port| Record {
            target: target.to_owned(),
            port: Some(port),
        };
        assert_eq!(records, [srv("a.", 1), srv("b.c.", 2)]);
        assert_eq!(parse(&asked, 8), Err(Bad::NotOurs));
        let mut no_name = asked.clone();
        no_name[3] = 3;
        assert_eq!(parse(&no_name, 7), Err(Bad::Reason("no such name".to_owned())));
        let mut cut = asked;
        cut[2] |= 2;
        assert_eq!(parse(&cut, 7), Err(Bad::Truncated));
    }

    #[test]
    fn name_servers_in_order() {
        let text = "search x\nnameserver 10.0.0.1\nnameserver ::1\nnameserver nonsense\n";
        let shown: Vec<String> = name_servers(text).iter().map(|s| s.to_string()).collect();
        assert_eq!(shown, ["10.0.0.1:53", "[::1]:53"]);
    }

    proptest! {
        #[test]
        fn no_packet_panics(mut packet in proptest::collection::vec(any::<u8>(), 0..300), answers in 0u8..4) {
            if packet.len() > 12 {
                packet[..8].copy_from_slice(&[0, 7, 0x80, 0, 0, 1, 0, answers]);
            }
            for kind in [RecordKind::Srv, RecordKind::Mx, RecordKind::Ns] {
                let _ = parse(&packet, kind, 7);
            }
        }
    }
}
