//! `web:` where Lapwing listens and who may do what.
//!
//! Loopback needs no token. Any other address without one refuses to start, and says which line to add.

use super::cors::CorsOrigin;
use super::tls::{self, Tls, read_file};
use crate::config::diagnostic::{Diagnostics, did_you_mean};
use crate::config::reader::{MapReader, text_of};
use crate::config::yaml::{Node, Position};
use std::collections::BTreeMap;
use std::net::SocketAddr;

#[derive(Clone, Debug)]
pub(crate) struct WebConfig {
    /// The address that others are told of.
    pub(crate) listen: SocketAddr,
    /// File and place where that is written, if it is.
    pub(crate) listen_at: Option<(String, Position)>,
    /// More of them, as the peers' command lines may name.
    pub(crate) listen_also: Vec<SocketAddr>,
    pub(crate) external_url: Option<String>,
    pub(crate) tokens: Vec<Token>,
    /// Users of a peer's `--web.config.file`; each may do everything.
    pub(crate) users: Vec<BasicUser>,
    /// Under which path everything stands, without a slash at its end; empty for the root.
    pub(crate) route_prefix: String,
    /// Without authentication on an open address: only as the peers' own rules allow it.
    pub(crate) open_without_token: bool,
    pub(crate) admin_api: bool,
    /// Whether `POST /-/reload` is answered.
    pub(crate) lifecycle: bool,
    pub(crate) tls: Option<Tls>,
    /// Whose pages may read the API; nobody's without it.
    pub(crate) cors_origin: Option<CorsOrigin>,
    pub(crate) as_prometheus: AsPrometheus,
}

/// What belongs to a start in the place of a Prometheus; empty otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct AsPrometheus {
    /// Each of its flags, with the value in force.
    pub(crate) flags: BTreeMap<&'static str, String>,
    /// Its file, without secrets.
    pub(crate) file: Option<String>,
    /// Whether `POST /-/quit` is answered.
    pub(crate) may_quit: bool,
}

/// What the bearer of a token may do; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Ingest,
    Read,
    Operate,
    Admin,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Under which series and rates of its bearer are counted.
    pub(crate) name: Option<String>,
    pub(crate) secret: String,
    pub(crate) role: Role,
}

/// A name and the hash of its password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BasicUser {
    pub(crate) name: String,
    pub(crate) bcrypt: String,
}

impl std::fmt::Debug for BasicUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BasicUser({:?}, <hash>)", self.name)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({:?}, <secret>)", self.role)
    }
}

impl Default for WebConfig {
    fn default() -> Self {
        WebConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 9595)),
            listen_at: None,
            listen_also: Vec::new(),
            external_url: None,
            tokens: Vec::new(),
            users: Vec::new(),
            route_prefix: String::new(),
            open_without_token: false,
            admin_api: true,
            lifecycle: true,
            as_prometheus: AsPrometheus::default(),
            tls: None,
            cors_origin: None,
        }
    }
}

const ROLES: [(&str, Role); 4] = [
    ("ingest", Role::Ingest),
    ("read", Role::Read),
    ("operate", Role::Operate),
    ("admin", Role::Admin),
];

