//! A way to servers made of a configuration: a client with its certificates and proxy, and the tokens for it. Connections are
//! pooled per client, so whoever speaks to the same servers keeps one.

use super::config::{HttpConfig, TlsConfig};
use super::error::{FetchError, HttpConfigError};
use super::oauth2::TokenSource;
use super::proxy::{Proxying, sensitive};
use super::tls;
use reqwest::header::HeaderValue;
use std::path::PathBuf;
use std::time::Duration;

const USER_AGENT: &str = concat!("Lapwing/", env!("CARGO_PKG_VERSION"));
const REDIRECTS_MAX: usize = 10;
/// A pooled connection outlives the usual scrape interval of one minute, so that steady scrapes do not reconnect.
const POOL_IDLE: Duration = Duration::from_secs(300);
/// Scrapes of one target never overlap; a second connection serves a target under two jobs' parameters.
const POOL_PER_HOST_MAX: usize = 2;

pub struct Reach {
    client: reqwest::Client,
    tokens: Option<TokenSource>,
}

impl Reach {
    /// With a socket it speaks over that one, whatever host the URLs name.
    pub fn new(config: &HttpConfig, socket: Option<PathBuf>) -> Result<Self, HttpConfigError> {
        let mut builder = builder(&config.tls_config, &config.proxying(), config)?;
        if let Some(path) = socket {
            builder = builder.unix_socket(path);
        }
        let tokens = match &config.oauth2 {
            None => None,
            Some(oauth2) => {
                let asking = self::builder(&oauth2.tls_config, &oauth2.proxying(), config)?;
                Some(TokenSource::new(oauth2.clone(), finish(asking.gzip(true))?))
            }
        };
        Ok(Reach {
            client: finish(builder)?,
            tokens,
        })
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// What the header `authorization` has to say; None where the configuration has no `oauth2`.
    pub async fn token(&self, now_ms: i64) -> Result<Option<HeaderValue>, FetchError> {
        match &self.tokens {
            None => Ok(None),
            Some(tokens) => sensitive(&format!("Bearer {}", tokens.token(now_ms).await?)).map(Some),
        }
    }

    /// The server refused the token: the next request asks for a new one. Whether there was one.
    pub fn forget_token(&self) -> bool {
        self.tokens.as_ref().is_some_and(TokenSource::forget)
    }
}

fn builder(
    tls: &TlsConfig,
    proxying: &Proxying<'_>,
    config: &HttpConfig,
) -> Result<reqwest::ClientBuilder, HttpConfigError> {
    let redirects = if config.follow_redirects {
        reqwest::redirect::Policy::limited(REDIRECTS_MAX)
    } else {
        reqwest::redirect::Policy::none()
    };
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirects)
        // Of a body in several members it would give the first alone.
        .gzip(false)
        .referer(false)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_PER_HOST_MAX);
    if !config.enable_http2 {
        builder = builder.http1_only();
    }
    let builder = proxying.apply(builder)?;
    Ok(builder.tls_backend_preconfigured(tls::client_config(tls, config.enable_http2)?))
}

fn finish(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, HttpConfigError> {
    builder.build().map_err(|e| HttpConfigError::Invalid {
        what: "HTTP configuration",
        source: Box::new(e),
    })
}
