//! `/api/v1/dashboards`: the ones that come with Lapwing and the ones in the folder; one is replaced by its YAML.

use super::files::{in_folder, refusal};
use crate::dashboards::{Board, Folder, FolderError, from_grafana, packs};
use crate::http::AppState;
use crate::http::prometheus::{ApiError, ErrorClass, Success};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    /// Where it comes from: `pack` or `folder`.
    origin: &'static str,
    yaml: String,
    /// Another text has another one; who saves says which one was changed.
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<Board>,
    /// Why the file cannot be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Listed {
    fn of(id: &str, origin: &'static str, yaml: String) -> Self {
        let (board, error) = match Board::read(&yaml) {
            Ok(board) => (Some(board), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Listed {
            id: id.to_owned(),
            origin,
            version: version_of(&yaml),
            yaml,
            board,
            error,
        }
    }
}

pub(super) async fn list(State(state): State<AppState>) -> Result<Success, ApiError> {
    let all = listed(&state).await?;
    Success::json(&json!({ "dashboards": all, "writable": state.config().dashboards.dir.is_some() }))
}

/// The dashboard of this id, as its file says it.
pub(super) async fn saved(state: &AppState, id: &str) -> Result<Board, ApiError> {
    let found = listed(state).await?.into_iter().find(|l| l.id == id);
    let none = || ApiError::new(ErrorClass::NotFound, format!("there is no dashboard {id:?}"));
    let found = found.ok_or_else(none)?;
    let wrong = found.error.unwrap_or_default();
    found.board.ok_or_else(|| ApiError::bad_data(wrong))
}

/// By id. A file of the folder stands before a pack of the same id.
async fn listed(state: &AppState) -> Result<Vec<Listed>, ApiError> {
    let folder = folder(state).ok();
    let files = in_folder(state, move || folder.map_or(Ok(Vec::new()), |f| f.list())).await?;
    let mut all: Vec<Listed> = files
        .into_iter()
        .map(|(id, yaml)| Listed::of(&id, "folder", yaml))
        .collect();
    for (id, yaml) in packs() {
        if !all.iter().any(|l| l.id == *id) {
            all.push(Listed::of(id, "pack", (*yaml).to_owned()));
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(all)
}

/// The body is the YAML. `?check=1` only reads it; with `?version=` it is saved only over the text of that version, and without
/// any where there is none of this id yet.
pub(super) async fn put(
    State(state): State<AppState>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    yaml: String,
) -> Result<Success, ApiError> {
    let board = Board::read(&yaml).map_err(|e| ApiError::bad_data(e.to_string()))?;
    if query.as_deref() == Some("check=1") {
        return Success::json(&json!({ "board": board }));
    }
    let folder = folder(&state).map_err(|e| refusal(&e))?;
    let version = query
        .as_deref()
        .and_then(|q| q.strip_prefix("version="))
        .map(str::to_owned);
    let work = move || {
        if let Some(version) = version {
            let pack = || {
                packs()
                    .iter()
                    .find(|(pack, _)| *pack == id)
                    .map(|(_, yaml)| (*yaml).to_owned())
            };
            is_of_version(&id, folder.read(&id)?.or_else(pack).as_deref(), &version)?;
        }
        folder.write(&id, &yaml)
    };
    let path = in_folder(&state, work).await?;
    Success::json(&json!({ "board": board, "file": path.display().to_string() }))
}

/// Only a file is removed; what comes with Lapwing under its id stands there again.
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Success, ApiError> {
    let folder = folder(&state).map_err(|e| refusal(&e))?;
    let name = id.clone();
    let work = move || match folder.read(&name)? {
        Some(_) => folder.put_back(&name, None).map(|()| true),
        None => Ok(false),
    };
    if in_folder(&state, work).await? {
        Success::json(&json!({ "removed": id }))
    } else {
        let none = format!("there is no file {id}.yml to delete");
        Err(ApiError::new(ErrorClass::NotFound, none))
    }
}

fn version_of(yaml: &str) -> String {
    let hash = Sha256::digest(yaml.as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether what stands there now is what the writer has seen; nothing seen goes with nothing there.
fn is_of_version(id: &str, now: Option<&str>, seen: &str) -> Result<(), FolderError> {
    match now {
        None => Ok(()),
        Some(_) if seen.is_empty() => Err(FolderError::Taken { id: id.to_owned() }),
        Some(yaml) if version_of(yaml) == seen => Ok(()),
        Some(_) => Err(FolderError::Changed { id: id.to_owned() }),
    }
}

/// Grafana's JSON in, our YAML out; nothing is written.
pub(super) async fn import(Json(grafana): Json<Value>) -> Result<Success, ApiError> {
    let Some(imported) = from_grafana(&grafana) else {
        return Err(ApiError::bad_data(
            "this is not a dashboard of Grafana: it has no panels",
        ));
    };
    let yaml = imported
        .board
        .to_yaml()
        .map_err(|e| ApiError::internal(e.to_string()))?;
    Success::json(&json!({ "yaml": yaml, "left_out": imported.left_out }))
}

fn folder(state: &AppState) -> Result<Folder, FolderError> {
    let config = state.config();
    let dir = config.dashboards.dir.as_deref();
    dir.map(Folder::new).ok_or(FolderError::NotConfigured)
}
