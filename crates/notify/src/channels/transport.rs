//! Carries what was built out of the house. The only part of this crate with sockets, processes and files.
//!
//! Never panics on what a receiver answers: bodies are read up to a bound, times are bounded, and every failure becomes a
//! [`Sent::Later`] or [`Sent::Refused`] with words an operator can use. Secrets never stand in those words.

use super::http::{HttpConfig, TlsConfig};
use super::outgoing::{Attempt, Call, HttpRequest, LineTarget, Mail, Outgoing, PICTURE_ID, Sent};
use crate::message::{Context, Notification, Templates};
use lapwing_http::Reach;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Identity, Tls, TlsParameters, TlsVersion};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// An answer longer than this is cut: it is read for an error message, and Slack's for the id of what was posted, which
/// stands before the message that it repeats.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// A receiver that wants to be left alone for longer is asked earlier: it has a page to take.
const RETRY_AFTER_S_MAX: i64 = 3_600;
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);

/// Cheap to clone; keeps connections between pages.
#[derive(Clone, Default)]
pub struct Transport {
    ways: Arc<Mutex<HashMap<u128, Arc<Reach>>>>,
}

impl Transport {
    pub fn new() -> Self {
        Transport::default()
    }

    /// Builds and carries one notification.
    pub async fn send(&self, notification: &Notification, templates: &Templates) -> Attempt {
        let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("reading {path}: {e}"));
        let (built, failures) = {
            let context = Context::new(notification, templates, &read);
            let built = notification.channel.build(&context);
            (built, context.failures())
        };
        let (sent, posted, album) = match built {
            // A missing secret file may come back.
            Err(error) => {
                let sent = Sent::Later {
                    reason: error.reason,
                    retry_after_ms: None,
                };
                (sent, None, None)
            }
            Ok(Outgoing::Slack(talk)) => self.talk(*talk).await,
            Ok(outgoing) => (self.carry(outgoing).await, None, None),
        };
        Attempt {
            sent,
            failed_templates: failures,
            posted,
            album,
        }
    }

    pub async fn carry(&self, outgoing: Outgoing) -> Sent {
        match outgoing {
            Outgoing::Http(requests) => {
                let mut last = Sent::Refused {
                    reason: "nothing to send".to_owned(),
                };
                for request in requests {
                    let is_extra = request.is_extra;
                    let sent = self
                        .exchange(request)
                        .await
                        .map_or_else(|sent| sent, |(sent, _)| sent);
                    last = match (last, sent) {
                        (
                            Sent::Delivered { detail },
                            Sent::Later { reason, .. } | Sent::Refused { reason },
                        ) if is_extra => Sent::Delivered {
                            detail: format!("{detail}; without its picture: {reason}"),
                        },
                        (_, sent) => sent,
                    };
                    if !matches!(last, Sent::Delivered { .. }) {
                        break;
                    }
                }
                last
            }
            Outgoing::Slack(talk) => self.talk(*talk).await.0,
            Outgoing::Mail(mail) => match send_mail(*mail).await {
                Ok(sent) | Err(sent) => sent,
            },
            Outgoing::Command(call) => run(call).await,
            Outgoing::Line(target, line) => write_line(target, line).await,
        }
    }

    /// The answer's body where it was a yes.
    pub(super) async fn exchange(&self, request: HttpRequest) -> Result<(Sent, String), Sent> {
        let way = self.way(&request.config)?;
        match self.ask(&way, &request).await {
            // The token may have been withdrawn: with a new one the page is asked for once more.
            Err((401, _)) if way.forget_token() => self.ask(&way, &request).await.map_err(|(_, sent)| sent),
            answer => answer.map_err(|(_, sent)| sent),
        }
    }

    /// With a no goes its status; 0 where there was no answer.
    async fn ask(&self, way: &Reach, request: &HttpRequest) -> Result<(Sent, String), (u16, Sent)> {
        let later = |reason: String| {
            let retry_after_ms = None;
            (
                0,
                Sent::Later {
                    reason,
                    retry_after_ms,
                },
            )
        };
        let token = tokio::time::timeout(request.timeout, way.token(request.at_ms)).await;
        let token = token.map_err(|_| later(format!("no OAuth2 token after {:?}", request.timeout)))?;
        let token = token.map_err(|e| later(words(&e)))?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or(reqwest::Method::POST);
        let mut builder = way
            .client()
            .request(method, &request.url)
            .timeout(request.timeout)
            .body(request.body.clone());
        for (name, value) in &request.headers {
            if token.is_none() || !name.eq_ignore_ascii_case("authorization") {
                builder = builder.header(name, value);
            }
        }
        if let Some(token) = token {
            builder = builder.header("authorization", token);
        }
        let failed = |error: reqwest::Error| {
            let is_refused = error.is_builder();
            // The address may hold a secret (Slack's does).
            let reason = words(&error.without_url());
            if is_refused {
                (0, Sent::Refused { reason })
            } else {
                later(reason)
            }
        };
        let mut response = builder.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let retry_after_ms = response
            .headers()
            .get("retry-after")
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.trim().parse::<i64>().ok())
            .map(|seconds| seconds.clamp(0, RETRY_AFTER_S_MAX) * 1000);
        let mut body = Vec::new();
        while body.len() < BODY_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                // The status has arrived: what is missing is only a text.
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(BODY_BYTES_MAX);
        let body = String::from_utf8_lossy(&body).into_owned();
        match request.judge.judge(status, retry_after_ms, &body) {
            sent @ Sent::Delivered { .. } => Ok((sent, body)),
            sent => Err((status, sent)),
        }
    }

    /// The same one for the same words and the same state of the files that they name.
    fn way(&self, config: &HttpConfig) -> Result<Arc<Reach>, Sent> {
        let later = |e: lapwing_http::HttpConfigError| Sent::Later {
            reason: words(&e),
            retry_after_ms: None,
        };
        let mut wanted = config.reach();
        wanted.tls_config = wanted.tls_config.read().map_err(later)?;
        if let Some(oauth2) = &mut wanted.oauth2 {
            oauth2.tls_config = oauth2.tls_config.read().map_err(later)?;
        }
        let print = print_of(&wanted);
        let mut ways = self
            .ways
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(way) = ways.get(&print) {
            return Ok(way.clone());
        }
        let way = Reach::new(&wanted, None).map_err(|e| Sent::Refused { reason: words(&e) })?;
        let way = Arc::new(way);
        ways.insert(print, way.clone());
        Ok(way)
    }
}

