//! `http_config` as Alertmanager and Prometheus write it.

use super::outgoing::{HttpRequest, Judge};
use super::transport::words;
use crate::config::{Global, Secret};
use crate::message::Context;
use base64::Engine as _;
pub use lapwing_http::{OAuth2, TlsConfig};
use lapwing_types::parse_go_duration_ms;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// An attempt may take this long unless the channel says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    pub basic_auth: Option<BasicAuth>,
    pub authorization: Option<Authorization>,
    pub bearer_token: Option<Secret>,
    pub bearer_token_file: Option<String>,
    pub oauth2: Option<OAuth2>,
    pub proxy_url: Option<String>,
    pub no_proxy: Option<String>,
    pub proxy_from_environment: Option<bool>,
    pub proxy_connect_header: BTreeMap<String, Vec<lapwing_http::Secret>>,
    pub follow_redirects: Option<bool>,
    pub enable_http2: Option<bool>,
    pub tls_config: Option<TlsConfig>,
    pub http_headers: BTreeMap<String, HeaderValues>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BasicAuth {
    pub username: Option<String>,
    pub username_file: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authorization {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub credentials: Option<Secret>,
    pub credentials_file: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderValues {
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
    pub files: Vec<String>,
}

impl HttpConfig {
    pub fn validate(&self) -> Result<(), String> {
        let bearer = self.bearer_token.is_some() || self.bearer_token_file.is_some();
        let logins = [
            self.basic_auth.is_some(),
            self.authorization.is_some(),
            bearer,
            self.oauth2.is_some(),
        ];
        if logins.iter().filter(|given| **given).count() > 1 {
            return Err(
                "at most one of basic_auth, authorization, bearer_token and oauth2 must be configured"
                    .to_owned(),
            );
        }
        let reach = self.reach();
        reach.proxying().check().map_err(|e| words(&e))?;
        reach.tls_config.check().map_err(|e| words(&e))?;
        match &self.oauth2 {
            Some(oauth2) => oauth2.check().map_err(|e| words(&e)),
            None => Ok(()),
        }
    }

    /// What decides how the other side is reached. Logins but tokens stand in [`HttpConfig::headers_with`].
    pub(crate) fn reach(&self) -> lapwing_http::HttpConfig {
        let filled = |text: &Option<String>| text.clone().filter(|t| !t.trim().is_empty());
        lapwing_http::HttpConfig {
            oauth2: self.oauth2.clone(),
            tls_config: self.tls_config.clone().unwrap_or_default(),
            proxy_url: filled(&self.proxy_url),
            no_proxy: filled(&self.no_proxy),
            proxy_from_environment: self.proxy_from_environment.unwrap_or(false),
            proxy_connect_header: self.proxy_connect_header.clone(),
            follow_redirects: self.follow_redirects.unwrap_or(true),
            enable_http2: self.enable_http2.unwrap_or(true),
            ..lapwing_http::HttpConfig::default()
        }
    }

    fn headers(&self, context: &Context<'_>) -> Result<Vec<(String, String)>, String> {
        self.headers_with(&|path: &str| context.secret(None, Some(path)))
    }

    /// The headers that this configuration asks for; `read` gives the content of a file with a secret.
    pub(crate) fn headers_with(
        &self,
        read: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Vec<(String, String)>, String> {
        let secret = |typed: Option<&Secret>, file: Option<&str>| -> Result<String, String> {
            match (typed, file) {
                (Some(typed), _) if !typed.is_empty() => Ok(typed.expose().to_owned()),
                (_, Some(file)) => Ok(read(file)?.trim().to_owned()),
                _ => Ok(String::new()),
            }
        };
        let mut headers = Vec::new();
        if let Some(auth) = &self.basic_auth {
            let user = match &auth.username_file {
                Some(file) => secret(None, Some(file))?,
                None => auth.username.clone().unwrap_or_default(),
            };
            let password = secret(auth.password.as_ref(), auth.password_file.as_deref())?;
            let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            headers.push(("authorization".to_owned(), format!("Basic {token}")));
        }
        if let Some(auth) = &self.authorization {
            let token = secret(auth.credentials.as_ref(), auth.credentials_file.as_deref())?;
            let kind = auth.kind.as_deref().unwrap_or("Bearer");
            headers.push(("authorization".to_owned(), format!("{kind} {token}")));
        }
        if self.bearer_token.is_some() || self.bearer_token_file.is_some() {
            let token = secret(self.bearer_token.as_ref(), self.bearer_token_file.as_deref())?;
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        for (name, values) in &self.http_headers {
            let mut all = values.values.clone();
            for secret in &values.secrets {
                all.push(secret.expose().to_owned());
            }
            for file in &values.files {
                all.push(secret(None, Some(file))?);
            }
            headers.extend(all.into_iter().map(|v| (name.to_ascii_lowercase(), v)));
        }
        Ok(headers)
    }
}

/// A channel's own, or the one that holds for all of them.
pub(crate) fn settled(own: Option<HttpConfig>, global: &Global) -> Result<Option<HttpConfig>, String> {
    let settled = own.or_else(|| global.http_config.clone());
    if let Some(config) = &settled {
        config.validate()?;
    }
    Ok(settled)
}

/// `timeout` of a channel: how long one attempt may take.
pub(crate) fn check_timeout(timeout: Option<&str>) -> Result<(), String> {
    match timeout.map(parse_go_duration_ms) {
        Some(Err(e)) => Err(format!("timeout: {e}")),
        _ => Ok(()),
    }
}

pub(crate) fn timeout_of(timeout: Option<&str>) -> Duration {
    let ms = timeout
        .and_then(|t| parse_go_duration_ms(t).ok())
        .filter(|ms| *ms > 0);
    ms.map_or(TIMEOUT, |ms| Duration::from_millis(ms.unsigned_abs()))
}

/// A POST of JSON with the channel's `http_config`.
pub(crate) fn post_json(
    context: &Context<'_>,
    url: &str,
    body: &impl serde::Serialize,
    config: Option<&HttpConfig>,
) -> Result<HttpRequest, String> {
    let body = serde_json::to_vec(body).map_err(|e| format!("encoding the payload: {e}"))?;
    post(context, url, body, config)
}

pub(crate) fn post(
    context: &Context<'_>,
    url: &str,
    body: Vec<u8>,
    config: Option<&HttpConfig>,
) -> Result<HttpRequest, String> {
    let url = url.trim().to_owned();
    if url.is_empty() {
        return Err("the address of this receiver is empty".to_owned());
    }
    let config = config.cloned().unwrap_or_default();
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(config.headers(context)?);
    Ok(HttpRequest {
        method: "POST",
        url,
        headers,
        body,
        config,
        at_ms: context.notification.now_ms,
        timeout: TIMEOUT,
        judge: Judge::Status,
        is_extra: false,
    })
}
