//! The day before the start: what was measured, what the rules made of it, and who was told.
//!
//! 1. The world moves in steps; each step's scrapes are appended at their own time, oldest first.
//! 2. At every slot the real rules read what stands there so far; what they record is appended, what they find goes to
//!    the real dispatch, whose pages the stage would have taken (or, for one receiver, refused).
//! 3. Health looks as well, with the streaks of live looks; its changes of state are events of the past.
//! 4. The state of rules, dispatch and health is committed once, at the end: nobody reads it before.

use super::health::PastHealth;
use super::story::Story;
use super::world::World;
use crate::config::Config;
use lapwing::layout::{METRICS, STATE};
use lapwing_judge::rules::{QueryEvaluator, Rules, RulesState};
use lapwing_notify::channels::Sent;
use lapwing_notify::dispatch::{DispatchState, Dispatcher, Silence, SilenceMatcher};
use lapwing_notify::message::Notification;
use lapwing_query::QueryOptions;
use lapwing_store::metrics::{AppendError, MetricsStore, OpenError};
use lapwing_store::state::{SqliteState, StateError, StateStore};
use lapwing_types::StateBatch;
use std::path::Path;

/// Far back a point every half minute is enough; of the last two hours there are four a minute.
const STEP_FAR_MS: i64 = 30_000;
const STEP_NEAR_MS: i64 = 15_000;
const NEAR_MS: i64 = 2 * 3_600_000;
const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FillError {
    #[error("cannot open the store of metrics")]
    Open(#[from] OpenError),
    #[error("cannot append to the store of metrics")]
    Append(#[from] AppendError),
    #[error("cannot write the state database")]
    State(#[from] StateError),
}

/// What the history holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filled {
    pub(crate) samples: u64,
    pub(crate) pages: u64,
}

/// Fills an empty data directory up to the start of the story, and moves the world there.
pub(crate) fn fill(
    data: &Path,
    config: &Config,
    story: Story,
    world: &mut World,
) -> Result<Filled, FillError> {
    let options = config.engine_options(false).metrics;
    let begin_ms = story.begins_ms();
    std::fs::create_dir_all(data).map_err(|source| OpenError::Io {
        action: "making",
        path: data.to_owned(),
        source,
    })?;
    let store = MetricsStore::open(&data.join(METRICS), options, begin_ms)?;
    let mut judge = Judge::new(config, begin_ms);
    let mut health = PastHealth::new(&config.health);
    let mut filled = Filled::default();
    let mut t_ms = begin_ms;
    while t_ms < story.started_ms {
        world.advance(t_ms);
        let mut appender = store.appender("demo", t_ms);
        for batch in world.scraped() {
            filled.samples += batch.series.len() as u64;
            appender.append_batch(&batch);
        }
        let looks = health.look(&story.at(t_ms));
        filled.samples += looks.series.len() as u64;
        appender.append_batch(&looks);
        appender.commit()?;
        filled.pages += judge.slot(&store, t_ms)?;
        if t_ms <= story.started_ms - 2 * HOUR_MS && story.started_ms - 2 * HOUR_MS < t_ms + STEP_FAR_MS {
            judge.silence_legacy(t_ms);
        }
        let is_near = story.started_ms - t_ms <= NEAR_MS;
        t_ms += if is_near { STEP_NEAR_MS } else { STEP_FAR_MS };
    }
    store.close()?;
    judge.batch.merge(StateBatch {
        changes: health.take_changes(),
        ..StateBatch::default()
    });
    SqliteState::open(&data.join(STATE))?.commit(&judge.batch)?;
    Ok(filled)
}

/// Rules and dispatch of the past.
struct Judge {
    rules: Rules,
    state: RulesState,
    dispatch: Dispatcher,
    batch: StateBatch,
}

impl Judge {
    fn new(config: &Config, begin_ms: i64) -> Self {
        let paging = &config.alerting.paging;
        let (state, _) = DispatchState::load(|_| Vec::new());
        Judge {
            rules: Rules::new(paging.groups.clone(), paging.rules.clone()),
            state: RulesState::default(),
            dispatch: Dispatcher::new(paging.notify.clone(), state, begin_ms),
            batch: StateBatch::default(),
        }
    }

    /// One tick, and everything that leaves because of it. Returns how many pages that were.
    fn slot(&mut self, store: &MetricsStore, t_ms: i64) -> Result<u64, FillError> {
        let snapshot = store.snapshot();
        let options = QueryOptions {
            threads: 1,
            ..QueryOptions::default()
        };
        let tick = {
            let mut evaluator = QueryEvaluator::new(&snapshot, options, 1);
            self.rules.tick(t_ms, &mut evaluator, &mut self.state)
        };
        if !tick.samples.series.is_empty() {
            let mut appender = store.appender("rules", t_ms);
            appender.append_batch(&tick.samples);
            appender.commit()?;
        }
        self.batch.merge(StateBatch {
            changes: self.state.take_changes(),
            decisions: tick.decisions,
            ledger: Vec::new(),
        });
        self.dispatch.apply_events(&tick.events, t_ms);
        let due = self.dispatch.due(t_ms);
        let pages = due.len() as u64;
        for page in due {
            self.dispatch.outcome(&page.id, taken(&page), &[], t_ms + 40);
        }
        self.batch.merge(self.dispatch.take_batch());
        Ok(pages)
    }

    /// Somebody knows about the old exporter and wants quiet until tomorrow.
    fn silence_legacy(&mut self, t_ms: i64) {
        let matcher = |name: &str, value: &str| SilenceMatcher {
            name: name.to_owned(),
            value: value.to_owned(),
            is_regex: false,
            is_equal: true,
        };
        let silence = Silence {
            id: String::new(),
            starts_at_ms: t_ms,
            ends_at_ms: t_ms + 26 * HOUR_MS,
            updated_at_ms: t_ms,
            matchers: vec![matcher("alertname", "TargetDown"), matcher("job", "legacy")],
            created_by: "the demo".to_owned(),
            comment: "the old exporter is being taken out this week".to_owned(),
            annotations: Default::default(),
            until_resolved: false,
        };
        if let Err(error) = self.dispatch.set_silence(silence, t_ms) {
            tracing::warn!(%error, "the demo's silence was refused");
        }
        self.batch.merge(self.dispatch.take_batch());
    }
}

/// What the stage would have answered.
fn taken(page: &Notification) -> Sent {
    if page.receiver == super::stage::GONE_RECEIVER {
        Sent::Refused {
            reason: super::stage::GONE_REASON.to_owned(),
        }
    } else {
        Sent::Delivered {
            detail: "200 OK".to_owned(),
        }
    }
}
