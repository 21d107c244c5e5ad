//! E-mail: text and HTML, STARTTLS or TLS, threaded by group.

use super::outgoing::{BuildError, Mail, Outgoing, PICTURE_ID};
use crate::config::{Global, Secret};
use crate::message::{Context, Notification};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmailConfig {
    pub send_resolved: bool,
    pub to: String,
    pub from: Option<String>,
    pub hello: Option<String>,
    pub smarthost: Option<String>,
    pub auth_username: Option<String>,
    pub auth_password: Option<Secret>,
    pub auth_password_file: Option<String>,
    pub auth_secret: Option<Secret>,
    pub auth_secret_file: Option<String>,
    pub auth_identity: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub html: Option<String>,
    pub text: Option<String>,
    pub require_tls: Option<bool>,
    pub implicit_tls: Option<bool>,
    pub force_implicit_tls: Option<bool>,
    pub tls_config: Option<super::http::TlsConfig>,
    pub threading: Option<Threading>,
    /// Whether a graph stands in the mail; it does unless this says no.
    pub graph: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Threading {
    pub enabled: bool,
    pub thread_by_date: Option<String>,
}

impl Threading {
    fn check(&self) -> Result<(), String> {
        match self.thread_by_date.as_deref() {
            None | Some("" | "daily" | "none") => Ok(()),
            Some(other) => Err(format!("thread_by_date: {other:?} is neither daily nor none")),
        }
    }
}

const SUBJECT: &str = r#"{{ template "email.default.subject" . }}"#;
const HTML: &str = r#"{{ template "email.default.html" . }}"#;
const TEXT: &str = r#"{{ template "email.default.text" . }}"#;

impl EmailConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.to.is_empty() {
            return Err("missing to address in email config".to_owned());
        }
        let inherit = |own: &mut Option<String>, from: &Option<String>| {
            if own.is_none() {
                own.clone_from(from);
            }
        };
        inherit(&mut self.smarthost, &global.smtp_smarthost);
        inherit(&mut self.from, &global.smtp_from);
        inherit(&mut self.hello, &global.smtp_hello);
        inherit(&mut self.auth_username, &global.smtp_auth_username);
        inherit(&mut self.auth_identity, &global.smtp_auth_identity);
        if self.auth_password.is_none() && self.auth_password_file.is_none() {
            self.auth_password = global.smtp_auth_password.clone();
            self.auth_password_file = global.smtp_auth_password_file.clone();
        }
        let has_password = self.auth_password.is_some() || self.auth_password_file.is_some();
        let has_secret = self.auth_secret.is_some() || self.auth_secret_file.is_some();
        let global_secret = global.smtp_auth_secret.is_some() || global.smtp_auth_secret_file.is_some();
        if !has_password && (has_secret || global_secret) {
            return Err("auth_secret is for CRAM-MD5, which is not spoken; give auth_password".to_owned());
        }
        let acts_for = self.auth_identity.as_deref().filter(|id| !id.is_empty());
        if acts_for.is_some() && acts_for != self.auth_username.as_deref() {
            return Err("auth_identity is not sent; leave it out, or give the name that logs in".to_owned());
        }
        if let Some(threading) = &self.threading {
            threading.check()?;
        }
        self.require_tls = self.require_tls.or(global.smtp_require_tls);
        self.implicit_tls = self
            .implicit_tls
            .or(self.force_implicit_tls)
            .or(global.smtp_force_implicit_tls);
        if self.tls_config.is_none() {
            self.tls_config = global
                .smtp_tls_config
                .clone()
                .map(serde_json::from_value)
                .transpose()
                .map_err(|e| format!("smtp_tls_config: {e}"))?;
        }
        if let Some(tls) = &self.tls_config {
            tls.check().map_err(|e| super::transport::words(&e))?;
            if tls.max_version.is_some() {
                return Err("tls_config.max_version is not taken for mail; leave it out".to_owned());
            }
        }
        let smarthost = self
            .smarthost
            .as_deref()
            .ok_or("no SMTP smarthost set, here or globally")?;
        address(smarthost)?;
        if self.from.is_none() {
            return Err("no SMTP from address set, here or globally".to_owned());
        }
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let n = context.notification;
        let (host, port) = address(self.smarthost.as_deref().unwrap_or_default())?;
        let login = match &self.auth_username {
            Some(user) if !user.is_empty() => {
                let password =
                    context.secret(self.auth_password.as_ref(), self.auth_password_file.as_deref())?;
                Some((user.clone(), password))
            }
            _ => None,
        };
        let mut headers = Vec::new();
        let mut subject = SUBJECT;
        let (mut shown_from, mut shown_to) = (None, None);
        for (name, value) in &self.headers {
            let made = || one_line(&context.text(name, value));
            match name.to_ascii_lowercase().as_str() {
                "subject" => subject = value,
                "from" => shown_from = Some(made()),
                "to" => shown_to = Some(made()),
                _ => headers.push((name.clone(), made())),
            }
        }
        headers.insert(
            0,
            ("Subject".to_owned(), one_line(&context.text("subject", subject))),
        );
        let id = format!("<{}.{}@lapwing>", n.id, n.attempt);
        let mut own = vec![("Message-ID", id)];
        if let Some(thread) = self.thread(n) {
            own.extend([("References", thread.clone()), ("In-Reply-To", thread)]);
        }
        for (name, value) in own {
            if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                headers.push((name.to_owned(), value));
            }
        }
        let mut html = context.html("html", self.html.as_deref().unwrap_or(HTML));
        if let Some(picture) = &n.picture {
            html = with_picture(html, &picture.text);
        }
        let text = context.text("text", self.text.as_deref().unwrap_or(TEXT));
        let to = context.exact("to", &self.to, "");
        Ok(Outgoing::Mail(Box::new(Mail {
            host,
            port,
            hello: self.hello.clone(),
            // Port 465 speaks TLS from the first byte.
            implicit_tls: self.implicit_tls.unwrap_or(port == 465),
            require_tls: self.require_tls.unwrap_or(true),
            tls: self.tls_config.clone().unwrap_or_default(),
            login,
            from: context.exact("from", self.from.as_deref().unwrap_or_default(), ""),
            to: split_addresses(&to),
            shown_from,
            shown_to,
            headers,
            text,
            html,
            picture: n.picture.clone(),
        })))
    }

    /// Mails of one group stand together, those of one day if that is asked for.
    fn thread(&self, n: &Notification) -> Option<String> {
        let wanted = self.threading.as_ref();
        if wanted.is_some_and(|t| !t.enabled) {
            return None;
        }
        // As in Alertmanager, a day each unless it is said otherwise.
        let daily = wanted.is_some_and(|t| t.thread_by_date.as_deref() != Some("none"));
        let of_day = if daily {
            n.now_ms.div_euclid(86_400_000).to_string()
        } else {
            String::new()
        };
        let print = xxhash_rust::xxh3::xxh3_64(format!("{}{of_day}", n.group_key).as_bytes());
        Some(format!("<{print:016x}@lapwing>"))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        let mut all = vec![self.to.as_str()];
        all.extend(
            [&self.from, &self.html, &self.text]
                .into_iter()
                .flatten()
                .map(String::as_str),
        );
        all.extend(self.headers.values().map(String::as_str));
        all
    }
}

/// Shows the picture at the end, unless the template shows it somewhere itself.
fn with_picture(html: String, text: &str) -> String {
    if html.contains(&format!("cid:{PICTURE_ID}")) {
        return html;
    }
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let image = format!("<p><img src=\"cid:{PICTURE_ID}\" alt=\"{text}\" style=\"max-width: 100%\"></p>\n");
    match html.rfind("</body>") {
        Some(at) => format!("{}{image}{}", &html[..at], &html[at..]),
        None => html + &image,
    }
}

/// A header must not become two.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Commas in quotes do not separate.
fn split_addresses(text: &str) -> Vec<String> {
    let mut quoted = false;
    text.split(|c| {
        if c == '"' {
            quoted = !quoted;
        }
        c == ',' && !quoted
    })
    .map(|a| a.trim().to_owned())
    .filter(|a| !a.is_empty())
    .collect()
}

fn address(smarthost: &str) -> Result<(String, u16), String> {
    let wrong = || format!("smarthost {smarthost:?} is not host:port");
    let (host, port) = smarthost.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() {
        return Err(wrong());
    }
    Ok((host.trim_matches(['[', ']']).to_owned(), port))
}
