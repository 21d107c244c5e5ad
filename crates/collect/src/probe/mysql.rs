//! MySQL and MariaDB by their own protocol: they greet, and where a user is named take our login and answer COM_PING.
//!
//! Login by `mysql_native_password` or `caching_sha2_password`; a full exchange of the latter sends the password over TLS only.

use super::dial::{Address, Stream, TlsOptions, connect, secure};
use super::line::Talk;
use super::look::{Fault, Found, Look};
use super::tcp::host_port;
use crate::http::Secret;
use lapwing_types::{Phase, ProbeReason};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

const MYSQL_PORT: u16 = 3306;
const PACKET_BYTES_MAX: u32 = 1 << 20;
/// CLIENT_LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_8000 | 0x0008_0000;
const CLIENT_SSL: u32 = 0x0000_0800;
const UTF8MB4: u8 = 45;
const LOGIN_STEPS_MAX: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MysqlProbe {
    pub address: Option<String>,
    pub tls: Option<TlsOptions>,
    /// Without one the greeting is all that is asked for.
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
}

/// What the server says first.
#[derive(Debug, PartialEq)]
struct Greeting {
    version: String,
    salt: Vec<u8>,
    plugin: String,
    capabilities: u32,
}

impl MysqlProbe {
    pub(super) async fn look(&self, look: &Look) -> Found {
        let (host, port) = host_port(look, self.address.as_deref(), Some(MYSQL_PORT))?;
        let tcp = connect(look, &Address { host: &host, port }).await?;
        look.enter(Phase::Processing);
        let stream: Box<dyn Stream> = Box::new(tcp);
        let mut talk = Talk::new(stream);
        let (_, packet) = receive(&mut talk).await?;
        if packet.first() == Some(&0xff) {
            return Err(error(&packet, ProbeReason::Answer));
        }
        let greeting = greeting(&packet).ok_or_else(|| Fault::protocol("not a greeting of MySQL"))?;
        look.note("server_version", greeting.version.clone());
        let Some(user) = &self.user else {
            return Ok(());
        };
        let mut number = 1;
        if let Some(tls) = &self.tls {
            if greeting.capabilities & CLIENT_SSL == 0 {
                return Err(Fault::new(ProbeReason::Tls, "the server does not offer TLS"));
            }
            send(&mut talk, number, &client_head(CAPABILITIES | CLIENT_SSL)).await?;
            number += 1;
            talk = Talk::new(
                secure(look, talk.into_stream()?, (&host, tls), false)
                    .await?
                    .stream,
            );
            look.enter(Phase::Processing);
        }
        self.log_in(&mut talk, (user, &greeting), number).await?;
        send(&mut talk, 0, &[0x0e]).await?;
        let (_, answer) = receive(&mut talk).await?;
        let _ = send(&mut talk, 0, &[0x01]).await;
        look.leave();
        match answer.first() {
            Some(0x00) => Ok(()),
            _ => Err(error(&answer, ProbeReason::Answer)),
        }
    }

    async fn log_in(&self, talk: &mut Talk, (user, greeting): (&str, &Greeting), number: u8) -> Found {
        let password = match Secret::either(self.password.as_ref(), self.password_file.as_ref()) {
            None => String::new(),
            Some(secret) => {
                let revealed = secret.reveal();
                revealed.map_err(|e| Fault::config(format!("cannot read the password: {e}")))?
            }
        };
        let tls = if self.tls.is_some() { CLIENT_SSL } else { 0 };
        let mut login = client_head(CAPABILITIES | tls);
        login.extend(user.as_bytes());
        login.push(0);
        let proof = scramble(&greeting.plugin, &password, &greeting.salt)?;
        login.push(proof.len() as u8);
        login.extend(proof);
        login.extend(greeting.plugin.as_bytes());
        login.push(0);
        send(talk, number, &login).await?;
        for _ in 0..LOGIN_STEPS_MAX {
            let (number, packet) = receive(talk).await?;
            match packet.first() {
                Some(0x00) => return Ok(()),
                // Another way to log in: its name, and a new salt.
                Some(0xfe) => {
                    let rest = &packet[1..];
                    let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
                    let plugin = String::from_utf8_lossy(&rest[..end]).into_owned();
                    let salt = rest.get(end + 1..).unwrap_or_default();
                    let salt = salt.strip_suffix(&[0]).unwrap_or(salt);
                    send(talk, number.wrapping_add(1), &scramble(&plugin, &password, salt)?).await?;
                }
                // The server's cache knows us: the end of it follows.
                Some(0x01) if packet.get(1) == Some(&0x03) => {}
                Some(0x01) if self.tls.is_some() => {
                    let clear = [password.as_bytes(), &[0]].concat();
                    send(talk, number.wrapping_add(1), &clear).await?;
                }
                Some(0x01) => {
                    let detail = "the server wants the whole password, which is sent over TLS only";
                    return Err(Fault::new(ProbeReason::Auth, detail));
                }
                _ => return Err(error(&packet, ProbeReason::Auth)),
            }
        }
        Err(Fault::protocol("the login does not come to an end"))
    }
}

