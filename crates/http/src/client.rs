//! One configured way to reach servers: connections are pooled per client, so a job keeps one.

use super::config::HttpConfig;
use super::error::{FetchError, HttpConfigError};
use super::proxy::sensitive;
use super::reach::Reach;
use super::secret::Secret;
use super::unpack::{PIECE_BYTES, Unpack};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderName};
use std::path::PathBuf;
use std::time::Duration;

/// One GET.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub url: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    /// For everything: name, connection, TLS, token, headers and the last byte of the body.
    pub timeout_ms: i64,
    /// Of the body after decompression, checked while it streams.
    pub body_bytes_max: u64,
    pub now_ms: i64,
}

/// What came, with a status of 200.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    pub content_type: String,
    pub body: Vec<u8>,
}

pub struct HttpClient {
    reach: Reach,
    config: HttpConfig,
}

impl HttpClient {
    pub fn new(config: &HttpConfig) -> Result<Self, HttpConfigError> {
        Self::build(config, None)
    }

    /// Speaks over a Unix socket, whatever host the URLs name.
    pub fn over_unix_socket(config: &HttpConfig, path: PathBuf) -> Result<Self, HttpConfigError> {
        Self::build(config, Some(path))
    }

    fn build(config: &HttpConfig, socket: Option<PathBuf>) -> Result<Self, HttpConfigError> {
        check_credentials(config)?;
        Ok(HttpClient {
            reach: Reach::new(config, socket)?,
            config: config.clone(),
        })
    }

    /// The whole body of a successful answer, or the named reason why there is none, in `timeout_ms` at most.
    pub async fn get(&self, request: &Request<'_>) -> Result<Fetched, FetchError> {
        let mut fetched = Fetched::default();
        self.stream(request, &mut |chunk| {
            fetched.body.extend_from_slice(chunk);
            true
        })
        .await
        .map(|content_type| Fetched {
            content_type,
            ..std::mem::take(&mut fetched)
        })
    }

    /// Gives the body piece by piece, for answers that do not end (a watch); `each` returns false to stop.
    /// The result is the content type.
    pub async fn stream(
        &self,
        request: &Request<'_>,
        each: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<String, FetchError> {
        let deadline = Duration::from_millis(request.timeout_ms.max(0) as u64);
        match tokio::time::timeout(deadline, self.stream_undated(request, each)).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Timeout {
                timeout_ms: request.timeout_ms,
            }),
        }
    }

    async fn stream_undated(
        &self,
        request: &Request<'_>,
        each: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<String, FetchError> {
        let mut builder = self.reach.client().get(request.url);
        if request.headers.iter().all(|(name, _)| *name != "accept-encoding") {
            builder = builder.header(ACCEPT_ENCODING, "gzip");
        }
        for (name, value) in request.headers {
            builder = builder.header(*name, *value);
        }
        builder = self.add_configured_headers(builder)?;
        builder = self.authorize(builder, request.now_ms).await?;
        let mut response = builder.send().await.map_err(|e| FetchError::of(&e))?;
        let status = response.status();
        if status != StatusCode::OK {
            if status == StatusCode::UNAUTHORIZED {
                self.reach.forget_token();
            }
            return Err(FetchError::Status {
                code: status.as_u16(),
            });
        }
        let content_type = response
            .headers()
            .get("content-type")
            .and_then(|v| v.to_str().ok());
        let content_type = content_type.unwrap_or("").to_owned();
        let too_large = FetchError::BodyTooLarge {
            max_bytes: request.body_bytes_max,
        };
        let encoding = response.headers().get(CONTENT_ENCODING);
        let mut unpack = Unpack::of(encoding.and_then(|e| e.to_str().ok()));
        // A length that is announced too large need not be read at all; of a compressed one, what it becomes decides.
        let announced = response.content_length().filter(|_| unpack.is_plain());
        if announced.is_some_and(|n| n > request.body_bytes_max) {
            return Err(too_large);
        }
        let bad = |e: std::io::Error| FetchError::BadBody {
            detail: e.to_string(),
        };
        let mut read_bytes = 0u64;
        while let Some(chunk) = response.chunk().await.map_err(|e| FetchError::of(&e))? {
            for piece in chunk.chunks(PIECE_BYTES) {
                let plain = unpack.push(piece).map_err(bad)?;
                read_bytes += plain.len() as u64;
                if read_bytes > request.body_bytes_max {
                    return Err(too_large);
                }
                if !plain.is_empty() && !each(&plain) {
                    return Ok(content_type);
                }
            }
        }
        unpack.finish().map_err(bad)?;
        Ok(content_type)
    }

    fn add_configured_headers(
        &self,
        mut builder: reqwest::RequestBuilder,
    ) -> Result<reqwest::RequestBuilder, FetchError> {
        for (name, header) in &self.config.http_headers {
            for value in &header.values {
                builder = builder.header(name, value);
            }
            let files = header.files.iter().cloned().map(Secret::File);
            for secret in header.secrets.iter().cloned().chain(files) {
                builder = builder.header(name, sensitive(&reveal(&secret)?)?);
            }
        }
        Ok(builder)
    }

    async fn authorize(
        &self,
        builder: reqwest::RequestBuilder,
        now_ms: i64,
    ) -> Result<reqwest::RequestBuilder, FetchError> {
        if let Some(token) = self.reach.token(now_ms).await? {
            return Ok(builder.header(AUTHORIZATION, token));
        }
        if let Some(basic) = &self.config.basic_auth {
            let username = match &basic.username_file {
                Some(path) => reveal(&Secret::File(path.clone()))?,
                None => basic.username.clone(),
            };
            let password = Secret::either(basic.password.as_ref(), basic.password_file.as_ref());
            let password = password.map(|s| reveal(&s)).transpose()?;
            return Ok(builder.basic_auth(username, password));
        }
        let (kind, secret) = match &self.config.authorization {
            Some(auth) => (
                auth.kind.as_deref().unwrap_or("Bearer"),
                Secret::either(auth.credentials.as_ref(), auth.credentials_file.as_ref()),
            ),
            None => (
                "Bearer",
                Secret::either(
                    self.config.bearer_token.as_ref(),
                    self.config.bearer_token_file.as_ref(),
                ),
            ),
        };
        match secret {
            Some(secret) => {
                let value = format!("{kind} {}", reveal(&secret)?);
                Ok(builder.header(AUTHORIZATION, sensitive(&value)?))
            }
            None => Ok(builder),
        }
    }
}

