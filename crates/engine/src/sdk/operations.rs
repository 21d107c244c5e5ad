//! Operations: what was begun, what has ended, and the rate, errors and durations of all.
//!
//! Two ways in. [`OperationHandle`] is bound once and only counts: two counters and a histogram, under the names that rules
//! read (`lapwing_operations_total`, `lapwing_operation_duration_seconds`). [`Tracker::start`] and [`Tracker::end`] keep
//! the operation as well: id, parent, metadata, error, resources before and after; the newest are kept for reports.
//!
//! Bounds: operations that have ended are kept up to a number, the oldest goes first; operations that were begun and never
//! ended are given up from a number on, the oldest first, and count with the outcome `abandoned`.

use super::bounds::bound;
use super::cells::{Counter, Histogram, Recorded};
use super::registry::{Family, Metric, MetricSpec, Registry};
use super::resources::process_resources;
use super::track::Abandoned;
use crate::clock::{Clock, Stopwatch};
use lapwing_judge::performance::{Operation, OperationKind, ResourceSnapshot, ResourceUse};
use lapwing_types::{Labels, MetricKind};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As many as the tracker of seed 3 kept.
const ENDED_MAX: usize = 10_000;
/// Begun and not ended: more than any program does at once.
const OPEN_MAX: usize = 100_000;

type Metadata = BTreeMap<String, serde_json::Value>;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrackerError {
    #[error(
        "no operation {id:?} is running: it was never started, has ended already, or was given up because too many were open"
    )]
    NotRunning { id: String },
    #[error("a duration of {seconds} s is not a duration: it must be finite and not negative")]
    Duration { seconds: String },
    #[error("an operation needs a name")]
    NoName,
}

/// What begins.
#[derive(Clone, Debug)]
pub struct OperationStart {
    pub kind: OperationKind,
    pub name: String,
    pub parent: Option<String>,
    /// A `model` in here becomes a label.
    pub metadata: Metadata,
    /// Whether to read what this process uses, before and after.
    pub resources: bool,
}

/// How it ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    pub success: bool,
    pub error: Option<String>,
    pub metadata: Metadata,
}

#[derive(Debug)]
struct Open {
    start: OperationStart,
    started_ms: i64,
    watch: Stopwatch,
    before: Option<ResourceSnapshot>,
}

/// Bound to one name and one set of labels. A cheap handle.
#[derive(Clone, Debug)]
pub struct OperationHandle {
    success: Counter,
    error: Counter,
    duration: Histogram,
    pub(super) abandoned: Abandoned,
}

impl OperationHandle {
    pub fn record(&self, duration_s: f64, success: bool) -> Recorded {
        let recorded = self.duration.observe(duration_s);
        if recorded == Recorded::Yes {
            if success { &self.success } else { &self.error }.inc();
        }
        recorded
    }

    /// It will not end; see [`Tracker::abandon`].
    pub fn abandon(&self) {
        self.abandoned.count();
    }
}

/// A cheap handle.
#[derive(Clone, Debug)]
pub struct Tracker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    total: Option<Family>,
    duration: Option<Family>,
    sequence: AtomicU64,
    open: Mutex<BTreeMap<u64, (String, Open)>>,
    ended: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    newest: VecDeque<Operation>,
    /// How many ended in all, and up to which of these a shipper has taken them.
    total: u64,
    taken: u64,
}

impl Ring {
    fn after(&self, seen: u64) -> Vec<Operation> {
        let fresh = usize::try_from(self.total.saturating_sub(seen)).unwrap_or(usize::MAX);
        let skip = self.newest.len().saturating_sub(fresh);
        self.newest.iter().skip(skip).cloned().collect()
    }
}

impl Tracker {
    pub(super) fn new(registry: &Registry, clock: Clock) -> Self {
        let spec = |name: &str, kind, help: &str| MetricSpec {
            name: name.to_owned(),
            kind,
            help: help.to_owned(),
            ..MetricSpec::default()
        };
        let total = spec(
            "lapwing_operations_total",
            MetricKind::Counter,
            "Operations that ended, by outcome.",
        );
        let duration = spec(
            "lapwing_operation_duration_seconds",
            MetricKind::Histogram,
            "How long operations took.",
        );
        Tracker {
            shared: Arc::new(Shared {
                clock,
                // The names are right, and a new registry has no other: neither fails.
                total: registry.loose(total).ok(),
                duration: registry.loose(duration).ok(),
                sequence: AtomicU64::new(0),
                open: Mutex::default(),
                ended: Mutex::default(),
            }),
        }
    }

