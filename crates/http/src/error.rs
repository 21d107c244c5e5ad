//! Why a request brought nothing, in words an operator can act on.

use std::error::Error;
use std::io;

/// Why a client could not be made of its configuration.
#[derive(Debug, thiserror::Error)]
pub enum HttpConfigError {
    #[error("{what} cannot be read")]
    Read {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{what} is not valid")]
    Invalid {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("at most one of basic_auth, authorization, bearer_token and oauth2 can be used")]
    SeveralCredentials,
    #[error("a client certificate needs both cert and key")]
    HalfIdentity,
    #[error("{what} holds no certificate")]
    NoCertificate { what: &'static str },
    #[error("max_version is below TLS12, the oldest version that is spoken")]
    OldVersion,
    #[error("min_version is above max_version")]
    NoVersion,
    #[error("at most one of {one} and {other} can be used: leave one out")]
    Both { one: &'static str, other: &'static str },
    #[error("{key} has no effect without proxy_url: give one, or leave it out")]
    NoProxyUrl { key: &'static str },
    #[error("http_headers cannot set {name}: {instead}")]
    ReservedHeader { name: String, instead: &'static str },
    #[error("oauth2 needs client_id and token_url")]
    IncompleteOAuth2,
}

/// Why a request failed. Variants are the reasons; texts of servers and libraries stand beside them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("no complete answer within {timeout_ms} ms")]
    Timeout { timeout_ms: i64 },
    #[error("connection refused")]
    ConnectionRefused,
    #[error("connection closed before the answer was complete")]
    ConnectionClosed,
    #[error("cannot reach the server: {detail}")]
    Unreachable { detail: String },
    #[error("cannot resolve the server's name: {detail}")]
    Dns { detail: String },
    #[error("TLS failed: {detail}")]
    Tls { detail: String },
    #[error("server answered with HTTP status {code}")]
    Status { code: u16 },
    #[error("more redirects than allowed")]
    Redirects,
    #[error("body larger than {max_bytes} bytes")]
    BodyTooLarge { max_bytes: u64 },
    #[error("body is not what its headers say: {detail}")]
    BadBody { detail: String },
    #[error("cannot read the credentials: {detail}")]
    Credentials { detail: String },
    #[error("cannot get an OAuth2 token: {detail}")]
    Token { detail: String },
    #[error("not a URL that can be fetched: {detail}")]
    Url { detail: String },
    #[error("request failed: {detail}")]
    Other { detail: String },
}

impl FetchError {
    /// One word, for labels and for the API.
    pub fn reason(&self) -> &'static str {
        match self {
            FetchError::Timeout { .. } => "timeout",
            FetchError::ConnectionRefused => "connection_refused",
            FetchError::ConnectionClosed => "connection_closed",
            FetchError::Unreachable { .. } => "unreachable",
            FetchError::Dns { .. } => "dns",
            FetchError::Tls { .. } => "tls",
            FetchError::Status { .. } => "status",
            FetchError::Redirects => "redirects",
            FetchError::BodyTooLarge { .. } => "body_too_large",
            FetchError::BadBody { .. } => "bad_body",
            FetchError::Credentials { .. } => "credentials",
            FetchError::Token { .. } => "oauth2_token",
            FetchError::Url { .. } => "url",
            FetchError::Other { .. } => "other",
        }
    }

    /// Finds the reason in the chain of causes of an HTTP client's error.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            return FetchError::Url {
                detail: root_text(error),
            };
        }
        if error.is_redirect() {
            return FetchError::Redirects;
        }
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(current) = cause {
            if let Some(found) = of_cause(current) {
                return found;
            }
            cause = current.source();
        }
        let detail = root_text(error);
        if error.is_connect() {
            FetchError::Unreachable { detail }
        } else if error.is_decode() {
            FetchError::BadBody { detail }
        } else {
            FetchError::Other { detail }
        }
    }
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<FetchError> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(FetchError::Tls {
            detail: super::tls::in_words(tls),
        });
    }
    if let Some(io) = cause.downcast_ref::<io::Error>() {
        return of_io(io);
    }
    let text = cause.to_string();
    // The connector marks failed look-ups by their text alone; its type is private.
    if text.starts_with("dns error") {
        return Some(FetchError::Dns {
            detail: root_text(cause),
        });
    }
    let closed = [
        "connection closed before",
        "error reading a body from connection",
        "end of file before",
    ];
    closed
        .iter()
        .any(|t| text.contains(t))
        .then_some(FetchError::ConnectionClosed)
}

/// An I/O error may hold another error, which `source` skips.
fn of_io(io: &io::Error) -> Option<FetchError> {
    if let Some(found) = io.get_ref().and_then(|inner| of_cause(inner)) {
        return Some(found);
    }
    match io.kind() {
        io::ErrorKind::ConnectionRefused => Some(FetchError::ConnectionRefused),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            Some(FetchError::ConnectionClosed)
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some(FetchError::Unreachable {
            detail: io.to_string(),
        }),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Some(FetchError::BadBody {
            detail: io.to_string(),
        }),
        _ => None,
    }
}

/// What the last cause in a chain says; the outer ones only say that something failed.
fn root_text(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
