//! The configuration in force, and how another takes its place.
//!
//! A new one is read and checked as a whole before anything of it counts. One with a mistake changes nothing: the old
//! one stays, and the API, two metrics and the log say so. Reloads come one after another, whoever asks for them: a
//! changed file, SIGHUP, `POST /-/reload`. Handlers take the configuration of the moment once and work with that.

use crate::config::{self, Config, Loaded, Origins, Watched};
use arc_swap::ArcSwap;
use lapwing::meter::{Gauge, Meter};
use lapwing::{Engine, ScrapingError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reads the configuration anew, from wherever it came the first time.
pub(crate) type LoadConfig = Box<dyn Fn() -> Loaded + Send + Sync>;

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    config: ArcSwap<Config>,
    load: LoadConfig,
    is_in_memory: bool,
    /// Held while one reload is under way.
    turn: tokio::sync::Mutex<()>,
    status: Mutex<ReloadStatus>,
    series: ReloadSeries,
}

/// How the last reload went.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReloadStatus {
    /// When the configuration in force was taken up.
    pub(crate) loaded_at_ms: i64,
    /// What was wrong with the last one that was tried; `None` when it is the one in force.
    pub(crate) error: Option<String>,
    /// When that was found.
    pub(crate) failed_at_ms: i64,
    /// What is written but counts only after a restart.
    pub(crate) needs_restart: Vec<&'static str>,
    /// Whatever the configuration was made of.
    pub(crate) watched: Watched,
    /// Where each value in force came from.
    pub(crate) origins: Option<Arc<Origins>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    #[error("the configuration has mistakes; the old one stays in force")]
    Invalid { report: String },
    #[error("the configuration may not be served: {reason}; the old one stays in force")]
    Refused { reason: String },
    #[error("the configuration could not be taken up; the old one stays in force")]
    Scraping(#[from] ScrapingError),
}

impl ReloadError {
    /// All that is known, for the person who asked.
    pub(crate) fn full(&self) -> String {
        match self {
            ReloadError::Invalid { report } => format!("{self}\n{report}"),
            other => crate::http::with_causes(other),
        }
    }
}

/// Under our own names, and under the peers', which dashboards and alert rules ask for.
struct ReloadSeries {
    successful: [Gauge; 3],
    at_seconds: [Gauge; 3],
}

impl ReloadSeries {
    fn new(meter: &Meter) -> Self {
        let both = |suffix: &str, help: &'static str| {
            ["lapwing", "prometheus", "alertmanager"]
                .map(|who| meter.gauge(&format!("{who}_config_last_reload_{suffix}"), help, &[]))
        };
        ReloadSeries {
            successful: both(
                "successful",
                "Whether the last reload of the configuration was taken up.",
            ),
            at_seconds: both(
                "success_timestamp_seconds",
                "When the configuration in force was taken up.",
            ),
        }
    }

    fn set(&self, is_successful: bool, loaded_at_ms: i64) {
        self.successful
            .iter()
            .for_each(|g| g.set(f64::from(u8::from(is_successful))));
        self.at_seconds
            .iter()
            .for_each(|g| g.set(loaded_at_ms as f64 / 1000.0));
    }
}

/// What a running Lapwing was started with.
pub(crate) struct Started {
    pub(crate) config: Config,
    pub(crate) watched: Watched,
    pub(crate) origins: Option<Arc<Origins>>,
    pub(crate) load: LoadConfig,
    pub(crate) is_in_memory: bool,
}

impl Started {
    /// Without a file: what a program that opens a data directory just to read it needs.
    pub(crate) fn defaults() -> Self {
        Started {
            config: Config::default(),
            watched: Watched::default(),
            origins: None,
            load: Box::new(Loaded::defaults),
            is_in_memory: true,
        }
    }
}

impl Live {
    pub(crate) fn new(engine: &Engine, started: Started) -> Self {
        let series = ReloadSeries::new(engine.meter());
        let loaded_at_ms = engine.started_ms();
        series.set(true, loaded_at_ms);
        Live {
            shared: Arc::new(Shared {
                config: ArcSwap::from_pointee(started.config),
                load: started.load,
                is_in_memory: started.is_in_memory,
                turn: tokio::sync::Mutex::new(()),
                status: Mutex::new(ReloadStatus {
                    loaded_at_ms,
                    watched: started.watched,
                    origins: started.origins,
                    ..ReloadStatus::default()
                }),
                series,
            }),
        }
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.shared.config.load_full()
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.shared.is_in_memory
    }

    pub(crate) fn status(&self) -> ReloadStatus {
        self.lock().clone()
    }

    /// Reads, checks and takes up the configuration, or leaves everything as it is. `trigger` is for the log.
    pub(crate) async fn reload(&self, engine: &Engine, trigger: &str) -> Result<ReloadStatus, ReloadError> {
        let _turn = self.shared.turn.lock().await;
        let handle = self.clone();
        let loaded = tokio::task::spawn_blocking(move || (handle.shared.load)())
            .await
            .map_err(|e| ReloadError::Refused {
                reason: e.to_string(),
            })?;
        // Also after a mistake: the file that holds it is the one to watch.
        self.lock().watched.clone_from(&loaded.watched);
        let origins = loaded.origins.clone().map(Arc::new);
        let result = self.take_up(engine, loaded).await;
        let now_ms = engine.now_ms();
        let mut status = self.lock();
        match &result {
            Ok(needs_restart) => {
                status.loaded_at_ms = now_ms;
                status.origins = origins;
                status.error = None;
                status.needs_restart.clone_from(needs_restart);
                tracing::info!("the configuration was reloaded ({trigger})");
                if !needs_restart.is_empty() {
                    tracing::warn!("counts only after a restart: {}", needs_restart.join(", "));
                }
            }
            Err(error) => {
                status.error = Some(error.full());
                status.failed_at_ms = now_ms;
                tracing::error!("{trigger}: {}", error.full());
            }
        }
        self.shared.series.set(result.is_ok(), status.loaded_at_ms);
        result.map(|_| status.clone())
    }

    async fn take_up(&self, engine: &Engine, loaded: Loaded) -> Result<Vec<&'static str>, ReloadError> {
        let report = config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok());
        let Some(mut config) = loaded.config else {
            return Err(ReloadError::Invalid { report });
        };
        let before = self.config();
        let needs_restart = config.keep_what_needs_a_restart(&before);
        if let Some(reason) = config.web.refusal() {
            return Err(ReloadError::Refused { reason });
        }
        if !report.is_empty() {
            tracing::warn!("{report}");
        }
        engine
            .reload(&config.engine_options(self.shared.is_in_memory))
            .await?;
        self.shared.config.store(Arc::new(config));
        Ok(needs_restart)
    }

    fn lock(&self) -> MutexGuard<'_, ReloadStatus> {
        self.shared.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
