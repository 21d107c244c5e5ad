//! When looks happen, and where their results go.
//!
//! One task waits for the next slot of `collect::schedule` and starts what is due; each look is a task of its own, so
//! that one which panics or hangs costs only itself. Twice a second everything that was found is written at once: rows
//! to the state store, samples to the metrics store; repairs are carried out only after that.
//!
//! Bounds: looks in flight, one look per check, repairs in flight.

use super::board::Board;
use super::event::HealthNote;
use super::pulse::{Pulse, discount};
use super::repair::Effect;
use super::slots::Slots;
use super::spec::{CheckKind, HealthOptions};
use super::{diagnosis, objectives, runner};
use crate::engine::Engine;
use crate::jobs::Jobs;
use crate::meter::{Counter, Latency, Meter};
use lapwing_collect::probe::{Look, probe};
use lapwing_judge::health::RecoveryEvent;
use lapwing_store::state::{StateError, StateStore};
use lapwing_types::{ProbeOutcome, ProbeReason, StateBatch, StateKind, Verdict, WriteBatch};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Derivation: 10 000 checks every 10 s, one in five of them so slow that it takes its whole 10 s.
const LOOKS_MAX: usize = 2048;
const REPAIRS_MAX: usize = 16;
/// The clock is looked at this often at least, so that a jump of it is noticed.
const SLEEP_MAX: Duration = Duration::from_millis(500);
const WRITE_PERIOD: Duration = Duration::from_millis(500);
const TICK_MS: i64 = 1000;
const TRAFFIC_PERIOD: Duration = Duration::from_secs(15);
const OBJECTIVES_PERIOD: Duration = Duration::from_secs(30);

/// A cheap handle.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    board: Mutex<Board>,
    state: Arc<dyn StateStore>,
    looks: Arc<Semaphore>,
    repairs: Arc<Semaphore>,
    /// One at a time: a storm of changes is not made worse by asking about all of them at once.
    diagnosing: Arc<Semaphore>,
    diagnosed: Counter,
    undiagnosed: Counter,
    done: Counter,
    late: Latency,
    pulse: Pulse,
    discounted: Counter,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read the state of health")]