    /// A handle that counts; labels beyond `operation` and `type` as they are, empty ones left out.
    pub fn handle(&self, kind: &OperationKind, name: &str, labels: &[(&str, &str)]) -> OperationHandle {
        let base: Vec<(&str, &str)> = [("operation", name), ("type", kind.as_str())]
            .into_iter()
            .chain(
                labels
                    .iter()
                    .copied()
                    .filter(|(n, _)| !["operation", "type", "outcome", "le"].contains(n)),
            )
            .collect();
        let count = |outcome| {
            let labels = base.iter().copied().chain([("outcome", outcome)]);
            match self.shared.total.as_ref().map(|f| f.with_pairs(labels)) {
                Some(Metric::Counter(counter)) => counter,
                _ => Counter::default(),
            }
        };
        let duration = self
            .shared
            .duration
            .as_ref()
            .map(|f| f.with_pairs(base.iter().copied()));
        OperationHandle {
            success: count("success"),
            error: count("error"),
            duration: match duration {
                Some(Metric::Histogram(histogram)) => histogram,
                _ => Histogram::new(Arc::from(super::registry::LATENCY_BOUNDS)),
            },
            abandoned: Abandoned {
                family: self.shared.total.clone(),
                labels: Labels::from_pairs(base.iter().copied().filter(|(_, v)| !v.is_empty()))
                    .unwrap_or_default(),
            },
        }
    }

    /// The id is unique in this process: two operations of one millisecond differ, which they did not in seed 3.
    pub fn start(&self, start: OperationStart) -> Result<String, TrackerError> {
        if start.name.is_empty() {
            return Err(TrackerError::NoName);
        }
        let started_ms = self.shared.clock.now_ms();
        let sequence = self.shared.sequence.fetch_add(1, Ordering::Relaxed);
        let id = id_of(&start.kind, &start.name, started_ms, sequence);
        let before = start.resources.then(|| process_resources(started_ms));
        let open = Open {
            started_ms,
            watch: Stopwatch::start(),
            before,
            start,
        };
        let mut all = self.lock_open();
        let given_up = if all.len() >= OPEN_MAX {
            all.pop_first()
        } else {
            None
        };
        all.insert(sequence, (id.clone(), open));
        drop(all);
        if let Some((_, (_, open))) = given_up {
            self.count_abandoned(&open);
        }
        Ok(id)
    }

    pub fn end(&self, id: &str, ended: Ended) -> Result<Operation, TrackerError> {
        let not_running = || TrackerError::NotRunning { id: id.to_owned() };
        let sequence = id
            .rsplit('_')
            .next()
            .and_then(|s| s.parse().ok())
            .ok_or_else(not_running)?;
        let open = {
            let mut all = self.lock_open();
            if all.get(&sequence).is_none_or(|(known, _)| known != id) {
                return Err(not_running());
            }
            all.remove(&sequence).ok_or_else(not_running)?.1
        };
        let now_ms = self.shared.clock.now_ms();
        // A hand-turned clock turns durations as well.
        let duration_s = if self.shared.clock.is_simulated() {
            (now_ms - open.started_ms) as f64 / 1000.0
        } else {
            open.watch.elapsed_s()
        };
        let after = open.start.resources.then(|| process_resources(now_ms));
        let mut metadata = open.start.metadata;
        metadata.extend(ended.metadata);
        let mut operation = Operation {
            id: id.to_owned(),
            kind: open.start.kind,
            name: open.start.name,
            parent: open.start.parent,
            started_ms: open.started_ms,
            duration_s,
            success: ended.success,
            error: ended.error,
            resources: open
                .before
                .zip(after)
                .map(|(before, after)| used(&before, &after)),
            metadata,
        };
        bound(&mut operation);
        self.record(operation.clone())?;
        Ok(operation)
    }

    /// It will not end: whoever waited for it had enough. Counts as `abandoned`, which is no failure; whether it was running.
    pub fn abandon(&self, id: &str) -> bool {
        let Some(sequence) = id.rsplit('_').next().and_then(|s| s.parse::<u64>().ok()) else {
            return false;
        };
        let mut all = self.lock_open();
        if all.get(&sequence).is_none_or(|(known, _)| known != id) {
            return false;
        }
        let given_up = all.remove(&sequence);
        drop(all);
        if let Some((_, open)) = given_up {
            self.count_abandoned(&open);
        }
        true
    }