/// Names a configuration without holding its secrets.
fn print_of(config: &lapwing_http::HttpConfig) -> u128 {
    let secret = |s: &lapwing_http::Secret| s.reveal().unwrap_or_default();
    let mut text = format!("{config:?}");
    let oauth2 = config.oauth2.as_ref();
    let keys = [Some(&config.tls_config), oauth2.map(|o| &o.tls_config)];
    let keys = keys.into_iter().flatten().filter_map(|tls| tls.key.as_ref());
    let headers = [
        Some(&config.proxy_connect_header),
        oauth2.map(|o| &o.proxy_connect_header),
    ];
    let headers = headers.into_iter().flatten().flat_map(|h| h.values().flatten());
    let client = oauth2.and_then(|o| o.client_secret.as_ref());
    for one in keys.chain(headers).chain(client) {
        text.push('\n');
        text.push_str(&secret(one));
    }
    xxhash_rust::xxh3::xxh3_128(text.as_bytes())
}

/// An error and its causes in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The mail in its envelope; where it says so, readers are shown other addresses than those that carry it.
fn compose(mail: &mut Mail) -> Result<Message, String> {
    let mailbox = |text: &str| {
        let parsed = text.parse::<Mailbox>();
        parsed.map_err(|e| format!("address {text:?}: {e}"))
    };
    let from = mailbox(&mail.from)?;
    let readers: Vec<Mailbox> = mail.to.iter().map(|to| mailbox(to)).collect::<Result<_, _>>()?;
    let addresses = readers.iter().map(|reader| reader.email.clone()).collect();
    let envelope = Envelope::new(Some(from.email.clone()), addresses).map_err(|e| words(&e))?;
    let shown_from = mail.shown_from.as_deref().map(mailbox).transpose()?;
    let mut builder = Message::builder()
        .envelope(envelope)
        .from(shown_from.unwrap_or(from));
    builder = match mail.shown_to.take() {
        Some(shown) => builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("To"), shown)),
        None => readers.into_iter().fold(builder, MessageBuilder::to),
    };
    for (name, value) in &mail.headers {
        let header = HeaderName::new_from_ascii(name.clone()).map_err(|e| format!("header {name:?}: {e}"))?;
        builder = builder.raw_header(HeaderValue::new(header, value.clone()));
    }
    let (text, html) = (std::mem::take(&mut mail.text), std::mem::take(&mut mail.html));
    let made = match &mail.picture {
        _ if html.is_empty() => builder.singlepart(SinglePart::plain(text)),
        None => builder.multipart(MultiPart::alternative_plain_html(text, html)),
        Some(picture) => builder.multipart(with_picture(text, html, &picture.png)?),
    };
    made.map_err(|e| format!("composing the mail: {e}"))
}

