//! What every handler is given: the engine and the configuration in force.

use crate::config::Config;
use lapwing::Engine;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) engine: Engine,
    pub(crate) config: Arc<Config>,
}

impl AppState {
    pub(crate) fn new(engine: Engine, config: Config) -> Self {
        AppState {
            engine,
            config: Arc::new(config),
        }
    }
}