pub struct HealthError(#[from] StateError);

impl Health {
    pub(crate) fn new(
        options: &Arc<HealthOptions>,
        state: Arc<dyn StateStore>,
        meter: &Meter,
        now_ms: i64,
    ) -> Result<Self, HealthError> {
        let (board, wrong) = Board::new(options.clone(), state.load(StateKind::Health)?, now_ms);
        for error in wrong {
            tracing::error!(%error, "a row of health was passed over");
        }
        let diagnoses = |outcome: &str| {
            let help =
                "Changes of a state whose diagnosis was gathered, or left out because too many came at once.";
            meter.counter("lapwing_health_diagnoses_total", help, &[("outcome", outcome)])
        };
        Ok(Health {
            shared: Arc::new(Shared {
                board: Mutex::new(board),
                state,
                looks: Arc::new(Semaphore::new(LOOKS_MAX)),
                repairs: Arc::new(Semaphore::new(REPAIRS_MAX)),
                diagnosing: Arc::new(Semaphore::new(1)),
                diagnosed: diagnoses("gathered"),
                undiagnosed: diagnoses("left_out"),
                done: meter.counter(
                    "lapwing_probes_total",
                    "Looks at checks that came to an end.",
                    &[],
                ),
                late: meter.latency(
                    "lapwing_probe_lateness_seconds",
                    "How long after its slot a look began.",
                    &[],
                ),
                pulse: Pulse::new(meter.latency(
                    "lapwing_beat_lateness_seconds",
                    "How late a timer that beats 20 times a second came: time in which Lapwing did not get to run.",
                    &[],
                )),
                discounted: meter.counter(
                    "lapwing_probes_discounted_total",
                    "Looks that ran out of time while Lapwing itself did not get to run; their targets are not blamed.",
                    &[],
                ),
            }),
        })
    }

    /// What is watched now; a reload exchanges it.
    pub fn options(&self) -> Arc<HealthOptions> {
        self.change(|board| board.options.clone())
    }

    /// Other models and checks take the place of those in force; see `exchange` for what is kept.
    pub(crate) fn reload(&self, options: &Arc<HealthOptions>, now_ms: i64) {
        self.change(|board| board.configure(options.clone(), now_ms));
    }

    /// Somebody reports, and it is written down before this returns; false when no check-in has that name. Blocks on
    /// the disk.
    pub fn check_in(&self, name: &str, ok: bool, detail: &str, now_ms: i64) -> Result<bool, StateError> {
        let (known, changes) = self.change(|board| {
            let known = board.check_in(name, (ok, detail), now_ms).is_some();
            (known, board.take_changes())
        });
        let rows = StateBatch {
            changes,
            ..StateBatch::default()
        };
        self.shared.state.commit_or_owe(rows)?;
        Ok(known)
    }

    /// `target` is `check/NAME` or `model/NAME`. `None` when there is no such repair.
    pub fn approve(&self, target: &str, action: &str, by: &str, now_ms: i64) -> Option<Vec<RecoveryEvent>> {
        self.change(|board| board.approve(target, action, by, now_ms))
    }

    /// What would follow now, without doing it.
    pub fn rehearse(&self, target: &str, action: &str, now_ms: i64) -> Option<Vec<RecoveryEvent>> {
        self.change(|board| board.rehearse(target, action, now_ms))
    }

    pub fn add_note(&self, note: HealthNote) {
        self.change(|board| board.record_note(note));
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Board) -> T) -> T {
        change(&mut self.board())
    }

    pub(super) fn state(&self) -> &dyn StateStore {
        &*self.shared.state
    }

    /// Writes down what changed before this returns. Blocks on the disk.
    pub(super) fn commit(&self) -> Result<(), StateError> {
        let changes = self.change(|board| board.take_changes());
        self.shared.state.commit_or_owe(StateBatch {
            changes,
            ..StateBatch::default()
        })
    }

    fn lost_ns(&self) -> u64 {
        self.shared.pulse.lost_ns(crate::clock::process_nanos())
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.shared.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The check's place is that of `options`, which may be exchanged before the look ends.
    async fn look(self, (options, i): (Arc<HealthOptions>, usize), slot_ms: i64, engine: Engine) {
        let Ok(_slot) = self.shared.looks.clone().acquire_owned().await else {
            return;
        };
        let spec = &options.checks[i];
        let now_ms = engine.now_ms();
        self.shared
            .late
            .observe_s((now_ms - slot_ms).max(0) as f64 / 1000.0);
        match &spec.what {
            CheckKind::CheckIn { deadline_ms } => {
                self.change(|board| {
                    if let Some(i) = board.now_at(&options, i) {
                        board.look_at_check_in(i, *deadline_ms, now_ms);
                    }
                });
            }
            CheckKind::Probe(what) => {
                let mut look = Look::new(
                    spec.base.clone(),
                    spec.timeout_ms,
                    now_ms,
                    crate::clock::process_nanos,
                );
                look.degraded_above_ms = spec.degraded_above_ms;
                let lost_ns = self.lost_ns();
                let what = what.clone();
                // On a task of its own: a probe that panicked is a finding, not the end of the check.
                let looked = tokio::spawn(async move { probe(&what, &look).await }).await;
                let mut outcome = looked.unwrap_or_else(|error| {
                    let detail = format!("the probe broke: {error}");
                    ProbeOutcome::fault(Verdict::Unjudged, ProbeReason::Internal, detail)
                });
                let lost_ns = self.lost_ns().saturating_sub(lost_ns);
                if discount(&mut outcome, lost_ns as f64 / 1e9) {
                    self.shared.discounted.inc();
                }
                self.change(|board| {
                    if let Some(i) = board.now_at(&options, i) {
                        board.finish(i, outcome, slot_ms);
                    }
                });
            }
        }
        self.shared.done.inc();
    }

    /// Rows first, then samples, then what is to be done. False when the rows could not be kept.
    fn write(&self, engine: &Engine, now_ms: i64) -> Vec<Effect> {
        let (batch, rows, effects, lost) = self.change(|board| {
            let rows = StateBatch {
                changes: board.take_changes(),
                decisions: std::mem::take(&mut board.decisions),
                ledger: Vec::new(),
            };
            (
                std::mem::take(&mut board.batch),
                rows,
                std::mem::take(&mut board.effects),
                std::mem::take(&mut board.undiagnosed_lost),
            )
        });
        if lost > 0 {
            self.shared.undiagnosed.add(lost);
            tracing::warn!(
                lost,
                "too many changes of state at once: the diagnoses of the least of them are left out"
            );
        }
        // In this order: what a query shows outlives a crash.
        let kept = self.shared.state.commit_or_owe(rows);
        append(engine, &batch, now_ms);
        match kept {
            Ok(()) => effects,
            Err(error) => {
                tracing::error!(%error, "health could not be written; nothing is repaired on the strength of it");
                let now_ms = engine.now_ms();
                for effect in &effects {
                    let said = Err("it could not be written down first".to_owned());
                    self.change(|board| board.repaired(effect, &said, now_ms));
                }
                Vec::new()
            }
        }
    }

    /// Begins to gather what is missing, unless that is under way.
    fn diagnose(&self, engine: &Engine) {
        let is_waited_for = self.change(|board| !board.undiagnosed.is_empty());
        let free = self.shared.diagnosing.clone().try_acquire_owned();
        if let (true, Ok(alone)) = (is_waited_for, free) {
            let (health, engine) = (self.clone(), engine.clone());
            tokio::spawn(async move {
                diagnosis::gather_all(&engine, &health).await;
                drop(alone);
            });
        }
    }

    pub(super) fn count_diagnosed(&self) {
        self.shared.diagnosed.inc();
    }

    async fn repair(self, effect: Effect, engine: Engine) {
        let Ok(_slot) = self.shared.repairs.clone().acquire_owned().await else {
            return;
        };
        let limit = Duration::from_millis(effect.timeout_ms.max(1).unsigned_abs());
        let places = runner::Places::of_this_machine();
        let times = (effect.timeout_ms, engine.now_ms());
        let acting = runner::carry_out(&effect.action, &places, times);
        let result = match tokio::time::timeout(limit, acting).await {
            Ok(result) => result,
            Err(_) => Err(format!("it was not done within {} ms", effect.timeout_ms)),
        };
        self.change(|board| board.repaired(&effect, &result, engine.now_ms()));
    }
}

fn append(engine: &Engine, batch: &WriteBatch, now_ms: i64) {
    if batch.series.is_empty() {
        return;
    }
    let mut appender = engine.store().appender(super::series::JOB, now_ms);
    appender.append_batch(batch);
    match appender.commit() {
        Ok(outcome) => {
            if let Some(first) = outcome.refused.first() {
                let refused = outcome.refused_count;
                tracing::warn!(
                    refused,
                    "samples of health were refused, the first: {}: {}",
                    first.labels,
                    first.reason
                );
            }
        }
        Err(error) => tracing::error!(%error, "samples of health could not be kept"),
    }
}

pub(crate) fn start(jobs: &mut Jobs, engine: &Engine) {
    let health = engine.health().clone();
    start_writing(jobs, engine, &health);
    let of_traffic = (engine.clone(), health.clone());
    jobs.every("health_traffic", TRAFFIC_PERIOD, move || {
        let (engine, health) = of_traffic.clone();
        async move { objectives::look_at_traffic(&engine, &health).await }
    });
    let of_objectives = (engine.clone(), health);
    jobs.every("health_objectives", OBJECTIVES_PERIOD, move || {
        let (engine, health) = of_objectives.clone();
        async move { objectives::look_at_objectives(&engine, &health).await }
    });
}

fn start_writing(jobs: &mut Jobs, engine: &Engine, health: &Health) {
    let (engine, health) = (engine.clone(), health.clone());
    let mut ticked_ms = 0;
    jobs.every("health", WRITE_PERIOD, move || {
        let (engine, health) = (engine.clone(), health.clone());
        let now_ms = engine.now_ms();
        let is_tick = (now_ms - ticked_ms).abs() >= TICK_MS;
        if is_tick {
            ticked_ms = now_ms;
        }
        async move {
            if health.change(|board| board.is_idle()) {
                return;
            }
            if is_tick {
                health.change(|board| board.tick(now_ms));
            }
            health.diagnose(&engine);
            let (writer, store) = (health.clone(), engine.clone());
            match engine.compute_ingest(move || writer.write(&store, now_ms)).await {
                Ok(effects) => {
                    for effect in effects {
                        tokio::spawn(health.clone().repair(effect, engine.clone()));
                    }
                }
                Err(error) => tracing::error!(%error, "writing health was cut off"),
            }
        }
    });
}

/// The slots of all checks follow from their names, so a restart or a reload changes nobody's.
pub(crate) fn start_probes(jobs: &mut Jobs, engine: &Engine) {
    let (health, engine) = (engine.health().clone(), engine.clone());
    let beating = health.clone();
    jobs.spawn("probes", move |stopped| async move {
        run(&health, &engine, stopped).await;
    });
    jobs.spawn("pulse", move |mut stopped| async move {
        tokio::select! {
            () = beating.shared.pulse.run() => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
}

async fn run(health: &Health, engine: &Engine, mut stopped: watch::Receiver<bool>) {
    let mut slots = Slots::default();
    let mut last_ms = i64::MIN;
    loop {
        let now_ms = engine.now_ms();
        let options = health.options();
        if !Arc::ptr_eq(&options, &slots.options) {
            slots.follow(options, now_ms);
            health.shared.pulse.want(!slots.options.checks.is_empty());
        }
        if now_ms < last_ms {
            slots.rewind(now_ms);
        }
        last_ms = now_ms;
        let mut due = slots.due(now_ms);
        if !due.is_empty() {
            health.change(|board| {
                due.retain(|turn| {
                    board
                        .now_at(&slots.options, turn.i)
                        .is_some_and(|i| board.is_wanted(i, turn.is_first) && board.begin(i))
                });
            });
        }
        for turn in due {
            let place = (slots.options.clone(), turn.i);
            tokio::spawn(health.clone().look(place, turn.slot_ms, engine.clone()));
        }
        let next_ms = slots.next_ms().unwrap_or(now_ms + 1000);
        let sleep = Duration::from_millis((next_ms - engine.now_ms()).max(0).unsigned_abs()).min(SLEEP_MAX);
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            _ = stopped.wait_for(|stop| *stop) => break,
        }
    }
}