    /// An id for an operation that somebody else times.
    #[cfg(feature = "tracing-layer")]
    pub(super) fn fresh_id(&self, kind: &OperationKind, name: &str, started_ms: i64) -> String {
        let sequence = self.shared.sequence.fetch_add(1, Ordering::Relaxed);
        id_of(kind, name, started_ms, sequence)
    }

    #[cfg(feature = "tracing-layer")]
    pub(super) fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    /// An operation that somebody else timed.
    pub fn record(&self, operation: Operation) -> Result<(), TrackerError> {
        if !operation.duration_s.is_finite() || operation.duration_s < 0.0 {
            return Err(TrackerError::Duration {
                seconds: operation.duration_s.to_string(),
            });
        }
        let model = operation
            .metadata
            .get("model")
            .and_then(serde_json::Value::as_str);
        let handle = self.handle(
            &operation.kind,
            &operation.name,
            &[("model", model.unwrap_or(""))],
        );
        handle.record(operation.duration_s, operation.success);
        self.keep(operation);
        Ok(())
    }

    /// Keeps it for reports, without counting it. What is too large in it is cut.
    pub fn keep(&self, mut operation: Operation) {
        bound(&mut operation);
        let mut ended = self.lock_ended();
        if ended.newest.len() == ENDED_MAX {
            ended.newest.pop_front();
        }
        ended.newest.push_back(operation);
        ended.total += 1;
    }

    /// Those that ended at or after `since_ms`, the oldest first.
    pub fn since(&self, since_ms: i64) -> Vec<Operation> {
        let ended = self.lock_ended();
        ended
            .newest
            .iter()
            .filter(|o| o.ended_ms() >= since_ms)
            .cloned()
            .collect()
    }

    /// Those that no shipper has taken yet; what was pushed out meanwhile is gone.
    pub(crate) fn take_fresh(&self) -> Vec<Operation> {
        let mut ended = self.lock_ended();
        let fresh = ended.after(ended.taken);
        ended.taken = ended.total;
        fresh
    }

    /// Those that ended since there were `seen` in all, and how many there are now.
    pub(crate) fn after(&self, seen: u64) -> (Vec<Operation>, u64) {
        let ended = self.lock_ended();
        (ended.after(seen), ended.total)
    }

    /// What an earlier process kept, before everything that ended in this one: nobody ships it again. How many of all are such.
    pub(crate) fn restore(&self, earlier: Vec<Operation>) -> u64 {
        let mut ended = self.lock_ended();
        let room = ENDED_MAX.saturating_sub(ended.newest.len());
        let count = earlier.len().min(room);
        for operation in earlier.into_iter().rev().take(count) {
            ended.newest.push_front(operation);
        }
        ended.total += count as u64;
        ended.taken += count as u64;
        count as u64
    }

    pub fn running(&self) -> usize {
        self.lock_open().len()
    }

    pub(super) fn forget(&self) {
        self.lock_open().clear();
        *self.lock_ended() = Ring::default();
    }

    fn count_abandoned(&self, open: &Open) {
        let labels = [
            ("operation", open.start.name.as_str()),
            ("type", open.start.kind.as_str()),
            ("outcome", "abandoned"),
        ];
        if let Some(Metric::Counter(counter)) = self.shared.total.as_ref().map(|f| f.with_pairs(labels)) {
            counter.inc();
        }
    }

    fn lock_open(&self) -> MutexGuard<'_, BTreeMap<u64, (String, Open)>> {
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_ended(&self) -> MutexGuard<'_, Ring> {
        self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id_of(kind: &OperationKind, name: &str, started_ms: i64, sequence: u64) -> String {
    format!("{}_{name}_{started_ms}_{sequence}", kind.as_str())
}

fn used(before: &ResourceSnapshot, after: &ResourceSnapshot) -> ResourceUse {
    let difference =
        |pick: fn(&ResourceSnapshot) -> Option<f64>| pick(after).zip(pick(before)).map(|(a, b)| a - b);
    ResourceUse {
        cpu_s: difference(|r| r.process_cpu_s),
        memory_before_bytes: before.process_memory_bytes,
        memory_after_bytes: after.process_memory_bytes,
        read_bytes: difference(|r| r.disk_read_bytes),
        written_bytes: difference(|r| r.disk_written_bytes),
        gpu_memory_before_bytes: gpu_memory(before),
        gpu_memory_after_bytes: gpu_memory(after),
    }
}

/// Of all GPUs that the process sees, whoever uses it; absent where there are none.
fn gpu_memory(snapshot: &ResourceSnapshot) -> Option<f64> {
    let used = snapshot.gpus.iter().map(|g| g.memory_used_bytes);
    used.fold(None, |sum, used| match (sum, used) {
        (Some(sum), Some(used)) => Some(sum + used),
        (sum, used) => sum.or(used),
    })
}

#[cfg(test)]
mod tests {
    use super::super::page::Sdk;
    use super::*;
    use std::time::Duration;

