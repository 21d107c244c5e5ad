//! What every handler is given: the engine and the configuration in force.

use super::web::Pulse;
use crate::config::Config;
use lapwing::Engine;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) engine: Engine,
    pub(crate) config: Arc<Config>,
    pub(crate) pulse: Pulse,
    /// Turns true when the doors close: what would never end by itself ends then.
    pub(crate) closing: watch::Receiver<bool>,
}

impl AppState {
    pub(crate) fn new(engine: Engine, config: Config, closing: watch::Receiver<bool>) -> Self {
        AppState {
            engine,
            config: Arc::new(config),
            pulse: Pulse::default(),
            closing,
        }
    }
}
