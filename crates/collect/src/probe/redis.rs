//! Redis (and what speaks its protocol): it takes our login and answers PING with PONG.

use super::dial::{Address, TlsOptions, dial};
use super::line::Talk;
use super::look::{Fault, Found, Look};
use super::tcp::host_port;
use crate::http::Secret;
use lapwing_types::{Phase, ProbeReason};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const REDIS_PORT: u16 = 6379;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisProbe {
    pub address: Option<String>,
    pub tls: Option<TlsOptions>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
}

impl RedisProbe {
    pub(super) async fn look(&self, look: &Look) -> Found {
        let (host, port) = host_port(look, self.address.as_deref(), Some(REDIS_PORT))?;
        let dialed = dial(look, &Address { host: &host, port }, self.tls.as_ref(), false).await?;
        look.enter(Phase::Processing);
        let mut talk = Talk::new(dialed.stream);
        if let Some(secret) = Secret::either(self.password.as_ref(), self.password_file.as_ref()) {
            let password = secret
                .reveal()
                .map_err(|e| Fault::config(format!("cannot read the password: {e}")))?;
            let mut words = vec!["AUTH"];
            words.extend(self.username.as_deref());
            words.push(&password);
            if let Err(said) = ask(&mut talk, &words).await? {
                return Err(Fault::new(ProbeReason::Auth, format!("login refused: {said}")));
            }
        }
        match ask(&mut talk, &["PING"]).await? {
            Ok(answer) if answer == "PONG" => Ok(()),
            Ok(answer) => Err(Fault::protocol(format!("PING was answered with {answer:?}"))),
            Err(said) if said.starts_with("NOAUTH") || said.starts_with("WRONGPASS") => {
                Err(Fault::new(ProbeReason::Auth, said))
            }
            Err(said) => Err(Fault::new(ProbeReason::Answer, said)),
        }
    }
}

/// The simple answer, or the server's error.
async fn ask(talk: &mut Talk, words: &[&str]) -> Result<Result<String, String>, Fault> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    talk.send(request.as_bytes()).await?;
    let line = talk.line().await?;
    match (line.strip_prefix('+'), line.strip_prefix('-')) {
        (Some(answer), _) => Ok(Ok(answer.to_owned())),
        (_, Some(error)) => Ok(Err(error.to_owned())),
        _ => Err(Fault::protocol(format!("not an answer of Redis: {line:?}"))),
    }
}