async fn send_mail(mut mail: Mail) -> Result<Sent, Sent> {
    let refused = |reason: String| Sent::Refused { reason };
    let message = compose(&mut mail).map_err(refused)?;
    let tls = mail.tls.read().map_err(|e| Sent::Later {
        reason: words(&e),
        retry_after_ms: None,
    })?;
    let parameters = mail_tls(&mail.host, &tls).map_err(refused)?;
    let tls = match (mail.implicit_tls, mail.require_tls) {
        (true, _) => Tls::Wrapper(parameters),
        (_, true) => Tls::Required(parameters),
        _ => Tls::Opportunistic(parameters),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(MAIL_TIMEOUT));
    if let Some(name) = mail.hello {
        transport = transport.hello_name(ClientId::Domain(name));
    }
    if let Some((user, password)) = mail.login {
        transport = transport.credentials(Credentials::new(user, password));
    }
    match transport.build().send(message).await {
        Ok(response) => Ok(Sent::Delivered {
            detail: format!("SMTP {}", response.code()),
        }),
        Err(error) if error.is_permanent() => Err(refused(words(&error))),
        Err(error) => Err(Sent::Later {
            reason: words(&error),
            retry_after_ms: None,
        }),
    }
}

fn mail_tls(host: &str, tls: &TlsConfig) -> Result<TlsParameters, String> {
    let name = tls.server_name.clone().filter(|name| !name.is_empty());
    let mut builder = TlsParameters::builder(name.unwrap_or_else(|| host.to_owned()))
        .dangerous_accept_invalid_certs(tls.insecure_skip_verify);
    if tls.min_version == Some(lapwing_http::TlsVersion::TLS13) {
        builder = builder.set_min_tls_version(TlsVersion::Tlsv13);
    }
    if let Some(pem) = &tls.ca {
        builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(|e| words(&e))?);
    }
    let key = tls.key.as_ref().and_then(|key| key.reveal().ok());
    if let (Some(certificate), Some(key)) = (&tls.cert, &key) {
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).map_err(|e| words(&e))?;
        builder = builder.identify_with(identity);
    }
    builder.build().map_err(|e| words(&e))
}

/// The picture stands beside the HTML that shows it; the plain text is the other half of the choice.
fn with_picture(text: String, html: String, png: &[u8]) -> Result<MultiPart, String> {
    let kind = ContentType::parse("image/png").map_err(|e| words(&e))?;
    let inline = Attachment::new_inline(PICTURE_ID.to_owned()).body(png.to_vec(), kind);
    let related = MultiPart::related()
        .singlepart(SinglePart::html(html))
        .singlepart(inline);
    Ok(MultiPart::alternative()
        .singlepart(SinglePart::plain(text))
        .multipart(related))
}

async fn run(call: Call) -> Sent {
    let later = |reason: String| Sent::Later {
        reason,
        retry_after_ms: None,
    };
    let child = tokio::process::Command::new(&call.program)
        .args(&call.args)
        .envs(call.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => return later(format!("starting {}: {e}", call.program)),
    };
    let stdin = child.stdin.take();
    let work = async move {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input is no failure.
            let _ = stdin.write_all(&call.stdin).await;
        }
        child.wait_with_output().await
    };
    match tokio::time::timeout(call.timeout, work).await {
        Err(_) => later(format!("no end after {:?}", call.timeout)),
        Ok(Err(e)) => later(format!("waiting for {}: {e}", call.program)),
        Ok(Ok(output)) if output.status.success() => Sent::Delivered {
            detail: "exit 0".to_owned(),
        },
        Ok(Ok(output)) => {
            let said: String = String::from_utf8_lossy(&output.stderr)
                .chars()
                .take(300)
                .collect();
            later(format!("{}: {}", output.status, said.trim()))
        }
    }
}

async fn write_line(target: LineTarget, line: String) -> Sent {
    let written = match &target {
        LineTarget::Console => {
            let mut out = tokio::io::stdout();
            match out.write_all(format!("{line}\n").as_bytes()).await {
                Ok(()) => out.flush().await,
                Err(e) => Err(e),
            }
        }
        LineTarget::File(path) => append(path, &line).await,
    };
    match written {
        Ok(()) => Sent::Delivered {
            detail: "written".to_owned(),
        },
        Err(e) => Sent::Later {
            reason: format!("writing the line: {e}"),
            retry_after_ms: None,
        },
    }
}

async fn append(path: &str, line: &str) -> std::io::Result<()> {
    let mut file = tokio::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .await?;
    file.write_all(format!("{line}\n").as_bytes()).await?;
    file.sync_data().await
}
