//! Who may do what: bearer tokens (or basic auth with the token as password) with roles, checked before any handler.
//!
//! With no token configured everyone may do everything; the configuration allows that on loopback only.

use crate::config::{Role, Token};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use std::sync::Arc;

/// Paths that a load balancer or a browser's first look needs without a token.
const OPEN_PATHS: [&str; 5] = ["/-/healthy", "/-/ready", "/health", "/status", "/favicon.ico"];
/// A page anywhere may show a badge.
const OPEN_PREFIX: &str = "/badge/";

pub(crate) async fn check(State(tokens): State<Arc<Vec<Token>>>, request: Request, next: Next) -> Response {
    if tokens.is_empty() || is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let needed = role_needed(request.method(), request.uri().path());
    match role_of(&tokens, &request) {
        Some(role) if role >= needed => next.run(request).await,
        Some(role) => refuse(
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

fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || path.starts_with(OPEN_PREFIX)
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer, Basic realm=\"lapwing\"")];
    (status, challenge, message.to_lowercase()).into_response()
}

/// One table: what each part of the API asks of its caller.
fn role_needed(method: &Method, path: &str) -> Role {
    const INGEST: [&str; 8] = [
        "/api/v1/checkin",
        "/api/v1/write",
        "/api/v1/push",
        "/api/v1/import",
        "/api/v1/otlp",
        "/v1/metrics",
        "/metrics/job",
        "/opentelemetry.proto",
    ];
    const READS_BY_POST: [&str; 7] = [
        "/api/v1/query",
        "/api/v1/series",
        "/api/v1/labels",
        "/api/v1/format_query",
        "/api/v1/parse_query",
        "/api/v1/read",
        "/api/v1/query_exemplars",
    ];
    if path.starts_with("/api/v1/admin") || path.starts_with("/-/") {
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

fn role_of(tokens: &[Token], request: &Request) -> Option<Role> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let secret = if scheme.eq_ignore_ascii_case("bearer") {
        rest.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(rest.trim())
            .ok()?;
        let text = String::from_utf8(decoded).ok()?;
        text.split_once(':')?.1.to_owned()
    } else {
        return None;
    };
    tokens
        .iter()
        .filter(|token| same_secret(&token.secret, &secret))
        .map(|token| token.role)
        .max()
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
            (Method::POST, "/api/v2/silences", Role::Operate),
            (Method::POST, "/api/v1/admin/tsdb/delete_series", Role::Admin),
            (Method::POST, "/-/reload", Role::Admin),
        ] {
            assert_eq!(role_needed(&method, path), role, "{method} {path}");
        }
    }

    #[test]
    fn bearer_and_basic_carry_the_same_secret() {
        let tokens = [
            Token {
                secret: "s".into(),
                role: Role::Read,
            },
            Token {
                secret: "t".into(),
                role: Role::Admin,
            },
        ];
        let role = |header: &str| {
            let request = Request::builder()
                .header(header::AUTHORIZATION, header)
                .body(axum::body::Body::empty())
                .unwrap();
            role_of(&tokens, &request)
        };
        assert_eq!(role("Bearer s"), Some(Role::Read));
        assert_eq!(role("bearer t"), Some(Role::Admin));
        assert_eq!(role("Basic dTp0"), Some(Role::Admin));
        assert_eq!(role("Bearer tt"), None);
        assert_eq!(role("Digest x"), None);
    }
}
