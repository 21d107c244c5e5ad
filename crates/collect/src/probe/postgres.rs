//! PostgreSQL by its own protocol (3.0): it takes our login and answers a query.
//!
//! TLS after an SSLRequest where wanted; login by trust, clear text (over TLS only), MD5 or SCRAM-SHA-256. Every message is
//! bounded, and nothing that the server sends is trusted for a length.

use super::dial::{Address, Stream, TlsOptions, connect, secure};
use super::line::Talk;
use super::look::{Fault, Found, Look};
use super::resources::Thresholds;
use super::scram::Scram;
use super::tcp::host_port;
use crate::http::{Millis, Secret};
use lapwing_types::{Phase, ProbeReason};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const POSTGRES_PORT: u16 = 5432;
const PROTOCOL: u32 = 0x0003_0000;
const SSL_REQUEST: u32 = 80_877_103;
/// Messages of one answer; a probe's query has few rows.
const MESSAGES_MAX: usize = 1000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresProbe {
    pub address: Option<String>,
    pub tls: Option<TlsOptions>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
    pub database: Option<String>,
    /// `SELECT 1` without it.
    pub query: Option<String>,
    /// The first column of the first row must be this.
    pub expect: Option<String>,
    /// As the check's own.
    pub degraded_above: Option<Millis>,
    /// Of the connections that the server takes, how many are taken, ours included. It is not asked for without it.
    pub connections: Option<Thresholds>,
}

/// Whoever may log in sees how many others there are, if not who.
const CONNECTIONS: &str = "SELECT 100.0 * count(*) / current_setting('max_connections')::int \
    FROM pg_catalog.pg_stat_activity WHERE backend_type IN ('client backend', 'walsender')";
/// SQLSTATE of a server that takes no more connections.
const TOO_MANY_CONNECTIONS: &str = "53300";
/// Of one that is ended by its administrator, has crashed, or is starting up, shutting down or recovering.
const NOT_NOW: [&str; 3] = ["57P01", "57P02", "57P03"];

/// What it is that keeps a client from logging in.
fn reason_of(sqlstate: &str) -> ProbeReason {
    match sqlstate {
        TOO_MANY_CONNECTIONS => ProbeReason::Threshold,
        code if NOT_NOW.contains(&code) => ProbeReason::Refused,
        _ => ProbeReason::Auth,
    }
}

impl PostgresProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        self.connections.map_or(Ok(()), Thresholds::check)
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let (host, port) = host_port(look, self.address.as_deref(), Some(POSTGRES_PORT))?;
        let tcp = connect(look, &Address { host: &host, port }).await?;
        let mut stream: Box<dyn Stream> = Box::new(tcp);
        if let Some(tls) = &self.tls {
            stream = self.begin_tls(look, stream, (&host, tls)).await?;
        }
        look.enter(Phase::Processing);
        let mut talk = Talk::new(stream);
        let user = self.user.as_deref().unwrap_or("postgres");
        let database = self.database.as_deref().unwrap_or(user);
        let mut body = PROTOCOL.to_be_bytes().to_vec();
        for text in [
            "user",
            user,
            "database",
            database,
            "application_name",
            "lapwing",
            "",
        ] {
            body.extend(text.as_bytes());
            body.push(0);
        }
        talk.send(&framed(None, &body)).await?;
        self.log_in(look, &mut talk, user).await?;
        let mut found = self.query(&mut talk).await;
        if let (Ok(()), Some(limits)) = (&found, self.connections) {
            found = connections_used(look, &mut talk, limits).await;
        }
        look.leave();
        let _ = talk.send(&framed(Some(b'X'), &[])).await;
        found
    }

    async fn begin_tls(
        &self,
        look: &Look,
        stream: Box<dyn Stream>,
        to: (&str, &TlsOptions),
    ) -> Result<Box<dyn Stream>, Fault> {
        let mut talk = Talk::new(stream);
        talk.send(&framed(None, &SSL_REQUEST.to_be_bytes())).await?;
        if talk.exactly(1).await? != b"S" {
            return Err(Fault::new(ProbeReason::Tls, "the server does not offer TLS"));
        }
        Ok(secure(look, talk.into_stream()?, to, false).await?.stream)
    }

    async fn log_in(&self, look: &Look, talk: &mut Talk, user: &str) -> Found {
        let mut scram: Option<Scram> = None;
        for _ in 0..MESSAGES_MAX {
            let (kind, body) = message(talk).await?;
            match kind {
                b'R' => {
                    if let Some(answer) = self.answer(look, user, &body, &mut scram)? {
                        talk.send(&framed(Some(b'p'), &answer)).await?;
                    }
                }
                b'S' => note_parameter(look, &body),
                b'Z' => return Ok(()),
                b'E' => {
                    let reason = reason_of(&field(&body, 'C'));
                    return Err(Fault::new(reason, error_text(&body)));
                }
                b'K' | b'N' => {}
                other => return Err(unexpected(other)),
            }
        }
        Err(Fault::protocol("the login does not come to an end"))
    }

    /// What to say to an authentication request, if anything.
    fn answer(
        &self,
        look: &Look,
        user: &str,
        body: &[u8],
        scram: &mut Option<Scram>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let (code, rest) = body
            .split_first_chunk::<4>()
            .ok_or_else(|| Fault::protocol("a short request to log in"))?;
        let text = |s: String| Some([s.as_bytes(), &[0]].concat());
        match u32::from_be_bytes(*code) {
            0 => Ok(None),
            3 if self.tls.is_none() => {
                let detail = "the server wants the password in clear, and the connection has no TLS";
                Err(Fault::new(ProbeReason::Auth, detail))
            }
            3 => Ok(text(self.password()?)),
            5 => {
                let salt = rest.get(..4).ok_or_else(|| Fault::protocol("a short salt"))?;
                let inner = hex(&Md5::digest(format!("{}{user}", self.password()?)));
                let outer = hex(&Md5::digest([inner.as_bytes(), salt].concat()));
                Ok(text(format!("md5{outer}")))
            }
            10 => {
                let new = Scram::new(&self.password()?, &format!("{:016x}", look.nanos()));
                let first = new.first();
                *scram = Some(new);
                let mut answer = b"SCRAM-SHA-256\0".to_vec();
                answer.extend((first.len() as u32).to_be_bytes());
                answer.extend(first.as_bytes());
                Ok(Some(answer))
            }
            11 => {
                let scram = scram
                    .as_mut()
                    .ok_or_else(|| Fault::protocol("SCRAM out of order"))?;
                let said = scram
                    .next(&String::from_utf8_lossy(rest))
                    .map_err(Fault::protocol)?;
                Ok(Some(said.into_bytes()))
            }
            12 => {
                let scram = scram
                    .as_ref()
                    .ok_or_else(|| Fault::protocol("SCRAM out of order"))?;
                if scram.is_server(&String::from_utf8_lossy(rest)) {
                    Ok(None)
                } else {
                    Err(Fault::new(
                        ProbeReason::Auth,
                        "the server does not know the password itself",
                    ))
                }
            }
            other => Err(Fault::new(
                ProbeReason::Auth,
                format!("the server wants login of kind {other}"),
            )),
        }
    }

    fn password(&self) -> Result<String, Fault> {
        let secret =
            Secret::either(self.password.as_ref(), self.password_file.as_ref()).ok_or_else(|| {
                Fault::new(
                    ProbeReason::Auth,
                    "the server wants a password, and none is configured",
                )
            })?;
        secret
            .reveal()
            .map_err(|e| Fault::config(format!("cannot read the password: {e}")))
    }

    async fn query(&self, talk: &mut Talk) -> Found {
        let query = self.query.as_deref().unwrap_or("SELECT 1");
        let found = first_value(talk, query).await?;
        let Some(wanted) = &self.expect else { return Ok(()) };
        if found.as_deref() == Some(wanted) {
            return Ok(());
        }
        let said = found.unwrap_or_else(|| "nothing".to_owned());
        let detail = format!("the query gives {said:?}, not {wanted:?}");
        Err(Fault::new(ProbeReason::Answer, detail))
    }
}

