//! Who may do what: bearer tokens (or basic auth with the token as password) with roles, checked before any handler.
//!
//! With no token configured everyone may do everything; the configuration allows that on loopback only.

use super::AppState;
use super::ingest::gate::Caller;
use crate::config::{Role, Token, WebConfig};
use axum::extract::{Extension, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use base64::Engine as _;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Paths that a load balancer or a browser's first look needs without a token.
const OPEN_PATHS: [&str; 5] = ["/-/healthy", "/-/ready", "/health", "/status", "/favicon.ico"];
/// A page anywhere may show a badge.
const OPEN_PREFIX: &str = "/badge/";

pub(crate) async fn check(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let config = state.config();
    let tokens = &config.web.tokens;
    let is_open = tokens.is_empty() && config.web.users.is_empty();
    if is_open || is_open_path(request.uri().path()) {
        return next.run(request).await;
    }
    let needed = role_needed(request.method(), request.uri().path());
    let basic = basic_of(&request);
    if let Some(name) = user_of(&config.web, &state.logins, basic).await {
        request.extensions_mut().insert(Caller(name));
        return next.run(request).await;
    }
    match bearer_of(tokens, &request) {
        Some((role, name)) if role >= needed => {
            if let Some(name) = name {
                request.extensions_mut().insert(Caller(name.to_owned()));
            }
            next.run(request).await
        }
        Some((role, _)) => refuse(
            StatusCode::FORBIDDEN,
            &format!(
                "this token may {role:?}, {} needs {needed:?}\n",
                request.uri().path()
            ),
        ),
        None => refuse(
            StatusCode::UNAUTHORIZED,
            "a token is needed: send the header Authorization: Bearer <token>\n",
        ),
    }
}

/// Whoever logged in is who did it; a name in the request could be anybody's, and counts only where nobody has to log in
/// under a name.
pub(crate) fn said_by(caller: Option<Extension<Caller>>, said: &str) -> String {
    caller.map_or_else(|| said.to_owned(), |Extension(Caller(name))| name)
}

fn is_open_path(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || path.starts_with(OPEN_PREFIX)
}

fn refuse(status: StatusCode, message: &str) -> Response {
    // Two lines: Chromium does not part one at its comma, and would never ask for a name and a password.
    let challenge = AppendHeaders([
        (header::WWW_AUTHENTICATE, "Basic realm=\"lapwing\""),
        (header::WWW_AUTHENTICATE, "Bearer"),
    ]);
    (status, challenge, message.to_lowercase()).into_response()
}

/// One table: what each part of the API asks of its caller.
fn role_needed(method: &Method, path: &str) -> Role {
    const INGEST: [&str; 9] = [
        "/api/v1/checkin",
        "/api/v1/write",
        "/api/v1/operations",
        "/api/v1/push",
        "/api/v1/import",
        "/api/v1/otlp",
        "/v1/metrics",
        "/metrics/job",
        "/opentelemetry.proto",
    ];
    const READS_BY_POST: [&str; 14] = [
        "/api/v1/targets/relabel",
        "/api/v1/rules/backtest",
        "/api/v1/query",
        "/api/v1/series",
        "/api/v1/labels",
        "/api/v1/format_query",
        "/api/v1/parse_query",
        "/api/v1/read",
        "/api/v1/export",
        "/api/v1/query_exemplars",
        "/api/v1/routes/test",
        "/api/v1/silences/preview",
        "/api/v1/dashboards/import",
        "/api/v1/render/document",
    ];
    // A model may name commands and files, as the configuration may.
    let makes_models = path.starts_with("/api/v1/models") && method != Method::GET && method != Method::HEAD;
    if path.starts_with("/api/v1/admin") || path.starts_with("/-/") || makes_models {
        Role::Admin
    } else if INGEST.iter().any(|p| path.starts_with(p)) && method != Method::GET {
        Role::Ingest
    } else if method == Method::GET
        || method == Method::HEAD
        || READS_BY_POST.iter().any(|p| path.starts_with(p))
    {
        Role::Read
    } else {
        Role::Operate
    }
}

/// Checks that took a bcrypt each; the hash of what was sent says that it was right before.
#[derive(Clone, Default)]
pub(crate) struct Logins {
    right: Arc<Mutex<HashSet<[u8; 32]>>>,
}

/// Right logins that are remembered; one who knows no password cannot add to them.
const LOGINS_MAX: usize = 1000;

/// The user of a peer's `--web.config.file` that this request proves to be from.
async fn user_of(web: &WebConfig, logins: &Logins, basic: Option<(String, String)>) -> Option<String> {
    let (name, password) = basic?;
    let user = web.users.iter().find(|u| u.name == name)?.clone();
    let mut hasher = Sha256::new();
    for part in [&user.name, &user.bcrypt, &password] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let print: [u8; 32] = hasher.finalize().into();
    if logins
        .right
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .contains(&print)
    {
        return Some(name);
    }
    // About 50 ms of one core, on purpose.
    let is_right =
        tokio::task::spawn_blocking(move || bcrypt::verify(password, &user.bcrypt).unwrap_or(false)).await;
    if !is_right.unwrap_or(false) {
        return None;
    }
    let mut right = logins.right.lock().unwrap_or_else(PoisonError::into_inner);
    if right.len() >= LOGINS_MAX {
        right.clear();
    }
    right.insert(print);
    Some(name)
}

fn basic_of(request: &Request) -> Option<(String, String)> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(rest.trim())
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// What the bearer may do, and the name of the token.
fn bearer_of<'t>(tokens: &'t [Token], request: &Request) -> Option<(Role, Option<&'t str>)> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let secret = if scheme.eq_ignore_ascii_case("bearer") {
        rest.trim().to_owned()
    } else {
        basic_of(request)?.1
    };
    tokens
        .iter()
        .filter(|token| same_secret(&token.secret, &secret))
        .max_by_key(|token| token.role)
        .map(|token| (token.role, token.name.as_deref()))
}

