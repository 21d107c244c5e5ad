//! Where an answer comes from: a server over HTTP, or a data directory through the same handlers.

use crate::http::{AppState, router};
use crate::live::{Live, Started};
use axum::body::Body;
use axum::http::Request;
use lapwing::{Engine, EngineOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tower_service::Service;

/// A query as the HTTP API takes it.
#[derive(Debug)]
pub(crate) struct Question {
    path: &'static str,
    params: Vec<(&'static str, String)>,
    /// Sent with POST where it is there.
    body: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(
        "cannot reach {url}; is Lapwing running there? `lapwing` starts it, --data reads a directory without it"
    )]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{message}")]
    Refused { class: String, message: String },
    #[error("{path} is not a data directory")]
    NoDirectory { path: PathBuf },
    #[error("cannot open {path}")]
    Open {
        path: PathBuf,
        #[source]
        source: Box<lapwing::StartError>,
    },
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
}

impl Question {
    pub(crate) fn get(path: &'static str, params: Vec<(&'static str, String)>) -> Self {
        Question {
            path,
            params,
            body: None,
        }
    }

    pub(crate) fn post(path: &'static str, body: String) -> Self {
        Question {
            path,
            params: Vec::new(),
            body: Some(body),
        }
    }

    pub(super) fn instant(expr: &str, at_ms: i64) -> Self {
        let params = vec![("query", expr.to_owned()), ("time", seconds(at_ms))];
        Question::get("/api/v1/query", params)
    }

    pub(super) fn range(expr: &str, start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let params = vec![
            ("query", expr.to_owned()),
            ("start", seconds(start_ms)),
            ("end", seconds(end_ms)),
            ("step", seconds(step_ms)),
        ];
        Question::get("/api/v1/query_range", params)
    }

    pub(super) fn explained(mut self, wanted: bool) -> Self {
        if wanted {
            self.params.push(("explain", "1".to_owned()));
        }
        self
    }

    fn target(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.params {
            query.append_pair(name, value);
        }
        format!("{}?{}", self.path, query.finish())
    }
}

fn seconds(ms: i64) -> String {
    format!("{}", ms as f64 / 1000.0)
}

/// A server that takes longer than its own query timeout is not going to answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(130);

/// Of a directory where one is named, of a server otherwise.
pub(crate) fn ask(
    (server, token): (&str, Option<&str>),
    directory: Option<&Path>,
    question: &Question,
) -> Result<String, AskError> {
    match directory {
        Some(dir) => ask_directory(dir, question),
        None => ask_server(server, token, question),
    }
}

pub(super) fn ask_server(server: &str, token: Option<&str>, question: &Question) -> Result<String, AskError> {
    let url = format!("{}{}", server.trim_end_matches('/'), question.target());
    let unreachable = |source| AskError::Unreachable {
        url: server.to_owned(),
        source,
    };
    let body = runtime()?.block_on(async {
        let client = reqwest::Client::builder().timeout(SERVER_TIMEOUT).build()?;
        let mut request = match &question.body {
            Some(body) => client.post(&url).body(body.clone()),
            None => client.get(&url),
        };
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await?.text().await
    });
    refused_or(body.map_err(unreachable)?)
}

/// Opens the directory for as long as the answer takes; a running server holds its lock, and is the one to ask then.
fn ask_directory(dir: &Path, question: &Question) -> Result<String, AskError> {
    if !dir.is_dir() {
        return Err(AskError::NoDirectory { path: dir.to_owned() });
    }
    let options = EngineOptions {
        data: Some(dir.to_owned()),
        host_interval: None,
        own_interval: None,
        asks_only: true,
        ..EngineOptions::default()
    };
    let body = runtime()?.block_on(async {
        let engine = Engine::start(&options).map_err(|source| AskError::Open {
            path: dir.to_owned(),
            source: Box::new(source),
        })?;
        let (_open, closing) = tokio::sync::watch::channel(false);
        let request = match &question.body {
            Some(body) => Request::post(question.target()).body(Body::from(body.clone())),
            None => Request::get(question.target()).body(Body::empty()),
        };
        let request = request.unwrap_or_default();
        let response = router(AppState::new(
            &engine,
            Live::new(&engine, Started::defaults()),
            closing,
        ))
        .call(request)
        .await;
        let response = match response {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap_or_default();
        if let Err(error) = engine.stop().await {
            tracing::warn!(%error, "closing the data directory");
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })?;
    refused_or(body)
}

/// An error in the API's envelope becomes an error here.
fn refused_or(body: String) -> Result<String, AskError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope {
        status: String,
        error_type: Option<String>,
        error: Option<String>,
    }
    match serde_json::from_str::<Envelope>(&body) {
        Ok(envelope) if envelope.status == "success" => Ok(body),
        Ok(envelope) => Err(AskError::Refused {
            class: envelope.error_type.unwrap_or_default(),
            message: envelope.error.unwrap_or_default(),
        }),
        Err(_) => Err(AskError::Refused {
            class: "internal".to_owned(),
            message: format!(
                "not an answer of the query API: {}",
                body.lines().next().unwrap_or("")
            ),
        }),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, AskError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(AskError::Runtime)
}