    fn start(name: &str) -> OperationStart {
        OperationStart {
            kind: OperationKind::Download,
            name: name.to_owned(),
            parent: None,
            metadata: [("model".to_owned(), "chat".into())].into(),
            resources: true,
        }
    }

    fn good() -> Ended {
        Ended {
            success: true,
            ..Ended::default()
        }
    }

    #[test]
    fn an_operation_is_kept_and_counted_under_the_names_that_rules_read() {
        let clock = Clock::simulated(1_000);
        let sdk = Sdk::new(clock.clone());
        let id = sdk.tracker().start(start("fetch")).unwrap();
        clock.advance(Duration::from_millis(1500));
        let done = sdk.tracker().end(&id, good()).unwrap();
        assert_eq!((done.duration_s, done.started_ms), (1.5, 1_000));
        assert!(done.resources.is_some());
        let page = sdk.exposition();
        let line = r#"lapwing_operations_total{model="chat",operation="fetch",outcome="success",type="download_operation"} 1"#;
        assert!(page.contains(line), "{page}");
        assert!(
            page.contains("lapwing_operation_duration_seconds_bucket{model=\"chat\",operation=\"fetch\"")
        );
    }

    /// Seed 3 named operations by the millisecond, so two at once were one.
    #[test]
    fn operations_of_one_millisecond_differ() {
        let sdk = Sdk::new(Clock::simulated(1_000));
        let ids: std::collections::BTreeSet<String> = (0..100)
            .map(|_| sdk.tracker().start(start("fetch")).unwrap())
            .collect();
        assert_eq!(ids.len(), 100);
        assert_eq!(sdk.tracker().running(), 100);
    }

    #[test]
    fn what_nobody_waits_for_is_no_failure() {
        let sdk = Sdk::new(Clock::simulated(1_000));
        let id = sdk.tracker().start(start("fetch")).unwrap();
        assert!(sdk.tracker().abandon(&id));
        assert!(!sdk.tracker().abandon(&id) && !sdk.tracker().abandon("never"));
        assert_eq!((sdk.tracker().running(), sdk.tracker().since(0).len()), (0, 0));
        let page = sdk.exposition();
        assert!(
            page.contains(r#"outcome="abandoned",type="download_operation"} 1"#),
            "{page}"
        );
    }

    #[test]
    fn mistakes_are_told() {
        let sdk = Sdk::new(Clock::simulated(1_000));
        let tracker = sdk.tracker();
        assert!(tracker.end("never", good()).is_err());
        let id = tracker.start(start("fetch")).unwrap();
        assert!(tracker.end(&id, good()).is_ok());
        assert_eq!(tracker.end(&id, good()), Err(TrackerError::NotRunning { id }));
        assert_eq!(tracker.start(start("")), Err(TrackerError::NoName));
        let mut wrong = tracker.since(0).remove(0);
        wrong.duration_s = f64::NAN;
        assert!(tracker.record(wrong).is_err());
    }

    #[test]
    fn memory_of_all_gpus_is_what_an_operation_found_and_left() {
        let gpu = |used| lapwing_judge::performance::GpuUse {
            memory_used_bytes: used,
            ..Default::default()
        };
        let before = ResourceSnapshot {
            gpus: vec![gpu(Some(1e9)), gpu(None), gpu(Some(2e9))],
            ..ResourceSnapshot::default()
        };
        let found = used(&before, &ResourceSnapshot::default());
        assert_eq!(found.gpu_memory_before_bytes, Some(3e9));
        assert_eq!(found.gpu_memory_after_bytes, None);
    }

    #[test]
    fn what_has_ended_is_bounded_and_a_shipper_sees_each_once() {
        let sdk = Sdk::new(Clock::simulated(1_000));
        let id = sdk.tracker().start(start("fetch")).unwrap();
        let one = sdk.tracker().end(&id, good()).unwrap();
        assert_eq!(sdk.tracker().take_fresh().len(), 1);
        assert_eq!(sdk.tracker().take_fresh().len(), 0);
        (0..ENDED_MAX + 5).for_each(|_| sdk.tracker().keep(one.clone()));
        assert_eq!(sdk.tracker().since(0).len(), ENDED_MAX);
        assert_eq!(sdk.tracker().take_fresh().len(), ENDED_MAX);
    }
}
