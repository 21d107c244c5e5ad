//! Where an answer comes from: a server over HTTP, or a data directory through the same handlers.

use crate::cli::Exit;
use crate::http::{AppState, router};
use crate::live::{Live, Started};
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use futures_util::StreamExt as _;
use lapwing::{Engine, EngineOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
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
    Runtime(#[source] io::Error),
    #[error("the answer was cut off before its end")]
    Cut {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot write the answer")]
    Unwritten(#[source] io::Error),
}

impl AskError {
    /// What the command ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            AskError::Unreachable { .. } => Exit::Unreachable,
            AskError::Refused { class, .. } if class == "timeout" => Exit::Timeout,
            AskError::Refused { class, .. } if class == "bad_data" => Exit::Usage,
            _ => Exit::Failed,
        }
    }
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

/// As the API reads a time.
pub(crate) fn seconds(ms: i64) -> String {
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
    let body = runtime()?.block_on(async {
        let opened = Opened::start(dir)?;
        let response = opened.answer(question).await;
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap_or_default();
        opened.close().await;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })?;
    refused_or(body)
}

/// A data directory that answers as a server would.
struct Opened {
    engine: Engine,
    state: AppState,
    _open: watch::Sender<bool>,
}

impl Opened {
    fn start(dir: &Path) -> Result<Self, AskError> {
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
        let engine = Engine::start(&options).map_err(|source| AskError::Open {
            path: dir.to_owned(),
            source: Box::new(source),
        })?;
        let (open, closing) = watch::channel(false);
        let state = AppState::new(&engine, Live::new(&engine, Started::defaults()), closing);
        Ok(Opened {
            engine,
            state,
            _open: open,
        })
    }

    async fn answer(&self, question: &Question) -> Response {
        let request = match &question.body {
            Some(body) => Request::post(question.target()).body(Body::from(body.clone())),
            None => Request::get(question.target()).body(Body::empty()),
        };
        match router(self.state.clone()).call(request.unwrap_or_default()).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn close(self) {
        if let Err(error) = self.engine.stop().await {
            tracing::warn!(%error, "closing the data directory");
        }
    }
}

/// Where an answer of any length goes, piece by piece.
pub(crate) type Take<'t> = &'t mut dyn FnMut(&[u8]) -> io::Result<()>;

/// As [`ask`], for an answer that no memory need hold; one that is cut off is an error.
pub(crate) fn ask_for_pieces(
    (server, token): (&str, Option<&str>),
    directory: Option<&Path>,
    question: &Question,
    take: Take<'_>,
) -> Result<(), AskError> {
    runtime()?.block_on(async {
        let Some(dir) = directory else {
            return pieces_of_server((server, token), question, take).await;
        };
        let opened = Opened::start(dir)?;
        let response = opened.answer(question).await;
        let is_refused = !response.status().is_success();
        let mut pieces = response.into_body().into_data_stream();
        let mut refusal = Vec::new();
        let mut ended = Ok(());
        while let Some(piece) = pieces.next().await {
            ended = match piece {
                Ok(piece) if is_refused => {
                    refusal.extend_from_slice(&piece);
                    Ok(())
                }
                Ok(piece) => take(&piece).map_err(AskError::Unwritten),
                Err(source) => Err(AskError::Cut {
                    source: source.into_inner(),
                }),
            };
            if ended.is_err() {
                break;
            }
        }
        drop(pieces);
        opened.close().await;
        if is_refused {
            refused_or(String::from_utf8_lossy(&refusal).into_owned())?;
        }
        ended
    })
}

async fn pieces_of_server(
    (server, token): (&str, Option<&str>),
    question: &Question,
    take: Take<'_>,
) -> Result<(), AskError> {
    let unreachable = |source| AskError::Unreachable {
        url: server.to_owned(),
        source,
    };
    let client = reqwest::Client::builder().read_timeout(SERVER_TIMEOUT).build();
    let url = format!("{}{}", server.trim_end_matches('/'), question.target());
    let mut request = client.map_err(unreachable)?.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let mut response = request.send().await.map_err(unreachable)?;
    if !response.status().is_success() {
        let said = response.text().await.map_err(unreachable)?;
        return refused_or(said).map(drop);
    }
    let cut = |source: reqwest::Error| AskError::Cut {
        source: source.into(),
    };
    while let Some(piece) = response.chunk().await.map_err(cut)? {
        take(&piece).map_err(AskError::Unwritten)?;
    }
    Ok(())
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
