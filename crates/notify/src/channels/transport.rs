//! Carries what was built out of the house. The only part of this crate with sockets, processes and files.
//!
//! Never panics on what a receiver answers: bodies are read up to a bound, times are bounded, and every failure becomes a
//! [`Sent::Later`] or [`Sent::Refused`] with words an operator can use. Secrets never stand in those words.

use super::client::{self, Pems};
use super::http::{HttpConfig, TlsConfig};
use super::outgoing::{Attempt, Call, HttpRequest, LineTarget, Mail, Outgoing, PICTURE_ID, Sent};
use crate::message::{Context, Notification, Templates};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
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
#[derive(Clone, Debug, Default)]
pub struct Transport {
    clients: Arc<Mutex<HashMap<String, reqwest::Client>>>,
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
        let client = self
            .client(&request.config)
            .map_err(|reason| Sent::Refused { reason })?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or(reqwest::Method::POST);
        let mut builder = client
            .request(method, &request.url)
            .timeout(request.timeout)
            .body(request.body);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let later = |error: reqwest::Error| {
            let refused = error.is_builder();
            // The address may hold a secret (Slack's does).
            let reason = words(&error.without_url());
            if refused {
                Sent::Refused { reason }
            } else {
                Sent::Later {
                    reason,
                    retry_after_ms: None,
                }
            }
        };
        let mut response = builder.send().await.map_err(later)?;
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
            sent => Err(sent),
        }
    }

    fn client(&self, config: &HttpConfig) -> Result<reqwest::Client, String> {
        let pems = Pems::read(config.tls_config.as_ref())?;
        let key = format!(
            "{:?}{:?}{:?}{:?}{:?}{:x}",
            config.proxy_url,
            config.no_proxy,
            config.proxy_from_environment,
            config.tls_config,
            config.follow_redirects,
            pems.print()
        );
        let mut clients = self
            .clients
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = client::build(config, &pems)?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

/// An error and its causes in one line.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn send_mail(mail: Mail) -> Result<Sent, Sent> {
    let refused = |reason: String| Sent::Refused { reason };
    let mailbox = |text: &str| -> Result<Mailbox, Sent> {
        text.parse::<Mailbox>().map_err(|e| Sent::Refused {
            reason: format!("address {text:?}: {e}"),
        })
    };
    let mut builder = Message::builder().from(mailbox(&mail.from)?);
    for to in &mail.to {
        builder = builder.to(mailbox(to)?);
    }
    for (name, value) in &mail.headers {
        let header =
            HeaderName::new_from_ascii(name.clone()).map_err(|e| refused(format!("header {name:?}: {e}")))?;
        builder = builder.raw_header(HeaderValue::new(header, value.clone()));
    }
    let parts = match &mail.picture {
        None => MultiPart::alternative_plain_html(mail.text, mail.html),
        Some(picture) => with_picture(mail.text, mail.html, &picture.png).map_err(refused)?,
    };
    let message = builder
        .multipart(parts)
        .map_err(|e| refused(format!("composing the mail: {e}")))?;
    let parameters = mail_tls(&mail.host, &mail.tls).map_err(refused)?;
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
    let pems = Pems::read(Some(tls))?;
    let name = tls.server_name.clone().filter(|name| !name.is_empty());
    let mut builder = TlsParameters::builder(name.unwrap_or_else(|| host.to_owned()))
        .dangerous_accept_invalid_certs(tls.insecure_skip_verify);
    if tls.min_version.as_deref() == Some("TLS13") {
        builder = builder.set_min_tls_version(TlsVersion::Tlsv13);
    }
    if let Some(pem) = &pems.authority {
        builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(|e| words(&e))?);
    }
    if let (Some(certificate), Some(key)) = (&pems.certificate, &pems.key) {
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
