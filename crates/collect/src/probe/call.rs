//! A plain HTTP call for those who repair: over TCP, TLS, or the Unix socket of a container engine.

use super::dial::TlsOptions;
use super::exchange::{Ask, ask, ask_unix};
use super::expect::beginning;
use super::look::Look;
use std::path::PathBuf;
use url::Url;

const ANSWER_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub tls: TlsOptions,
    pub unix_socket: Option<PathBuf>,
}

impl Call {
    pub fn new(method: &str, url: &str) -> Self {
        Call {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            tls: TlsOptions::default(),
            unix_socket: None,
        }
    }
}

/// Status and the beginning of the body, or why there is none. The caller sets the time limit.
pub async fn call(look: &Look, call: &Call) -> Result<(u16, String), String> {
    let (status, body) = fetch(look, call).await?;
    Ok((status, beginning(&String::from_utf8_lossy(&body))))
}

/// The same with the whole body.
pub(super) async fn fetch(look: &Look, call: &Call) -> Result<(u16, Vec<u8>), String> {
    let request = Ask {
        method: call.method.clone(),
        url: Url::parse(&call.url).map_err(|e| format!("{:?}: {e}", call.url))?,
        headers: call.headers.clone(),
        body: call.body.clone(),
        tls: call.tls.clone(),
        offer_h2: true,
    };
    let answered = match &call.unix_socket {
        Some(path) => ask_unix(look, path, &request).await,
        None => ask(look, &request).await,
    };
    let mut answer = answered.map_err(|fault| fault.detail)?;
    let body = answer
        .body(look, ANSWER_BYTES_MAX)
        .await
        .map_err(|fault| fault.detail)?;
    Ok((answer.status, body))
}