fn reveal(secret: &Secret) -> Result<String, FetchError> {
    secret.reveal().map_err(|e| FetchError::Credentials {
        detail: format!("{secret:?}: {e}"),
    })
}

fn check_credentials(config: &HttpConfig) -> Result<(), HttpConfigError> {
    let given = [
        config.basic_auth.is_some(),
        config.authorization.is_some(),
        config.bearer_token.is_some() || config.bearer_token_file.is_some(),
        config.oauth2.is_some(),
    ];
    if given.iter().filter(|g| **g).count() > 1 {
        return Err(HttpConfigError::SeveralCredentials);
    }
    if let Some(oauth2) = &config.oauth2 {
        oauth2.check()?;
    }
    config.proxying().check()?;
    config.tls_config.check()?;
    check_pairs(config)?;
    for name in config.http_headers.keys() {
        check_header(name)?;
        HeaderName::from_bytes(name.as_bytes()).map_err(|e| HttpConfigError::Invalid {
            what: "name of a header",
            source: Box::new(e),
        })?;
    }
    Ok(())
}

/// Keys of which one makes the other void.
fn check_pairs(config: &HttpConfig) -> Result<(), HttpConfigError> {
    let basic = config.basic_auth.as_ref();
    let auth = config.authorization.as_ref();
    let pairs = [
        (
            basic.is_some_and(|b| b.password.is_some() && b.password_file.is_some()),
            ("basic_auth.password", "password_file"),
        ),
        (
            basic.is_some_and(|b| !b.username.is_empty() && b.username_file.is_some()),
            ("basic_auth.username", "username_file"),
        ),
        (
            auth.is_some_and(|a| a.credentials.is_some() && a.credentials_file.is_some()),
            ("authorization.credentials", "credentials_file"),
        ),
        (
            config.bearer_token.is_some() && config.bearer_token_file.is_some(),
            ("bearer_token", "bearer_token_file"),
        ),
    ];
    match pairs.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, (one, other))) => Err(HttpConfigError::Both { one, other }),
        None => Ok(()),
    }
}

/// Headers that the request itself decides, or that have keys of their own.
fn check_header(name: &str) -> Result<(), HttpConfigError> {
    let instead = match name.to_ascii_lowercase().as_str() {
        "authorization" => "use authorization or basic_auth",
        "proxy-authorization" | "proxy-authenticate" => "use proxy_url or proxy_connect_header",
        "accept-encoding" | "content-encoding" => "use enable_compression",
        "host" | "connection" | "keep-alive" | "content-length" | "content-type" | "user-agent" => {
            "the request decides it"
        }
        "www-authenticate" | "x-prometheus-scrape-timeout-seconds" => "it is not for users",
        _ => return Ok(()),
    };
    Err(HttpConfigError::ReservedHeader {
        name: name.to_owned(),
        instead,
    })
}
