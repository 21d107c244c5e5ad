//! ICMP echo ("ping") over the unprivileged datagram socket of Linux.
//!
//! Whether this process may do so is the kernel's `net.ipv4.ping_group_range`; where it may not, the target is not judged
//! and the reason says what to change.

use super::look::{Fault, Found, Look};
use super::tcp::host_port;
use lapwing_types::{Phase, ProbeReason};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use tokio::net::UdpSocket;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IcmpProbe {
    pub host: Option<String>,
    /// Bytes beside the head; 56 as ping sends.
    pub payload_bytes: Option<u16>,
}

const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;
const PAYLOAD_BYTES_MAX: u16 = 1400;

impl IcmpProbe {
    pub(super) async fn look(&self, look: &Look) -> Found {
        let (host, _) = host_port(look, self.host.as_deref(), Some(0))?;
        look.enter(Phase::Resolve);
        let host = host.trim_matches(['[', ']']);
        let mut found = tokio::net::lookup_host((host, 0))
            .await
            .map_err(|e| Fault::new(ProbeReason::Dns, format!("cannot resolve {host}: {e}")))?;
        let to = look
            .ip
            .order(found.by_ref().collect())
            .into_iter()
            .next()
            .ok_or_else(|| Fault::new(ProbeReason::Dns, format!("{host} has no address")))?;
        look.enter(Phase::Connect);
        look.note("address", to.ip().to_string());
        look.measure("probe_ip_protocol", if to.is_ipv4() { 4.0 } else { 6.0 });
        let socket = open(to.ip())?;
        socket
            .connect(SocketAddr::new(to.ip(), 0))
            .await
            .map_err(|e| Fault::of_io(&e))?;
        look.enter(Phase::Processing);
        let payload = self.payload_bytes.unwrap_or(56).min(PAYLOAD_BYTES_MAX);
        let sequence = look.nanos() as u16;
        let packet = echo(to.ip(), sequence, usize::from(payload));
        socket.send(&packet).await.map_err(|e| Fault::of_io(&e))?;
        let mut answer = [0; 2048];
        loop {
            let count = socket.recv(&mut answer).await.map_err(|e| Fault::of_io(&e))?;
            if is_reply(&answer[..count], &packet) {
                look.leave();
                return Ok(());
            }
        }
    }
}

fn open(ip: IpAddr) -> Result<UdpSocket, Fault> {
    let (family, protocol) = match ip {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let refused = |detail: String| Fault::unjudged(ProbeReason::NotPermitted, detail);
    let fd = socket_with(family, SocketType::DGRAM, flags, Some(protocol)).map_err(|e| {
        refused(format!(
            "this process may not ping ({e}): widen net.ipv4.ping_group_range to its group"
        ))
    })?;
    let socket = std::net::UdpSocket::from(fd);
    UdpSocket::from_std(socket).map_err(|e| Fault::of_io(&e))
}

/// The kernel fills in identifier and checksum.
fn echo(ip: IpAddr, sequence: u16, payload: usize) -> Vec<u8> {
    let kind = if ip.is_ipv4() { ECHO_V4 } else { ECHO_V6 };
    let mut packet = vec![kind, 0, 0, 0, 0, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((0..payload).map(|i| i as u8));
    packet
}

/// Ours, by sequence number and payload; an echo reply has type 0, or 129 in IPv6.
fn is_reply(answer: &[u8], asked: &[u8]) -> bool {
    answer.len() >= 8 && matches!(answer[0], 0 | 129) && answer[6..] == asked[6..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_carries_what_was_sent() {
        let asked = echo(IpAddr::from([127, 0, 0, 1]), 7, 4);
        assert_eq!(asked, [8, 0, 0, 0, 0, 0, 0, 7, 0, 1, 2, 3]);
        let mut answer = asked.clone();
        answer[0] = 0;
        assert!(is_reply(&answer, &asked));
        answer[7] = 8;
        assert!(!is_reply(&answer, &asked) && !is_reply(&[0; 3], &asked));
    }
}
