//! SMTP: it greets, takes EHLO, and where wanted begins TLS. No mail is sent.

use super::dial::{Address, TlsOptions, dial, secure};
use super::line::Talk;
use super::look::{Fault, Found, Look};
use super::tcp::host_port;
use lapwing_types::{Phase, ProbeReason};
use serde::{Deserialize, Serialize};

const SMTP_PORT: u16 = 25;
/// Lines of one reply.
const LINES_MAX: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpProbe {
    pub address: Option<String>,
    /// TLS from the first byte (port 465).
    pub tls: Option<TlsOptions>,
    /// TLS after STARTTLS, with this trust.
    pub starttls: Option<TlsOptions>,
    /// The name said with EHLO.
    pub helo: Option<String>,
}

impl SmtpProbe {
    pub(super) async fn look(&self, look: &Look) -> Found {
        let (host, port) = host_port(look, self.address.as_deref(), Some(SMTP_PORT))?;
        let dialed = dial(look, &Address { host: &host, port }, self.tls.as_ref(), false).await?;
        look.enter(Phase::Processing);
        let mut talk = Talk::new(dialed.stream);
        let greeting = reply(&mut talk, 220).await?;
        look.note("greeting", greeting.join(" "));
        let helo = self.helo.as_deref().unwrap_or("lapwing.invalid");
        let ehlo = format!("EHLO {helo}\r\n");
        talk.send(ehlo.as_bytes()).await?;
        let offers = reply(&mut talk, 250).await?;
        if let Some(tls) = &self.starttls {
            if !offers.iter().any(|o| o.eq_ignore_ascii_case("STARTTLS")) {
                return Err(Fault::new(ProbeReason::Tls, "the server does not offer STARTTLS"));
            }
            talk.send(b"STARTTLS\r\n").await?;
            reply(&mut talk, 220).await?;
            let secured = secure(look, talk.into_stream()?, (&host, tls), false).await?;
            talk = Talk::new(secured.stream);
            look.enter(Phase::Processing);
            talk.send(ehlo.as_bytes()).await?;
            reply(&mut talk, 250).await?;
        }
        talk.send(b"QUIT\r\n").await?;
        look.leave();
        Ok(())
    }
}

/// The texts of a reply's lines; any other code is a fault.
async fn reply(talk: &mut Talk, code: u16) -> Result<Vec<String>, Fault> {
    let mut texts = Vec::new();
    for _ in 0..LINES_MAX {
        let line = talk.line().await?;
        let (number, rest) = line.split_at_checked(3).unwrap_or((&line, ""));
        let Ok(found) = number.parse::<u16>() else {
            return Err(Fault::protocol(format!("not a reply of SMTP: {line:?}")));
        };
        if found != code {
            return Err(Fault::new(
                ProbeReason::Status,
                format!("the server said {line:?}, not {code}"),
            ));
        }
        texts.push(rest.get(1..).unwrap_or("").to_owned());
        if !rest.starts_with('-') {
            return Ok(texts);
        }
    }
    Err(Fault::protocol(format!("a reply of more than {LINES_MAX} lines")))
}
