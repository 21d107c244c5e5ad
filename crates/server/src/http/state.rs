//! What every handler is given: the engine and the configuration in force.

use super::Gate;
use super::auth::Logins;
use crate::config::Config;
use crate::live::Live;
use lapwing::Engine;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) engine: Engine,
    pub(crate) live: Live,
    pub(crate) gate: Gate,
    pub(crate) logins: Logins,
}

impl AppState {
    pub(crate) fn new(engine: &Engine, live: Live) -> Self {
        AppState {
            engine: engine.clone(),
            gate: Gate::new(engine.meter()),
            live,
            logins: Logins::default(),
        }
    }

    /// The configuration of this moment; a handler asks once and works with that.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.live.config()
    }
}
