//! Tokens by OAuth 2.0 client credentials, kept until shortly before they expire.

use super::config::OAuth2;
use super::error::FetchError;
use super::secret::Secret;
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A token is renewed so long before its end, so that it does not expire on the way.
const RENEW_BEFORE_MS: i64 = 10_000;
/// Life of a token whose server does not say; RFC 6749 leaves it to documentation.
const DEFAULT_LIFE_MS: i64 = 60_000;
const TOKEN_BYTES_MAX: usize = 1 << 20;
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct TokenSource {
    config: OAuth2,
    client: reqwest::Client,
    cached: Mutex<Option<(String, i64)>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<f64>,
}

impl TokenSource {
    pub(super) fn new(config: OAuth2, client: reqwest::Client) -> Self {
        TokenSource {
            config,
            client,
            cached: Mutex::new(None),
        }
    }

    pub(super) async fn token(&self, now_ms: i64) -> Result<String, FetchError> {
        if let Some(token) = self.fresh(now_ms) {
            return Ok(token);
        }
        let answer = self.ask().await?;
        let life_ms = answer
            .expires_in
            .map_or(DEFAULT_LIFE_MS, |s| (s.clamp(0.0, 1e9) * 1000.0) as i64);
        let until_ms = now_ms.saturating_add(life_ms - RENEW_BEFORE_MS);
        if let Ok(mut cached) = self.cached.lock() {
            *cached = Some((answer.access_token.clone(), until_ms));
        }
        Ok(answer.access_token)
    }

    /// The server refused the token: the next request asks for a new one. Whether there was one.
    pub(super) fn forget(&self) -> bool {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.take().is_some()
    }

    fn fresh(&self, now_ms: i64) -> Option<String> {
        let cached = self.cached.lock().ok()?;
        cached
            .as_ref()
            .filter(|(_, until)| now_ms < *until)
            .map(|(t, _)| t.clone())
    }

    fn form(&self, secret: Option<&str>) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(secret) = secret {
            form.append_pair("client_id", &self.config.client_id);
            form.append_pair("client_secret", secret);
        }
        if !self.config.scopes.is_empty() {
            form.append_pair("scope", &self.config.scopes.join(" "));
        }
        for (name, value) in &self.config.endpoint_params {
            form.append_pair(name, value);
        }
        form.finish()
    }

    async fn post(&self, secret: &str, by_header: bool) -> Result<reqwest::Response, FetchError> {
        let mut request = self
            .client
            .post(&self.config.token_url)
            .timeout(TOKEN_TIMEOUT)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(self.form((!by_header).then_some(secret)));
        if by_header {
            request = request.basic_auth(form_encoded(&self.config.client_id), Some(form_encoded(secret)));
        }
        request.send().await.map_err(|e| failed(&FetchError::of(&e)))
    }

    /// By the header first, as RFC 6749 wants it; from a server that refuses this, by the body.
    async fn ask(&self) -> Result<TokenAnswer, FetchError> {
        let secret = Secret::either(
            self.config.client_secret.as_ref(),
            self.config.client_secret_file.as_ref(),
        );
        let secret = match secret {
            Some(secret) => secret.reveal().map_err(|e| FetchError::Credentials {
                detail: e.to_string(),
            })?,
            None => String::new(),
        };
        let mut response = self.post(&secret, true).await?;
        if response.status().is_client_error() {
            response = self.post(&secret, false).await?;
        }
        if !response.status().is_success() {
            return Err(failed(&FetchError::Status {
                code: response.status().as_u16(),
            }));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| failed(&FetchError::of(&e)))? {
            if bytes.len() + chunk.len() > TOKEN_BYTES_MAX {
                return Err(failed(&FetchError::BodyTooLarge {
                    max_bytes: TOKEN_BYTES_MAX as u64,
                }));
            }
            bytes.extend_from_slice(&chunk);
        }
        // The parser's own message could repeat the token.
        serde_json::from_slice(&bytes).map_err(|_| FetchError::Token {
            detail: "the answer holds no access_token".to_owned(),
        })
    }
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn failed(error: &FetchError) -> FetchError {
    FetchError::Token {
        detail: error.to_string(),
    }
}