/// Takes the same time wherever the two differ.
fn same_secret(a: &str, b: &str) -> bool {
    let differing = a.bytes().zip(b.bytes()).fold(0u8, |acc, (x, y)| acc | (x ^ y));
    a.len() == b.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_asks_for_its_role() {
        for (method, path, role) in [
            (Method::POST, "/api/v1/write", Role::Ingest),
            (Method::PUT, "/metrics/job/x", Role::Ingest),
            (Method::GET, "/api/v1/query", Role::Read),
            (Method::POST, "/api/v1/query_range", Role::Read),
            (Method::POST, "/api/v1/silences/preview", Role::Read),
            (Method::DELETE, "/api/v1/dashboards/mine", Role::Operate),
            (Method::POST, "/api/v2/silences", Role::Operate),
            (Method::POST, "/api/v1/admin/tsdb/delete_series", Role::Admin),
            (Method::POST, "/-/reload", Role::Admin),
            (Method::GET, "/api/v1/models/chat", Role::Read),
            (Method::POST, "/api/v1/models", Role::Admin),
            (Method::DELETE, "/api/v1/models/chat", Role::Admin),
            (Method::POST, "/api/v1/health/repairs/approve", Role::Operate),
        ] {
            assert_eq!(role_needed(&method, path), role, "{method} {path}");
        }
    }

    #[test]
    fn bearer_and_basic_carry_the_same_secret() {
        let tokens = [
            Token {
                name: None,
                secret: "s".into(),
                role: Role::Read,
            },
            Token {
                name: None,
                secret: "t".into(),
                role: Role::Admin,
            },
        ];
        let role = |header: &str| {
            let request = Request::builder()
                .header(header::AUTHORIZATION, header)
                .body(axum::body::Body::empty())
                .unwrap();
            bearer_of(&tokens, &request).map(|(role, _)| role)
        };
        assert_eq!(role("Bearer s"), Some(Role::Read));
        assert_eq!(role("bearer t"), Some(Role::Admin));
        assert_eq!(role("Basic dTp0"), Some(Role::Admin));
        assert_eq!(role("Bearer tt"), None);
        assert_eq!(role("Digest x"), None);
    }
}
