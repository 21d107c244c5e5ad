//! ICMP echo ("ping") over the unprivileged datagram socket of Linux, or a raw one.
//!
//! Whether this process may do so is the kernel's `net.ipv4.ping_group_range`, or a matter of CAP_NET_RAW; where it may neither,
//! the target is not judged and the reason says what to change.

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
    /// How many hops it may take; the system's default without it, or with 0.
    pub ttl: Option<u8>,
    /// Nobody on the way may split it.
    pub dont_fragment: bool,
}

const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;
const PAYLOAD_BYTES_MAX: u16 = 65_000;
/// Of an IP header with all its options, and of ours.
const HEADS_BYTES: usize = 68;

impl IcmpProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.payload_bytes {
            Some(bytes) if bytes > PAYLOAD_BYTES_MAX => Err(format!(
                "a ping of {bytes} bytes, {PAYLOAD_BYTES_MAX} are allowed"
            )),
            _ => Ok(()),
        }
    }

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
        look.measure_address(to.ip());
        let socket = open(to.ip())?;
        self.set_up(look, &socket, to.ip())
            .map_err(|e| Fault::of_io(&e))?;
        socket
            .io
            .connect(SocketAddr::new(to.ip(), 0))
            .await
            .map_err(|e| Fault::of_io(&e))?;
        look.enter(Phase::Processing);
        let payload = self.payload_bytes.unwrap_or(56);
        let numbers = (std::process::id() as u16, look.nanos() as u16);
        let packet = echo(to.ip(), numbers, usize::from(payload));
        socket.io.send(&packet).await.map_err(|e| Fault::of_io(&e))?;
        let mut answer = vec![0; usize::from(payload) + HEADS_BYTES];
        loop {
            let count = socket.io.recv(&mut answer).await.map_err(|e| Fault::of_io(&e))?;
            let (hops, answer) = socket.unwrapped(&answer[..count], to.ip());
            if is_reply(answer, &packet, socket.is_raw) {
                look.leave();
                if let Some(hops) = hops {
                    look.measure_more("probe_icmp_reply_hop_limit", &[], f64::from(hops));
                }
                return Ok(());
            }
        }
    }

    fn set_up(&self, look: &Look, socket: &Socket, to: IpAddr) -> std::io::Result<()> {
        use rustix::net::sockopt::{
            Ipv4PathMtuDiscovery, set_ip_mtu_discover, set_ip_ttl, set_ipv6_unicast_hops,
        };
        match (self.ttl.filter(|ttl| *ttl > 0), to) {
            (Some(ttl), IpAddr::V4(_)) => set_ip_ttl(&socket.io, u32::from(ttl))?,
            (Some(ttl), IpAddr::V6(_)) => set_ipv6_unicast_hops(&socket.io, Some(ttl))?,
            (None, _) => {}
        }
        // Routers never split what is sent by IPv6.
        if self.dont_fragment && to.is_ipv4() {
            set_ip_mtu_discover(&socket.io, Ipv4PathMtuDiscovery::DO)?;
        }
        match look.source_ip {
            Some(source) => Ok(rustix::net::bind(&socket.io, &SocketAddr::new(source, 0))?),
            None => Ok(()),
        }
    }
}

/// The unprivileged kind, or the raw one where this process may have only that.
struct Socket {
    io: UdpSocket,
    is_raw: bool,
}

impl Socket {
    /// The message and how many hops it could still have gone, where its IP header comes with it.
    fn unwrapped<'a>(&self, packet: &'a [u8], from: IpAddr) -> (Option<u8>, &'a [u8]) {
        if !self.is_raw || from.is_ipv6() {
            return (None, packet);
        }
        let Some([first, _, _, _, _, _, _, _, hops, ..]) = packet.first_chunk::<20>() else {
            return (None, &[]);
        };
        let message = packet.get(usize::from(first & 0x0f) * 4..);
        (Some(*hops), message.unwrap_or_default())
    }
}

fn open(ip: IpAddr) -> Result<Socket, Fault> {
    let (family, protocol) = match ip {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let opened = |kind| socket_with(family, kind, flags, Some(protocol));
    let (fd, is_raw) = match opened(SocketType::DGRAM) {
        Ok(fd) => (fd, false),
        Err(error) => {
            let refused = |_| {
                let detail = format!(
                    "this process may not ping ({error}): widen net.ipv4.ping_group_range to its group, or give it CAP_NET_RAW"
                );
                Fault::unjudged(ProbeReason::NotPermitted, detail)
            };
            (opened(SocketType::RAW).map_err(refused)?, true)
        }
    };
    let io = UdpSocket::from_std(std::net::UdpSocket::from(fd)).map_err(|e| Fault::of_io(&e))?;
    Ok(Socket { io, is_raw })
}

/// The kernel fills in identifier and checksum, but for a raw socket of IPv4 it does not.
fn echo(ip: IpAddr, (identifier, sequence): (u16, u16), payload: usize) -> Vec<u8> {
    let kind = if ip.is_ipv4() { ECHO_V4 } else { ECHO_V6 };
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(identifier.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend((0..payload).map(|i| i as u8));
    if ip.is_ipv4() {
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
    packet
}

/// RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2);
    let sum: u32 = words
        .map(|w| u32::from(w[0]) << 8 | u32::from(w.get(1).copied().unwrap_or(0)))
        .sum();
    let folded = (sum >> 16) + (sum & 0xffff);
    !((folded + (folded >> 16)) as u16)
}

/// Ours, by sequence number and payload, and by the identifier where the kernel keeps what we wrote; an echo reply has type 0,
/// or 129 in IPv6.
fn is_reply(answer: &[u8], asked: &[u8], is_raw: bool) -> bool {
    let is_ours = |from: usize| answer.get(from..) == asked.get(from..);
    answer.len() >= 8 && matches!(answer[0], 0 | 129) && is_ours(if is_raw { 4 } else { 6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_carries_what_was_sent() {
        let asked = echo(IpAddr::from([127, 0, 0, 1]), (9, 7), 4);
        assert_eq!(asked[..2], [8, 0]);
        assert_eq!(asked[4..], [0, 9, 0, 7, 0, 1, 2, 3]);
        assert_eq!(checksum(&asked), 0, "over a packet with its sum");
        let mut answer = asked.clone();
        answer[0] = 0;
        assert!(is_reply(&answer, &asked, true));
        answer[5] = 8;
        assert!(is_reply(&answer, &asked, false) && !is_reply(&answer, &asked, true));
        answer[7] = 8;
        assert!(!is_reply(&answer, &asked, false) && !is_reply(&[0; 3], &asked, false));
    }
}