fn client_head(capabilities: u32) -> Vec<u8> {
    let mut head = capabilities.to_le_bytes().to_vec();
    head.extend(PACKET_BYTES_MAX.to_le_bytes());
    head.push(UTF8MB4);
    head.extend([0; 23]);
    head
}

fn scramble(plugin: &str, password: &str, salt: &[u8]) -> Result<Vec<u8>, Fault> {
    if password.is_empty() {
        return Ok(Vec::new());
    }
    let xor = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(x, y)| x ^ y).collect();
    match plugin {
        "mysql_native_password" => {
            let one = Sha1::digest(password);
            let two = Sha1::digest(one);
            let salted = Sha1::digest([salt, two.as_slice()].concat());
            Ok(xor(&one, &salted))
        }
        "caching_sha2_password" => {
            let one = Sha256::digest(password);
            let two = Sha256::digest(one);
            let salted = Sha256::digest([two.as_slice(), salt].concat());
            Ok(xor(&one, &salted))
        }
        other => Err(Fault::new(
            ProbeReason::Auth,
            format!("the server wants login by {other:?}"),
        )),
    }
}

async fn send(talk: &mut Talk, number: u8, body: &[u8]) -> Found {
    let length = (body.len() as u32).to_le_bytes();
    let mut packet = vec![length[0], length[1], length[2], number];
    packet.extend(body);
    talk.send(&packet).await
}

async fn receive(talk: &mut Talk) -> Result<(u8, Vec<u8>), Fault> {
    let head = talk.exactly(4).await?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    Ok((head[3], talk.exactly(length).await?))
}

fn error(packet: &[u8], reason: ProbeReason) -> Fault {
    let code = packet.get(1..3).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let text = String::from_utf8_lossy(packet.get(3..).unwrap_or_default()).into_owned();
    Fault::new(reason, format!("error {code}: {text}"))
}

/// Handshake v10.
fn greeting(packet: &[u8]) -> Option<Greeting> {
    let (protocol, rest) = packet.split_first()?;
    if *protocol != 10 {
        return None;
    }
    let end = rest.iter().position(|b| *b == 0)?;
    let version = String::from_utf8_lossy(&rest[..end]).into_owned();
    let rest = rest.get(end + 1 + 4..)?;
    let mut salt = rest.get(..8)?.to_vec();
    let low = rest.get(9..11)?;
    let high = rest.get(14..16)?;
    let capabilities = u32::from_le_bytes([low[0], low[1], high[0], high[1]]);
    let salt_length = usize::from(*rest.get(16)?);
    let more = salt_length.saturating_sub(8).max(13);
    let tail = rest.get(27..)?;
    let second = tail.get(..more.min(tail.len()))?;
    salt.extend(second.strip_suffix(&[0]).unwrap_or(second));
    let plugin = tail.get(more..).unwrap_or_default();
    let plugin = plugin.split(|b| *b == 0).next().unwrap_or_default();
    Some(Greeting {
        version,
        salt,
        plugin: String::from_utf8_lossy(plugin).into_owned(),
        capabilities,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_a_greeting() {
        let mut packet = vec![10];
        packet.extend(b"11.8.3-MariaDB\0");
        packet.extend([1, 0, 0, 0]);
        packet.extend(b"12345678\0");
        packet.extend([0xff, 0xf7, 45, 2, 0, 0xff, 0x81, 21]);
        packet.extend([0; 10]);
        packet.extend(b"abcdefghijkl\0");
        packet.extend(b"mysql_native_password\0");
        let read = greeting(&packet).unwrap();
        assert_eq!(read.version, "11.8.3-MariaDB");
        assert_eq!(read.salt, b"12345678abcdefghijkl");
        assert_eq!(read.plugin, "mysql_native_password");
        assert_eq!(read.capabilities, 0x81ff_f7ff);
    }

    proptest! {
        #[test]
        fn no_greeting_panics(mut packet in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Some(first) = packet.first_mut() {
                *first = 10;
            }
            let _ = greeting(&packet);
            let _ = error(&packet, ProbeReason::Auth);
        }
    }
}
