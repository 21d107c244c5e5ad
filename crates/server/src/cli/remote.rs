//! A running Lapwing, asked and told over its API: what the commands that talk to one have in common.

use super::Exit;
use serde::de::DeserializeOwned;
use std::time::Duration;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// The server to talk to: a URL, or HOST:PORT [default: http://127.0.0.1:9595]
    #[arg(long, visible_alias = "url", value_name = "URL", env = "LAPWING_URL")]
    server: Option<String>,
    /// A token; the role read is enough to look, operate to change anything
    #[arg(long, value_name = "TOKEN", env = "LAPWING_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

const DEFAULT_SERVER: &str = "http://127.0.0.1:9595";
const DEFAULT_PORT: u16 = 9595;
/// What the variable was called first; LAPWING_URL counts over it.
const FORMER_VARIABLE: &str = "LAPWING_SERVER";
const TIMEOUT: Duration = Duration::from_secs(30);
/// What an answer says where it is not JSON is shown up to here.
const SAID_CHARS_MAX: usize = 300;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error("cannot reach {server}; is Lapwing running there? --server names another")]
    Unreachable {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{server} did not answer in time")]
    Timeout { server: String },
    #[error("{said}")]
    Refused { status: u16, said: String },
    #[error("this is not Lapwing's answer")]
    Strange(#[source] serde_json::Error),
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
}

impl RemoteError {
    /// Says it on standard error, and what the command ends with.
    pub(crate) fn complain(self) -> Exit {
        let exit = match &self {
            RemoteError::Unreachable { .. } => Exit::Unreachable,
            RemoteError::Timeout { .. } => Exit::Timeout,
            RemoteError::Refused { status: 404, .. } => Exit::NoData,
            RemoteError::Refused { status: 400, .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        super::complain(&anyhow::Error::new(self));
        exit
    }
}

/// A question to the server, or an order.
pub(crate) struct Call {
    method: reqwest::Method,
    path: String,
    params: Vec<(String, String)>,
    body: Body,
    timeout: Duration,
}

enum Body {
    None,
    Json(serde_json::Value),
    /// The parameters.
    Form,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Call {
            method: reqwest::Method::GET,
            path: path.into(),
            params: Vec::new(),
            body: Body::None,
            timeout: TIMEOUT,
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: serde_json::Value) -> Self {
        Call {
            method: reqwest::Method::POST,
            body: Body::Json(body),
            ..Call::get(path)
        }
    }

    /// The parameters travel in the body, where they may be long.
    pub(crate) fn form(path: impl Into<String>) -> Self {
        Call {
            method: reqwest::Method::POST,
            body: Body::Form,
            ..Call::get(path)
        }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Call {
            method: reqwest::Method::DELETE,
            ..Call::get(path)
        }
    }

    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// For what takes longer than an answer of every day.
    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl ServerArgs {
    /// Whether somebody said which server.
    pub(crate) fn is_named(&self) -> bool {
        self.named().is_some()
    }

    /// The server's address without a slash at its end.
    pub(crate) fn url(&self) -> String {
        self.named()
            .map_or_else(|| DEFAULT_SERVER.to_owned(), |s| whole_url(&s))
    }

    /// The token, where there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref().filter(|t| !t.is_empty())
    }

    fn named(&self) -> Option<String> {
        let said = self.server.clone().filter(|s| !s.is_empty());
        said.or_else(|| std::env::var(FORMER_VARIABLE).ok().filter(|s| !s.is_empty()))
    }

    pub(crate) fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, RemoteError> {
        serde_json::from_str(&self.tell(call)?).map_err(RemoteError::Strange)
    }

    /// The answer as text.
    pub(crate) fn tell(&self, call: Call) -> Result<String, RemoteError> {
        let body = self.fetch(call)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The answer as it came.
    pub(crate) fn fetch(&self, call: Call) -> Result<Vec<u8>, RemoteError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(RemoteError::Runtime)?;
        let lost = |source: reqwest::Error| {
            let server = self.url();
            if source.is_timeout() {
                RemoteError::Timeout { server }
            } else {
                RemoteError::Unreachable { server, source }
            }
        };
        let (status, body) = runtime.block_on(self.exchange(call)).map_err(lost)?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        Err(RemoteError::Refused {
            status,
            said: said(status, &String::from_utf8_lossy(&body)),
        })
    }

    async fn exchange(&self, call: Call) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let mut url = format!("{}{}", self.url(), call.path);
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        let pairs = pairs.extend_pairs(call.params).finish();
        if !pairs.is_empty() && !matches!(call.body, Body::Form) {
            url = format!("{url}?{pairs}");
        }
        let client = reqwest::Client::builder().timeout(call.timeout).build()?;
        let mut request = client.request(call.method, url);
        request = match &call.body {
            Body::None => request,
            Body::Json(body) => request.json(body),
            Body::Form => request
                .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(pairs),
        };
        if let Some(token) = self.token() {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
    }
}

/// `gpu-1:9595` is HTTP, and a bare name is Lapwing's own port there.
fn whole_url(said: &str) -> String {
    let said = said.trim().trim_end_matches('/');
    if said.contains("://") {
        return said.to_owned();
    }
    let (host, path) = said.split_at(said.find('/').unwrap_or(said.len()));
    let is_bare_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    let has_port = !is_bare_v6
        && host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = match host {
        _ if is_bare_v6 => format!("[{host}]"),
        // As an address to listen on is written.
        _ if host.starts_with(':') => format!("127.0.0.1{host}"),
        _ => host.to_owned(),
    };
    if has_port {
        format!("http://{host}{path}")
    } else {
        format!("http://{host}:{DEFAULT_PORT}{path}")
    }
}

/// What a refusal says: a JSON string (API v2), the envelope of API v1, or text.
fn said(status: u16, body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let words = json
        .as_str()
        .or_else(|| json.get("error").and_then(|e| e.as_str()));
    let words = words.unwrap_or(body).trim();
    let words: String = words.chars().take(SAID_CHARS_MAX).collect();
    match (status, words.is_empty()) {
        (_, true) => format!("the server answered {status}"),
        (401 | 403, _) => format!("{words}\n  hint: --token, or LAPWING_TOKEN in the environment"),
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_as_people_write_it() {
        for (said, expect) in [
            ("127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("gpu-1", "http://gpu-1:9595"),
            ("gpu-1/lapwing/", "http://gpu-1:9595/lapwing"),
            ("gpu-1:80/lapwing", "http://gpu-1:80/lapwing"),
            (":9000", "http://127.0.0.1:9000"),
            ("[::1]:9000", "http://[::1]:9000"),
            ("[::1]", "http://[::1]:9595"),
            ("::1", "http://[::1]:9595"),
            ("https://lapwing.example.org/", "https://lapwing.example.org"),
        ] {
            let args = ServerArgs {
                server: Some(said.to_owned()),
                token: None,
            };
            assert_eq!(args.url(), expect, "{said}");
        }
    }

    #[test]
    fn a_refusal_is_said_in_its_own_words() {
        for (status, body, expect) in [
            (400, "\"bad matcher\"", "bad matcher"),
            (
                400,
                r#"{"status":"error","errorType":"bad_data","error":"no"}"#,
                "no",
            ),
            (404, "", "the server answered 404"),
            (500, "oh\n", "oh"),
        ] {
            assert_eq!(said(status, body), expect);
        }
        assert!(said(401, "a token is needed").contains("LAPWING_TOKEN"));
    }
}
