//! `http_config` as Alertmanager and Prometheus write it.

use super::outgoing::{HttpRequest, Judge};
use crate::config::{Global, Secret};
use crate::message::Context;
use base64::Engine as _;
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
    pub proxy_url: Option<String>,
    pub no_proxy: Option<String>,
    pub proxy_from_environment: Option<bool>,
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
pub struct TlsConfig {
    pub insecure_skip_verify: bool,
    pub ca: Option<String>,
    pub ca_file: Option<String>,
    pub cert: Option<String>,
    pub cert_file: Option<String>,
    pub key: Option<Secret>,
    pub key_file: Option<String>,
    pub server_name: Option<String>,
    /// `TLS10` to `TLS13`; less than 1.2 is never spoken.
    pub min_version: Option<String>,
}

impl TlsConfig {
    pub(crate) fn validate(&self) -> Result<(), String> {
        let pairs = [
            (self.ca.is_some(), self.ca_file.is_some(), "ca and ca_file"),
            (
                self.cert.is_some(),
                self.cert_file.is_some(),
                "cert and cert_file",
            ),
            (self.key.is_some(), self.key_file.is_some(), "key and key_file"),
        ];
        if let Some((.., both)) = pairs.iter().find(|(typed, file, _)| *typed && *file) {
            return Err(format!("tls_config: at most one of {both} must be configured"));
        }
        let has_certificate = self.cert.is_some() || self.cert_file.is_some();
        if has_certificate != (self.key.is_some() || self.key_file.is_some()) {
            return Err(
                "tls_config: a client certificate needs its key, and a key its certificate".to_owned(),
            );
        }
        match self.min_version.as_deref() {
            None | Some("" | "TLS10" | "TLS11" | "TLS12" | "TLS13") => Ok(()),
            Some(other) => Err(format!("tls_config: {other:?} is no version such as TLS12")),
        }
    }
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
        let logins = [self.basic_auth.is_some(), self.authorization.is_some(), bearer];
        if logins.iter().filter(|given| **given).count() > 1 {
            return Err(
                "at most one of basic_auth, authorization and bearer_token must be configured".to_owned(),
            );
        }
        let has_proxy = self.proxy_url.as_ref().is_some_and(|url| !url.is_empty());
        let has_exceptions = self.no_proxy.as_ref().is_some_and(|text| !text.is_empty());
        let from_environment = self.proxy_from_environment == Some(true);
        if from_environment && (has_proxy || has_exceptions) {
            return Err("proxy_from_environment goes without proxy_url and no_proxy".to_owned());
        }
        if has_exceptions && !has_proxy {
            return Err("no_proxy needs a proxy_url".to_owned());
        }
        let Some(tls) = &self.tls_config else {
            return Ok(());
        };
        if tls.server_name.as_ref().is_some_and(|name| !name.is_empty()) {
            return Err(
                "tls_config: server_name is not supported here; the address must name what the certificate does"
                    .to_owned(),
            );
        }
        tls.validate()
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
        timeout: TIMEOUT,
        judge: Judge::Status,
        is_extra: false,
    })
}
