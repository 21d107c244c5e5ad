//! What every handler is given: the engine and the configuration in force.

use super::Gate;
use super::auth::Logins;
use super::numbers::HttpNumbers;
use super::prometheus::Exports;
use super::web::Pulse;
use crate::config::Config;
use crate::doctor::Finding;
use crate::live::Live;
use lapwing::Engine;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// When the doctor looked, and what he found.
pub(crate) type Examined = (i64, Vec<Finding>);

/// Each layer and each handler takes its own: one count is cheaper than one for each part.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) live: Live,
    pub(crate) gate: Gate,
    pub(crate) numbers: HttpNumbers,
    pub(crate) logins: Logins,
    pub(crate) pulse: Pulse,
    /// What the doctor last said, and when; held while he looks, so that he looks once at a time.
    pub(crate) doctor: tokio::sync::Mutex<Option<Examined>>,
    pub(crate) exports: Exports,
    /// Turns true when the doors close: what would never end by itself ends then.
    pub(crate) closing: watch::Receiver<bool>,
    /// Told when somebody asked for the end of the program.
    pub(crate) quit: Arc<Notify>,
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl AppState {
    pub(crate) fn new(engine: &Engine, live: Live, closing: watch::Receiver<bool>) -> Self {
        AppState(Arc::new(Parts {
            engine: engine.clone(),
            gate: Gate::new(engine.meter()),
            numbers: HttpNumbers::new(engine.meter()),
            live,
            logins: Logins::default(),
            pulse: Pulse::default(),
            doctor: tokio::sync::Mutex::default(),
            exports: Exports::default(),
            closing,
            quit: Arc::default(),
        }))
    }

    /// The configuration of this moment; a handler asks once and works with that.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.live.config()
    }
}