/// It stands in every page that is sent: a link that leads nowhere is found at night.
fn read_external_url(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Option<String> {
    let text = map.text("external_url", notes)?;
    let is_http = |url: url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if !url::Url::parse(&text).is_ok_and(is_http) {
        let at = map.node("external_url").map_or(map.at, |n| n.at);
        let hint = "write it as a browser has it: https://lapwing.example.org";
        notes.error_with_hint(
            at,
            "web.external_url",
            format!("{text:?} is not an http URL"),
            hint,
        );
    }
    Some(text)
}

/// An address and a port; also as people write them: `localhost:9595`, and `:9595` for all addresses.
pub(crate) fn listen_address(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)));
    }
    match text.strip_prefix(':') {
        Some(port) => Some(SocketAddr::from(([0, 0, 0, 0], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

impl WebConfig {
    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = WebConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "web", notes);
        let listen = map.node("listen");
        let listen_at = listen.map(|n| (notes.file.clone(), n.at));
        let listen = listen.map_or(default.listen, |n| {
            let text = text_of(n, "web.listen", notes).unwrap_or_default();
            listen_address(&text).unwrap_or_else(|| {
                notes.error_with_hint(
                    n.at,
                    "web.listen",
                    format!("not an address and port: {text:?}"),
                    "write 127.0.0.1:9595, localhost:9595, [::1]:9595, or 0.0.0.0:9595 for all addresses",
                );
                default.listen
            })
        });
        let tokens = map
            .list("tokens", notes)
            .into_iter()
            .filter_map(|(n, path)| read_token(n, &path, notes))
            .collect();
        let config = WebConfig {
            listen,
            listen_at,
            listen_also: Vec::new(),
            external_url: read_external_url(&mut map, notes),
            tokens,
            route_prefix: read_prefix(&mut map, notes),
            users: Vec::new(),
            open_without_token: map.bool("open_without_token", notes).unwrap_or(false),
            admin_api: map.bool("admin_api", notes).unwrap_or(default.admin_api),
            lifecycle: map.bool("lifecycle", notes).unwrap_or(default.lifecycle),
            tls: map.node("tls").and_then(|n| tls::read(n, "web.tls", notes)),
            cors_origin: read_cors_origin(&mut map, notes),
            as_prometheus: AsPrometheus::default(),
        };
        map.finish(notes);
        config
    }

    /// Everywhere that is listened on, the address that others are told of first.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.listen).chain(self.listen_also.iter().copied())
    }

    /// The address that links in pages point to.
    pub(crate) fn seen_from_outside(&self) -> String {
        let prefix = &self.route_prefix;
        match &self.external_url {
            Some(url) => url.clone(),
            None if self.listen.ip().is_unspecified() => {
                format!("http://{}:{}{prefix}", lapwing::hostname(), self.listen.port())
            }
            None => format!("http://{}{prefix}", self.listen),
        }
    }

    /// The path under which a browser finds everything: a proxy may take it away before we see it.
    pub(crate) fn seen_under(&self) -> String {
        let outside = self
            .external_url
            .as_deref()
            .and_then(|url| url::Url::parse(url).ok());
        let path = outside.map(|url| url.path().trim_end_matches('/').to_owned());
        path.filter(|path| !path.is_empty())
            .unwrap_or_else(|| self.route_prefix.clone())
    }

    /// Why this may not be served, if it may not.
    pub(crate) fn refusal(&self) -> Option<String> {
        let open = self.addresses().find(|a| !a.ip().is_loopback());
        let is_proven = !self.tokens.is_empty()
            || !self.users.is_empty()
            || self.tls.as_ref().is_some_and(|tls| tls.is_client_proven);
        open.filter(|_| !is_proven && !self.open_without_token).map(|open| {
            format!(
                "{open} can be reached from other machines, and no token is set\n  \
                 add to lapwing.yml:\n    web:\n      tokens: [{{ role: admin, secret_file: /etc/lapwing/token }}]\n  \
                 or listen on 127.0.0.1"
            )
        })
    }
}

fn read_prefix(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> String {
    let at = map.node("route_prefix").map_or(map.at, |n| n.at);
    let prefix = map.text("route_prefix", notes).unwrap_or_default();
    normal_prefix(&prefix).unwrap_or_else(|reason| {
        notes.error(at, "web.route_prefix", reason);
        String::new()
    })
}

fn read_cors_origin(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Option<CorsOrigin> {
    let at = map.node("cors_origin").map_or(map.at, |n| n.at);
    let text = map.text("cors_origin", notes)?;
    let parsed = CorsOrigin::parse(&text);
    parsed
        .map_err(|reason| notes.error(at, "web.cors_origin", format!("not a pattern: {reason}")))
        .ok()
}

/// `/lapwing/` and `lapwing` are `/lapwing`.
pub(crate) fn normal_prefix(prefix: &str) -> Result<String, String> {
    let inner = prefix.trim_matches('/');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '/');
    if !inner.chars().all(is_plain) {
        return Err(format!("not a path: {prefix:?}"));
    }
    Ok(if inner.is_empty() {
        String::new()
    } else {
        format!("/{inner}")
    })
}

fn read_token(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<Token> {
    let mut map = MapReader::new(node, path, notes);
    let word = map.required_text("role", notes);
    let role = ROLES
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, role)| *role);
    if role.is_none() && !word.is_empty() {
        let near = did_you_mean(&word, ROLES.iter().map(|(n, _)| *n)).unwrap_or("read");
        notes.error_with_hint(
            map.at,
            path,
            format!("unknown role {word:?}"),
            format!("did you mean {near:?}? (ingest, read, operate, admin)"),
        );
    }
    let name = map.text("name", notes);
    let secret = map.text("secret", notes);
    let file = map.text("secret_file", notes);
    let at = map.at;
    map.finish(notes);
    let secret = match (secret, file) {
        (Some(secret), None) => Some(secret),
        (None, Some(file)) => read_file(at, path, &file, notes).map(|text| text.trim().to_owned()),
        _ => {
            notes.error(at, path, "write either secret or secret_file");
            None
        }
    }?;
    if secret.is_empty() {
        notes.error(at, path, "the secret is empty");
        return None;
    }
    Some(Token {
        name,
        secret,
        role: role?,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::load_text;

    #[test]
    fn links_lead_somewhere() {
        let check = |url: &str, expect: &[&str]| {
            let text = format!("web: {{ external_url: '{url}' }}\n");
            let loaded = load_text("lapwing.yml", &text, &|_| None);
            let said: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
            assert_eq!(said, expect);
        };
        check("https://lapwing.example.org/under", &[]);
        check("http://localhost:9595", &[]);
        check("nope", &["\"nope\" is not an http URL"]);
        check("ftp://a", &["\"ftp://a\" is not an http URL"]);
    }
}
