//! WebSocket (RFC 6455): the server upgrades the connection, and where wanted answers a message.

use super::dial::{Address, TlsOptions, dial};
use super::expect::{Expect, beginning};
use super::line::Talk;
use super::look::{Fault, Found, Look};
use base64::Engine as _;
use lapwing_types::{Phase, ProbeReason};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use url::Url;

const HEADERS_MAX: usize = 100;
/// Hashed with the key by a server that knows the protocol, and by no other.
const KEY_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Pings and pieces passed over while waiting for the answer.
const FRAMES_MAX: usize = 100;
const MESSAGE_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebSocketProbe {
    /// `ws://…` or `wss://…`.
    pub url: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub tls: TlsOptions,
    /// Sent as text once the connection stands; the first message that comes back is judged.
    pub send: Option<String>,
    pub expect: Expect,
}

impl WebSocketProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        self.expect.check()
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let started = look.nanos();
        let text = self
            .url
            .as_deref()
            .or(look.base.as_deref())
            .ok_or_else(|| Fault::config("no url"))?;
        let url = Url::parse(text).map_err(|e| Fault::config(format!("{text:?}: {e}")))?;
        let is_tls = matches!(url.scheme(), "wss" | "https");
        let host = url
            .host_str()
            .ok_or_else(|| Fault::config(format!("{text:?} has no host")))?;
        let port = url.port().unwrap_or(if is_tls { 443 } else { 80 });
        let dialed = dial(look, &Address { host, port }, is_tls.then_some(&self.tls), false).await?;
        look.enter(Phase::Processing);
        let mut talk = Talk::new(dialed.stream);
        self.upgrade(look, &mut talk, (&url, &format!("{host}:{port}")))
            .await?;
        if let Some(message) = &self.send {
            let mask = (look.nanos() as u32).to_be_bytes();
            talk.send(&frame(0x1, message.as_bytes(), mask)).await?;
            let answer = receive(&mut talk).await?;
            look.note("answer", beginning(&answer));
            self.expect.judge_text(&answer, ProbeReason::Answer)?;
        }
        let _ = talk.send(&frame(0x8, &1000u16.to_be_bytes(), [0; 4])).await;
        look.leave();
        self.expect.judge_latency(look.seconds_since(started))
    }

    async fn upgrade(&self, look: &Look, talk: &mut Talk, (url, authority): (&Url, &str)) -> Found {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&look.nanos().to_be_bytes());
        nonce[8..].copy_from_slice(&look.now_ms.to_be_bytes());
        let key = base64::engine::general_purpose::STANDARD.encode(nonce);
        let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
        let mut request = format!(
            "GET {}{query} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n",
            url.path()
        );
        for (name, value) in &self.headers {
            if [name, value].iter().any(|t| t.contains(['\r', '\n'])) {
                return Err(Fault::config(format!("header {name:?} has a line break")));
            }
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        talk.send(request.as_bytes()).await?;
        let status = talk.line().await?;
        let code = status.split(' ').nth(1).unwrap_or("");
        look.measure("probe_http_status_code", code.parse().unwrap_or(0.0));
        let mut accept = None;
        for _ in 0..HEADERS_MAX {
            let line = talk.line().await?;
            if line.is_empty() {
                return judge_upgrade(&status, accept.as_deref(), &key);
            }
            if let Some((name, value)) = line.split_once(':')
                && name.trim().eq_ignore_ascii_case("sec-websocket-accept")
            {
                accept = Some(value.trim().to_owned());
            }
        }
        Err(Fault::protocol(format!("more than {HEADERS_MAX} headers")))
    }
}

/// Something that merely echoes headers, a proxy's cache for one, upgrades nothing.
fn judge_upgrade(status: &str, accept: Option<&str>, key: &str) -> Found {
    let Some(accept) = accept.filter(|_| status.split(' ').nth(1) == Some("101")) else {
        let detail = format!("the server does not upgrade: {status:?}");
        return Err(Fault::new(ProbeReason::Status, detail));
    };
    let wanted = accept_of(key);
    if accept == wanted {
        return Ok(());
    }
    let accept = beginning(accept);
    Err(Fault::protocol(format!(
        "the upgrade is not an answer to ours: Sec-WebSocket-Accept is {accept:?}, not {wanted:?}"
    )))
}

fn accept_of(key: &str) -> String {
    let hashed = Sha1::new().chain_update(key).chain_update(KEY_GUID).finalize();
    base64::engine::general_purpose::STANDARD.encode(hashed)
}

/// A client's frame is always masked.
fn frame(opcode: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut out = vec![0x80 | opcode];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=65535 => {
            out.push(0x80 | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    out
}

/// The first whole text or binary message.
async fn receive(talk: &mut Talk) -> Result<String, Fault> {
    let mut message = Vec::new();
    for _ in 0..FRAMES_MAX {
        let head = talk.exactly(2).await?;
        let length = match head[1] & 0x7f {
            126 => {
                let bytes = talk.exactly(2).await?;
                u64::from(u16::from_be_bytes([bytes[0], bytes[1]]))
            }
            127 => {
                let bytes = talk.exactly(8).await?;
                bytes.iter().fold(0u64, |n, b| n << 8 | u64::from(*b))
            }
            short => u64::from(short),
        };
        if length > (MESSAGE_BYTES_MAX - message.len().min(MESSAGE_BYTES_MAX)) as u64 {
            return Err(Fault::new(ProbeReason::TooLarge, "the message is too large"));
        }
        let payload = talk.exactly(length as usize).await?;
        match head[0] & 0x0f {
            0x8 => return Err(Fault::new(ProbeReason::Closed, "the server said goodbye")),
            0x9 => talk.send(&frame(0xa, &payload, [0; 4])).await?,
            0xa => {}
            _ => {
                message.extend(payload);
                if head[0] & 0x80 != 0 {
                    return Ok(String::from_utf8_lossy(&message).into_owned());
                }
            }
        }
    }
    Err(Fault::protocol(format!("no message in {FRAMES_MAX} frames")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_answers_our_key() {
        // The example of RFC 6455, 1.3.
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let judged =
            |status: &str, accept: Option<&str>| judge_upgrade(status, accept, key).map_err(|f| f.reason);
        assert_eq!(judged("HTTP/1.1 101 Switching Protocols", Some(right)), Ok(()));
        assert_eq!(
            judged("HTTP/1.1 101 x", Some("c3Rhcg==")),
            Err(ProbeReason::Protocol)
        );
        assert_eq!(judged("HTTP/1.1 101 x", None), Err(ProbeReason::Status));
        assert_eq!(judged("HTTP/1.1 200 OK", Some(right)), Err(ProbeReason::Status));
    }

    #[test]
    fn a_masked_frame() {
        // The example of RFC 6455, 5.7.
        let expect = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(frame(1, b"Hello", [0x37, 0xfa, 0x21, 0x3d]), expect);
        assert_eq!(frame(2, &[0; 300], [0; 4])[..4], [0x82, 0xfe, 1, 44]);
    }
}
