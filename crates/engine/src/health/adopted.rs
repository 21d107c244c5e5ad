//! Models made over the API: kept in the state store, watched beside those of the configuration, retired again.
//!
//! The configuration's own win: a name that stands in both is the configuration's, and what was made over the API rests until
//! the name is free. Each step is in the audit trail with who took it, and is on the disk before it is answered.

use super::board::Board;
use super::event::AuditEntry;
use super::job::Health;
use super::spec::{CheckSpec, HealthOptions, ModelSpec};
use lapwing_store::state::StateError;
use lapwing_types::{StateBatch, StateChange, StateKind};
use serde_json::{Value, json};
use std::sync::Arc;

const PREFIX: &str = "adopted/";
/// Far more than a person makes by hand; a script that runs wild ends here.
const MODELS_MAX: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    #[error("the model is not as it must be: {0}")]
    Invalid(String),
    #[error("model {0:?} stands in the configuration, which is where it is changed")]
    InConfig(String),
    #[error("there is no model {0:?}")]
    Unknown(String),
    #[error("{MODELS_MAX} models were made over the API already")]
    TooMany,
    #[error("models are not made over the API here")]
    NotHere,
    #[error("the model could not be written down")]
    State(#[from] StateError),
}

impl Health {
    /// Makes a model, or puts it in the place of the one of its name; true when there was one. Blocks on the disk.
    pub fn put_model(&self, document: &Value, by: &str, now_ms: i64) -> Result<bool, AdoptError> {
        let row = |board: &mut Board| -> Result<StateChange, AdoptError> {
            let key = board.may_be_put(document)?;
            let json = Some(row_of(document, by, now_ms).to_string());
            Ok(StateChange {
                kind: StateKind::Health,
                key,
                json,
            })
        };
        self.write_first(self.change(row)?)?;
        let was_there = self.change(|board| board.put_model(document, by, now_ms))?;
        self.commit()?;
        Ok(was_there)
    }

    /// Nothing changes in memory that the disk has no room for: what was refused must not hold until a restart all the same.
    fn write_first(&self, change: StateChange) -> Result<(), AdoptError> {
        let batch = StateBatch {
            changes: vec![change],
            ..StateBatch::default()
        };
        Ok(self.state().commit(&batch)?)
    }

    /// Ends a model that was made over the API. Blocks on the disk.
    pub fn retire_model(&self, name: &str, by: &str, now_ms: i64) -> Result<(), AdoptError> {
        let row = |board: &mut Board| -> Result<StateChange, AdoptError> {
            let key = board.may_be_retired(name)?;
            let json = None;
            Ok(StateChange {
                kind: StateKind::Health,
                key,
                json,
            })
        };
        self.write_first(self.change(row)?)?;
        self.change(|board| board.retire_model(name, by, now_ms))?;
        self.commit()?;
        Ok(())
    }
}

impl Board {
    /// What is configured takes the place of what was, with the models made over the API beside it.
    pub(super) fn configure(&mut self, configured: Arc<HealthOptions>, now_ms: i64) {
        self.configured = configured;
        let options = self.with_adopted();
        self.exchange(options, now_ms);
    }

    fn with_adopted(&self) -> Arc<HealthOptions> {
        let Some(read) = self.configured.read_model else {
            return self.configured.clone();
        };
        let mut rows = self
            .rows
            .iter()
            .filter(|(key, _)| key.starts_with(PREFIX))
            .peekable();
        // Ten thousand checks need not be kept twice where nothing is added to them.
        if rows.peek().is_none() {
            return self.configured.clone();
        }
        let mut options = (*self.configured).clone();
        for (key, row) in rows {
            match read(&row["model"]) {
                Ok((model, checks)) => add(&mut options, (model, checks)),
                Err(why) => tracing::error!(key, why, "a model made over the API is no longer understood"),
            }
        }
        Arc::new(options)
    }

    /// The key under which it is kept, where nothing speaks against it.
    fn may_be_put(&self, document: &Value) -> Result<String, AdoptError> {
        let read = self.configured.read_model.ok_or(AdoptError::NotHere)?;
        let (model, checks) = read(document).map_err(AdoptError::Invalid)?;
        if self.configured.models.iter().any(|m| m.name == model.name) {
            return Err(AdoptError::InConfig(model.name));
        }
        let depends_on = model
            .depends_on
            .iter()
            .chain(checks.iter().flat_map(|c| &c.depends_on));
        for name in depends_on {
            let is_known = self.by_name.contains_key(name)
                || *name == model.name
                || self.options.models.iter().any(|m| m.name == *name);
            if !is_known {
                return Err(AdoptError::Invalid(format!(
                    "no model and no check is called {name:?}"
                )));
            }
        }
        let key = format!("{PREFIX}{}", model.name);
        let was_there = self.rows.contains(&key);
        if !was_there && self.rows.keys().filter(|k| k.starts_with(PREFIX)).count() >= MODELS_MAX {
            return Err(AdoptError::TooMany);
        }
        Ok(key)
    }

    fn put_model(&mut self, document: &Value, by: &str, now_ms: i64) -> Result<bool, AdoptError> {
        let key = self.may_be_put(document)?;
        let was_there = self.rows.contains(&key);
        let name = key.strip_prefix(PREFIX).unwrap_or(&key).to_owned();
        self.rows.insert(key, row_of(document, by, now_ms));
        let step = if was_there { "replaced" } else { "created" };
        self.audit_model(&name, step, by, now_ms);
        let options = self.with_adopted();
        self.exchange(options, now_ms);
        Ok(was_there)
    }

    fn may_be_retired(&self, name: &str) -> Result<String, AdoptError> {
        let key = format!("{PREFIX}{name}");
        if !self.rows.contains(&key) {
            let is_configured = self.configured.models.iter().any(|m| m.name == name);
            return Err(match is_configured {
                true => AdoptError::InConfig(name.to_owned()),
                false => AdoptError::Unknown(name.to_owned()),
            });
        }
        Ok(key)
    }

    fn retire_model(&mut self, name: &str, by: &str, now_ms: i64) -> Result<(), AdoptError> {
        let key = self.may_be_retired(name)?;
        self.rows.remove(&key);
        self.audit_model(name, "retired", by, now_ms);
        let options = self.with_adopted();
        self.exchange(options, now_ms);
        Ok(())
    }

    pub(super) fn origin_of(&self, model: &str) -> &'static str {
        match self.configured.models.iter().any(|m| m.name == model) {
            true => "config",
            false => "api",
        }
    }

    fn audit_model(&mut self, name: &str, step: &str, by: &str, now_ms: i64) {
        tracing::info!(model = name, step, by, "a model was changed over the API");
        self.record_audit(AuditEntry {
            at_ms: now_ms,
            target: format!("model/{name}"),
            action: "model over the API".to_owned(),
            step: step.to_owned(),
            by: by.to_owned(),
            detail: String::new(),
        });
    }
}

fn row_of(document: &Value, by: &str, now_ms: i64) -> Value {
    json!({ "model": document, "by": by, "at_ms": now_ms })
}

fn add(options: &mut HealthOptions, (model, checks): (ModelSpec, Vec<CheckSpec>)) {
    if options.models.iter().any(|m| m.name == model.name) {
        tracing::warn!(
            model = model.name,
            "the configuration's model takes the place of the one made over the API"
        );
        return;
    }
    for check in checks {
        if options.checks.iter().any(|c| c.name == check.name) {
            tracing::warn!(
                check = check.name,
                "a check of a model made over the API is called as one of the configuration"
            );
        } else {
            options.checks.push(check);
        }
    }
    options.models.push(model);
}