async fn connections_used(look: &Look, talk: &mut Talk, limits: Thresholds) -> Found {
    let found = first_value(talk, CONNECTIONS).await?;
    let Some(percent) = found.and_then(|text| text.parse::<f64>().ok()) else {
        return Err(Fault::protocol("it does not say how many connections there are"));
    };
    look.measure("probe_postgres_connections_used_ratio", percent / 100.0);
    limits.judge("the limit of connections", percent)
}

/// The first column of the first row, if there is one.
async fn first_value(talk: &mut Talk, query: &str) -> Result<Option<String>, Fault> {
    talk.send(&framed(Some(b'Q'), &[query.as_bytes(), &[0]].concat()))
        .await?;
    let mut first: Option<String> = None;
    for _ in 0..MESSAGES_MAX {
        let (kind, body) = message(talk).await?;
        match kind {
            b'D' if first.is_none() => first = Some(first_column(&body).unwrap_or_default()),
            b'E' => return Err(Fault::new(ProbeReason::Answer, error_text(&body))),
            b'Z' => return Ok(first),
            _ => {}
        }
    }
    Err(Fault::new(ProbeReason::TooLarge, "the query gives too many rows"))
}

fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = kind.into_iter().collect();
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

async fn message(talk: &mut Talk) -> Result<(u8, Vec<u8>), Fault> {
    let head = talk.exactly(5).await?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let body = length
        .checked_sub(4)
        .ok_or_else(|| Fault::protocol("a message shorter than its head"))?;
    Ok((head[0], talk.exactly(body).await?))
}

fn unexpected(kind: u8) -> Fault {
    Fault::protocol(format!("not a message of PostgreSQL: {:?}", char::from(kind)))
}

fn note_parameter(look: &Look, body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    if let Some(version) = text.strip_prefix("server_version\0") {
        look.note("server_version", version.trim_end_matches('\0'));
    }
}

/// `FATAL: password authentication failed` of the fields of an error.
fn error_text(body: &[u8]) -> String {
    format!("{}: {}", field(body, 'S'), field(body, 'M'))
}

fn field(body: &[u8], code: char) -> String {
    let text = String::from_utf8_lossy(body);
    let found = text.split('\0').find_map(|f| f.strip_prefix(code));
    found.unwrap_or("").to_owned()
}

fn first_column(body: &[u8]) -> Option<String> {
    let (count, rest) = body.split_first_chunk::<2>()?;
    if u16::from_be_bytes(*count) == 0 {
        return None;
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let value = rest.get(..u32::from_be_bytes(*length) as usize)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_starting_has_nothing_against_the_password() {
        for (sqlstate, reason) in [
            ("28P01", ProbeReason::Auth),
            ("3D000", ProbeReason::Auth),
            ("53300", ProbeReason::Threshold),
            ("57P03", ProbeReason::Refused),
        ] {
            assert_eq!(reason_of(sqlstate), reason, "{sqlstate}");
        }
    }
}
