//! How to reach a server: who we are, whom we trust, through what proxy. Prometheus's keys, to be flattened into the
//! blocks that use them.

use super::error::HttpConfigError;
use super::proxy::Proxying;
use super::secret::Secret;
use super::tls;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpConfig {
    pub basic_auth: Option<BasicAuth>,
    pub authorization: Option<Authorization>,
    /// Older spelling of `authorization: {credentials: …}`.
    pub bearer_token: Option<Secret>,
    pub bearer_token_file: Option<PathBuf>,
    pub oauth2: Option<OAuth2>,
    pub tls_config: TlsConfig,
    pub proxy_url: Option<String>,
    pub no_proxy: Option<String>,
    pub proxy_from_environment: bool,
    /// What is told to the proxy itself.
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
    pub follow_redirects: bool,
    pub enable_http2: bool,
    pub http_headers: BTreeMap<String, HeaderValues>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            basic_auth: None,
            authorization: None,
            bearer_token: None,
            bearer_token_file: None,
            oauth2: None,
            tls_config: TlsConfig::default(),
            proxy_url: None,
            no_proxy: None,
            proxy_from_environment: false,
            proxy_connect_header: BTreeMap::new(),
            follow_redirects: true,
            enable_http2: true,
            http_headers: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuth {
    pub username: String,
    pub username_file: Option<PathBuf>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authorization {
    /// `Bearer` unless said otherwise.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub credentials: Option<Secret>,
    pub credentials_file: Option<PathBuf>,
}

/// Client credentials grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OAuth2 {
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub client_secret_file: Option<PathBuf>,
    pub scopes: Vec<String>,
    pub token_url: String,
    pub endpoint_params: BTreeMap<String, String>,
    pub tls_config: TlsConfig,
    pub proxy_url: Option<String>,
    pub no_proxy: Option<String>,
    pub proxy_from_environment: bool,
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

impl HttpConfig {
    pub fn proxying(&self) -> Proxying<'_> {
        Proxying {
            url: self.proxy_url.as_deref(),
            no_proxy: self.no_proxy.as_deref(),
            from_environment: self.proxy_from_environment,
            connect_header: &self.proxy_connect_header,
        }
    }
}

impl OAuth2 {
    pub fn proxying(&self) -> Proxying<'_> {
        Proxying {
            url: self.proxy_url.as_deref(),
            no_proxy: self.no_proxy.as_deref(),
            from_environment: self.proxy_from_environment,
            connect_header: &self.proxy_connect_header,
        }
    }

    pub fn check(&self) -> Result<(), HttpConfigError> {
        if self.client_id.is_empty() || self.token_url.is_empty() {
            return Err(HttpConfigError::IncompleteOAuth2);
        }
        if self.client_secret.is_some() && self.client_secret_file.is_some() {
            return Err(HttpConfigError::Both {
                one: "oauth2.client_secret",
                other: "client_secret_file",
            });
        }
        self.tls_config.check()?;
        self.proxying().check()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM text; with it or `ca_file`, only these authorities are trusted.
    pub ca: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub cert: Option<String>,
    pub cert_file: Option<PathBuf>,
    pub key: Option<Secret>,
    pub key_file: Option<PathBuf>,
    /// The name that the server's certificate must hold; the URL's host without it.
    pub server_name: Option<String>,
    pub insecure_skip_verify: bool,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
}

impl TlsConfig {
    pub fn check(&self) -> Result<(), HttpConfigError> {
        let pairs = [
            (
                self.ca.is_some() && self.ca_file.is_some(),
                ("tls_config.ca", "ca_file"),
            ),
            (
                self.cert.is_some() && self.cert_file.is_some(),
                ("tls_config.cert", "cert_file"),
            ),
            (
                self.key.is_some() && self.key_file.is_some(),
                ("tls_config.key", "key_file"),
            ),
        ];
        if let Some((_, (one, other))) = pairs.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(HttpConfigError::Both { one, other });
        }
        let has_certificate = self.cert.is_some() || self.cert_file.is_some();
        if has_certificate != (self.key.is_some() || self.key_file.is_some()) {
            return Err(HttpConfigError::HalfIdentity);
        }
        tls::check_versions(self)
    }

    /// With what stands in its files now, as certificates are exchanged while we run.
    pub fn read(&self) -> Result<TlsConfig, HttpConfigError> {
        let key = self.key.as_ref().and_then(|key| key.reveal().ok());
        let key = tls::text_or_file(key, self.key_file.as_ref(), "key_file")?;
        Ok(TlsConfig {
            ca: tls::text_or_file(self.ca.clone(), self.ca_file.as_ref(), "ca_file")?,
            cert: tls::text_or_file(self.cert.clone(), self.cert_file.as_ref(), "cert_file")?,
            key: key.map(Secret::Inline),
            ca_file: None,
            cert_file: None,
            key_file: None,
            ..self.clone()
        })
    }
}

/// As a minimum, the two oldest mean what is still safe to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    TLS10,
    TLS11,
    TLS12,
    TLS13,
}

/// Values of one extra request header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderValues {
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
    pub files: Vec<PathBuf>,
}
