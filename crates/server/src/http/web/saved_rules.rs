//! `/api/v1/rules/saved`: rule files that people write in the pages, one file each, in the folder of `saved_rules:`.
//!
//! A file is checked before it is written and counts at once: the configuration is read anew. If that fails, what stood
//! there before is put back, so that no click can leave a configuration that does not start.

use super::files::in_folder;
use crate::dashboards::Folder;
use crate::http::AppState;
use crate::http::prometheus::{ApiError, Success};
use axum::extract::{Path, RawQuery, State};
use lapwing_judge::rules::{RuleKind, check_expr, load_rule_file};
use serde_json::json;

pub(super) async fn list(State(state): State<AppState>) -> Result<Success, ApiError> {
    let Some(folder) = folder(&state) else {
        return Success::json(&json!({ "writable": false, "files": [] }));
    };
    let files = in_folder(&state, move || folder.list()).await?;
    let files: Vec<_> = files
        .iter()
        .map(|(id, yaml)| json!({ "id": id, "yaml": yaml }))
        .collect();
    Success::json(&json!({ "writable": true, "files": files }))
}

/// The body is a Prometheus rule file. `?check=1` only reads it.
pub(super) async fn put(
    State(state): State<AppState>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    yaml: String,
) -> Result<Success, ApiError> {
    check(&state, &id, &yaml)?;
    if query.as_deref() == Some("check=1") {
        return Success::json(&json!({ "saved": false }));
    }
    let folder = folder(&state).ok_or_else(|| {
        ApiError::bad_data(
            "no folder for rules is configured; add `saved_rules: { dir: rules }` to lapwing.yml",
        )
    })?;
    let (writing, name) = (folder.clone(), id.clone());
    let work = move || {
        let before = writing.read(&name)?;
        writing.write(&name, &yaml).map(|path| (before, path))
    };
    let (before, path) = in_folder(&state, work).await?;
    if let Err(error) = state.live.reload(&state.engine, "a rule was saved").await {
        in_folder(&state, move || folder.put_back(&id, before.as_deref())).await?;
        return Err(ApiError::bad_data(format!("nothing was saved: {}", error.full())));
    }
    Success::json(&json!({ "saved": true, "file": path.display().to_string() }))
}

/// A file without a rule that alerts would be a slip of the hand.
fn check(state: &AppState, id: &str, yaml: &str) -> Result<(), ApiError> {
    let config = state.config();
    let options = &config.alerting.paging.rules;
    let groups = load_rule_file(&format!("{id}.yml"), yaml, options, &check_expr).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        ApiError::bad_data(lines.join("\n"))
    })?;
    let mut rules = groups.iter().flat_map(|g| &g.rules);
    if rules.any(|r| matches!(r.kind, RuleKind::Alerting(_))) {
        Ok(())
    } else {
        Err(ApiError::bad_data("no rule of these alerts"))
    }
}

fn folder(state: &AppState) -> Option<Folder> {
    state.config().alerting.saved_dir.as_deref().map(Folder::new)
}
