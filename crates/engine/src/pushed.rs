//! What batch jobs pushed and left: the Pushgateway's groups, kept until they are deleted or their time is over.
//!
//! A push is in the state database before it is acknowledged. As long as a group stands, its series get a sample at
//! every turn, as if the gateway were scraped; when it goes, its series end with a staleness marker, so that a job that
//! is gone does not look healthy for ever. Bounds: [`GROUPS_MAX`], [`SERIES_MAX`].

use crate::meter::{Gauge, Meter};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lapwing_store::metrics::{AppendError, AppendOutcome, Appender, MetricsStore};
use lapwing_store::state::{StateError, StateStore};
use lapwing_types::{
    Histogram, Labels, METRIC_NAME, Metadata, Sample, SeriesWrite, StateBatch, StateChange, StateKind,
    WriteBatch, stale_nan,
};
use lapwing_wire::remote_write::{encode_v1, v1};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A group is a batch job, or an instance of one; who has more of them should be scraped.
const GROUPS_MAX: usize = 10_000;
/// Each gets a sample at every turn: 500 000 every 15 s are a third of what one core takes in.
const SERIES_MAX: usize = 500_000;

/// Series that every group has by itself.
const OWN_NAMES: [&str; 2] = ["push_time_seconds", "push_failure_time_seconds"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushMode {
    /// PUT: the group is what the body says.
    Replace,
    /// POST: metrics of the same name are replaced, others stay.
    Merge,
}

/// One push, decoded.
#[derive(Clone, Debug)]
pub struct Push {
    pub group: Labels,
    pub batch: WriteBatch,
    pub mode: PushMode,
    /// How long the group stands after this push; `None` as configured.
    pub ttl_ms: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("{max} groups are kept already; delete some, or have these jobs scraped")]
    TooManyGroups { max: usize },
    #[error("pushed groups may not have more than {max} series together")]
    TooManySeries { max: usize },
    #[error("the push could not be written down")]
    State(#[from] StateError),
    #[error("the push could not be kept")]
    Store(#[from] AppendError),
}

/// A group as the API shows it.
#[derive(Clone, Debug)]
pub struct PushedGroup {
    pub labels: Labels,
    pub families: BTreeMap<String, (Metadata, Vec<SeriesWrite>)>,
    pub pushed_ms: i64,
    /// When a push to it last failed; zero for never.
    pub failed_ms: i64,
    pub ttl_ms: Option<i64>,
}

/// A row of the state database.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    labels: BTreeMap<String, String>,
    /// Remote write in base64: the one format that holds every kind of series.
    body: String,
    pushed_ms: i64,
    #[serde(default)]
    failed_ms: i64,
    #[serde(default)]
    ttl_ms: Option<i64>,
}

/// All pushed groups.
pub struct Pushed {
    state: Arc<dyn StateStore>,
    inner: Mutex<Inner>,
    groups_gauge: Gauge,
}

struct Inner {
    groups: BTreeMap<Labels, PushedGroup>,
    default_ttl_ms: Option<i64>,
}

impl Pushed {
    pub(crate) fn load(
        state: Arc<dyn StateStore>,
        default_ttl_ms: Option<i64>,
        meter: &Meter,
    ) -> Result<Self, StateError> {
        let mut groups = BTreeMap::new();
        for (key, json) in state.load(StateKind::Pushed)? {
            match group_of(&json) {
                Some(group) => {
                    groups.insert(group.labels.clone(), group);
                }
                None => tracing::error!(key, "a pushed group could not be read and was passed over"),
            }
        }
        let groups_gauge = meter.gauge(
            "lapwing_pushed_groups",
            "Groups pushed by batch jobs and kept.",
            &[],
        );
        groups_gauge.set(groups.len() as f64);
        Ok(Pushed {
            state,
            inner: Mutex::new(Inner {
                groups,
                default_ttl_ms,
            }),
            groups_gauge,
        })
    }

    pub(crate) fn set_default_ttl(&self, ttl_ms: Option<i64>) {
        self.lock().default_ttl_ms = ttl_ms;
    }

    /// Written down, then visible. Series that the store refuses are in the outcome and not in the group; where that is all of
    /// them, the group stays as it was.
    pub fn push(
        &self,
        store: &MetricsStore,
        mut push: Push,
        now_ms: i64,
    ) -> Result<AppendOutcome, PushError> {
        let mut inner = self.lock();
        let is_known = inner.groups.contains_key(&push.group);
        if !is_known && inner.groups.len() >= GROUPS_MAX {
            return Err(PushError::TooManyGroups { max: GROUPS_MAX });
        }
        // When a push was is not for the push to say: the group's own series stand in the place of these.
        let series = &mut push.batch.series;
        series.retain(|s| !OWN_NAMES.contains(&s.labels.metric_name().unwrap_or("")));
        let pushed_count = series.len();
        let mut appender = store.appender("pushgateway", now_ms);
        series.retain(|s| is_taken(&mut appender, s));
        if pushed_count > 0 && series.is_empty() {
            if let Some(group) = inner.groups.get_mut(&push.group) {
                group.failed_ms = now_ms;
            }
            return Ok(appender.commit()?);
        }
        let before = inner.groups.get(&push.group);
        let mut group = PushedGroup {
            labels: push.group.clone(),
            families: match (push.mode, before) {
                (PushMode::Merge, Some(before)) => before.families.clone(),
                _ => BTreeMap::new(),
            },
            pushed_ms: now_ms,
            failed_ms: before.map_or(0, |b| b.failed_ms),
            ttl_ms: push.ttl_ms,
        };
        group.families.extend(families_of(push.batch));
        let others: usize = inner
            .groups
            .values()
            .filter(|g| g.labels != push.group)
            .map(PushedGroup::series_count)
            .sum();
        if others + group.series_count() > SERIES_MAX {
            return Err(PushError::TooManySeries { max: SERIES_MAX });
        }
        self.write_down(&push.group, Some(&group))?;
        let mut ended = before.map(|b| b.series_gone_in(&group)).unwrap_or_default();
        let mut batch = group.at(now_ms);
        batch.series.append(&mut ended_at(&mut ended, now_ms));
        inner.groups.insert(push.group, group);
        self.groups_gauge.set(inner.groups.len() as f64);
        drop(inner);
        appender.append_batch(&batch);
        Ok(appender.commit()?)
    }

    /// Notes that a push to this group was refused, as the gateway does.
    pub fn note_failure(&self, labels: &Labels, now_ms: i64) {
        let mut inner = self.lock();
        if let Some(group) = inner.groups.get_mut(labels) {
            group.failed_ms = now_ms;
        }
    }

    /// True when there was such a group.
    pub fn delete(&self, store: &MetricsStore, labels: &Labels, now_ms: i64) -> Result<bool, PushError> {
        let mut inner = self.lock();
        let Some(group) = inner.groups.get(labels) else {
            return Ok(false);
        };
        self.write_down(labels, None)?;
        let mut batch = group.at(now_ms);
        batch.series = ended_at(&mut batch.series, now_ms);
        inner.groups.remove(labels);
        self.groups_gauge.set(inner.groups.len() as f64);
        drop(inner);
        append(store, &batch, now_ms)?;
        Ok(true)
    }

    /// Deletes every group.
    pub fn wipe(&self, store: &MetricsStore, now_ms: i64) -> Result<(), PushError> {
        let all: Vec<Labels> = self.lock().groups.keys().cloned().collect();
        for labels in all {
            self.delete(store, &labels, now_ms)?;
        }
        Ok(())
    }

    pub fn groups(&self) -> Vec<PushedGroup> {
        self.lock().groups.values().cloned().collect()
    }

    /// A sample for every series that stands; groups whose time is over go.
    pub(crate) fn turn(&self, store: &MetricsStore, now_ms: i64) -> Result<(), PushError> {
        let (over, batch) = {
            let inner = self.lock();
            let is_over = |g: &PushedGroup| {
                let ttl_ms = g.ttl_ms.or(inner.default_ttl_ms);
                ttl_ms.is_some_and(|ttl_ms| now_ms >= g.pushed_ms.saturating_add(ttl_ms))
            };
            let mut batch = WriteBatch::default();
            let (over, stands): (Vec<_>, Vec<_>) = inner.groups.values().partition(|g| is_over(g));
            for group in stands {
                batch.series.extend(group.at(now_ms).series);
            }
            (over.iter().map(|g| g.labels.clone()).collect::<Vec<_>>(), batch)
        };
        for labels in over {
            self.delete(store, &labels, now_ms)?;
        }
        if !batch.series.is_empty() {
            append(store, &batch, now_ms)?;
        }
        Ok(())
    }

    fn write_down(&self, labels: &Labels, group: Option<&PushedGroup>) -> Result<(), StateError> {
        let change = StateChange {
            kind: StateKind::Pushed,
            key: labels.to_string(),
            json: group.map(row_of),
        };
        self.state.commit(&StateBatch {
            changes: vec![change],
            ..StateBatch::default()
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PushedGroup {
    fn series_count(&self) -> usize {
        self.families
            .values()
            .map(|(_, series)| series.len())
            .sum::<usize>()
            + 2
    }

    /// Everything of the group at this time, with when it was pushed.
    fn at(&self, now_ms: i64) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for (family, (metadata, series)) in &self.families {
            batch.metadata.push((family.clone(), metadata.clone()));
            for one in series {
                let mut one = one.clone();
                one.samples.iter_mut().for_each(|s| s.t_ms = now_ms);
                one.histograms.iter_mut().for_each(|(t_ms, _)| *t_ms = now_ms);
                batch.series.push(one);
            }
        }
        for (name, ms) in OWN_NAMES.into_iter().zip([self.pushed_ms, self.failed_ms]) {
            let mut labels = self.labels.to_builder();
            labels.set(METRIC_NAME, name);
            batch.series.push(SeriesWrite {
                labels: labels.build(),
                samples: vec![Sample {
                    t_ms: now_ms,
                    value: ms as f64 / 1000.0,
                }],
                ..SeriesWrite::default()
            });
        }
        batch
    }

    fn series_gone_in(&self, later: &PushedGroup) -> Vec<SeriesWrite> {
        let stays: std::collections::HashSet<&Labels> = later
            .families
            .values()
            .flat_map(|(_, s)| s)
            .map(|s| &s.labels)
            .collect();
        let mine = self.families.values().flat_map(|(_, s)| s);
        mine.filter(|s| !stays.contains(&s.labels)).cloned().collect()
    }
}

/// Whether the store takes the series, and histograms such as these; why not is noted by the appender.
fn is_taken(appender: &mut Appender, write: &SeriesWrite) -> bool {
    let Ok(series) = appender.series(&write.labels) else {
        return false;
    };
    let is_wrong = |(_, h): &&(i64, Histogram)| Appender::check_histogram(h).is_err();
    let wrong = write.histograms.iter().find(is_wrong);
    if let Some((t_ms, histogram)) = wrong {
        appender.push_histogram(series, *t_ms, histogram.clone());
    }
    wrong.is_none()
}

/// The same series with nothing but the mark of their end.
fn ended_at(series: &mut Vec<SeriesWrite>, now_ms: i64) -> Vec<SeriesWrite> {
    let end = |one: SeriesWrite| SeriesWrite {
        labels: one.labels,
        samples: vec![Sample {
            t_ms: now_ms,
            value: stale_nan(),
        }],
        ..SeriesWrite::default()
    };
    std::mem::take(series).into_iter().map(end).collect()
}

fn append(store: &MetricsStore, batch: &WriteBatch, now_ms: i64) -> Result<AppendOutcome, AppendError> {
    let mut appender = store.appender("pushgateway", now_ms);
    appender.append_batch(batch);
    appender.commit()
}

/// Series by the family that describes them, or by their own name.
fn families_of(batch: WriteBatch) -> BTreeMap<String, (Metadata, Vec<SeriesWrite>)> {
    let mut families: BTreeMap<String, (Metadata, Vec<SeriesWrite>)> = batch
        .metadata
        .into_iter()
        .map(|(name, metadata)| (name, (metadata, Vec::new())))
        .collect();
    for series in batch.series {
        let name = series.labels.metric_name().unwrap_or("").to_owned();
        let family = ["", "_bucket", "_count", "_sum", "_total", "_info"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .find(|family| families.contains_key(*family))
            .map_or_else(|| name.clone(), str::to_owned);
        families.entry(family).or_default().1.push(series);
    }
    families.retain(|_, (_, series)| !series.is_empty());
    families
}

fn row_of(group: &PushedGroup) -> String {
    let batch = WriteBatch {
        series: group.families.values().flat_map(|(_, s)| s.clone()).collect(),
        metadata: group
            .families
            .iter()
            .map(|(n, (m, _))| (n.clone(), m.clone()))
            .collect(),
    };
    let row = Row {
        labels: group
            .labels
            .iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        body: STANDARD.encode(encode_v1(&batch)),
        pushed_ms: group.pushed_ms,
        failed_ms: group.failed_ms,
        ttl_ms: group.ttl_ms,
    };
    serde_json::to_string(&row).unwrap_or_default()
}

fn group_of(json: &str) -> Option<PushedGroup> {
    let row: Row = serde_json::from_str(json).ok()?;
    let body = STANDARD.decode(&row.body).ok()?;
    let batch = v1::WriteRequest::decode(&body).ok()?.to_batch().ok()?;
    Some(PushedGroup {
        labels: Labels::from_pairs(row.labels).ok()?,
        families: families_of(batch),
        pushed_ms: row.pushed_ms,
        failed_ms: row.failed_ms,
        ttl_ms: row.ttl_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_store::metrics::MetricsOptions;
    use lapwing_store::state::MemoryState;
    use lapwing_store::{Selection, SeriesPoints, SeriesSource};
    use lapwing_types::is_stale;
    use lapwing_wire::pushgateway::parse_body;
    use lapwing_wire::text::Format;

    const T0: i64 = 1_700_000_000_000;

    struct World {
        store: MetricsStore,
        state: Arc<MemoryState>,
        pushed: Pushed,
    }

    impl World {
        fn new(ttl_ms: Option<i64>) -> World {
            let state = Arc::new(MemoryState::new());
            World {
                store: MetricsStore::in_memory(MetricsOptions::default()),
                pushed: Pushed::load(state.clone(), ttl_ms, &Meter::new()).unwrap(),
                state,
            }
        }

        /// How many series were refused.
        fn push(&self, mode: PushMode, text: &str, now_ms: i64) -> usize {
            let group = job();
            let batch = parse_body(text.as_bytes(), Format::Prometheus, &group, now_ms).unwrap();
            let push = Push {
                group,
                batch,
                mode,
                ttl_ms: None,
            };
            let outcome = self.pushed.push(&self.store, push, now_ms).unwrap();
            outcome.refused_count
        }

        /// The last value of each series, `end` for one that has ended.
        fn last(&self) -> Vec<String> {
            let snapshot = self.store.snapshot();
            let selection = Selection {
                matchers: Vec::new(),
                start_ms: 0,
                end_ms: i64::MAX,
                series_max: None,
            };
            let mut points = SeriesPoints::default();
            let mut all = Vec::new();
            for series in snapshot.select(&selection).unwrap() {
                points.clear();
                series.reader.read_last(0, i64::MAX, &mut points).unwrap();
                let name = series.labels.metric_name().unwrap_or("").to_owned();
                if !name.starts_with("push_") {
                    let value = points.values.last().copied().unwrap_or(f64::NAN);
                    let value = if is_stale(value) {
                        "end".to_owned()
                    } else {
                        value.to_string()
                    };
                    all.push(format!("{name} {value}"));
                }
            }
            all.sort();
            all
        }
    }

    fn job() -> Labels {
        Labels::from_pairs([("job", "backup")]).unwrap()
    }

    #[test]
    fn put_replaces_the_group_and_post_only_what_it_names() {
        let world = World::new(None);
        world.push(PushMode::Replace, "a 1\nb 2\n", T0);
        world.push(PushMode::Merge, "b 3\n", T0 + 1);
        assert_eq!(world.last(), ["a 1", "b 3"]);
        world.push(PushMode::Replace, "b 4\n", T0 + 2);
        assert_eq!(world.last(), ["a end", "b 4"]);
    }

    #[test]
    fn a_group_survives_a_restart_with_its_types() {
        let world = World::new(None);
        let text = "# HELP d seconds\n# TYPE d histogram\nd_bucket{le=\"1\"} 2\nd_bucket{le=\"+Inf\"} 3\nd_sum 4\nd_count 3\n";
        world.push(PushMode::Replace, text, T0);
        let again = Pushed::load(world.state, None, &Meter::new()).unwrap();
        let groups = again.groups();
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].pushed_ms, T0);
        let (metadata, series) = &groups[0].families["d"];
        assert_eq!(metadata.help, "seconds");
        assert_eq!(series.len(), 4);
    }

    #[test]
    fn a_group_stands_until_its_time_is_over() {
        let world = World::new(Some(60_000));
        world.push(PushMode::Replace, "a 1\n", T0);
        world.pushed.turn(&world.store, T0 + 59_999).unwrap();
        assert_eq!(world.last(), ["a 1"]);
        world.pushed.turn(&world.store, T0 + 60_000).unwrap();
        assert_eq!(world.last(), ["a end"]);
        assert!(world.pushed.groups().is_empty());
        assert!(world.state.load(StateKind::Pushed).unwrap().is_empty());
    }

    #[test]
    fn what_the_store_refuses_is_in_no_group() {
        let world = World::new(None);
        let bad = format!("bad{{a=\"{}\"}} 1\n", "v".repeat(100_000));
        assert_eq!(world.push(PushMode::Replace, &bad, T0), 1);
        assert!(world.pushed.groups().is_empty());
        assert!(world.state.load(StateKind::Pushed).unwrap().is_empty());
        assert_eq!(world.push(PushMode::Replace, &format!("{bad}a 1\n"), T0), 1);
        assert_eq!(world.push(PushMode::Replace, &bad, T0 + 1), 1);
        let groups = world.pushed.groups();
        let families: Vec<&String> = groups[0].families.keys().collect();
        assert_eq!(families, ["a"]);
        assert_eq!((groups[0].pushed_ms, groups[0].failed_ms), (T0, T0 + 1));
        assert_eq!(world.last(), ["a 1"]);
    }

    #[test]
    fn a_histogram_that_is_none_is_not_in_the_group() {
        use lapwing_types::{Counts, ResetHint};
        let world = World::new(None);
        let push = |with_good: bool, now_ms: i64| {
            let mut batch = WriteBatch::default();
            let good = SeriesWrite {
                labels: Labels::from_pairs([("__name__", "good"), ("job", "backup")]).unwrap(),
                samples: vec![Sample {
                    t_ms: now_ms,
                    value: 1.0,
                }],
                ..SeriesWrite::default()
            };
            let none = Histogram {
                reset_hint: ResetHint::Unknown,
                schema: 99,
                zero_threshold: 0.0,
                sum: 0.0,
                positive_spans: Vec::new(),
                negative_spans: Vec::new(),
                custom_bounds: Arc::from([]),
                counts: Counts::Int {
                    count: 0,
                    zero: 0,
                    positive: Vec::new(),
                    negative: Vec::new(),
                },
            };
            let bad = SeriesWrite {
                labels: Labels::from_pairs([("__name__", "bad"), ("job", "backup")]).unwrap(),
                histograms: vec![(now_ms, none)],
                ..SeriesWrite::default()
            };
            batch.series.extend(with_good.then_some(good));
            batch.series.push(bad);
            let push = Push {
                group: job(),
                batch,
                mode: PushMode::Replace,
                ttl_ms: None,
            };
            let outcome = world.pushed.push(&world.store, push, now_ms).unwrap();
            assert_eq!(outcome.refused_count, 1, "{outcome:?}");
        };
        push(true, T0);
        let names = |group: &PushedGroup| group.families.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&world.pushed.groups()[0]), ["good"]);
        world.pushed.turn(&world.store, T0 + 15_000).unwrap();
        assert_eq!(world.last(), ["good 1"]);
        // Where it is all there is, the group stays as it was and says that a push failed.
        push(false, T0 + 16_000);
        let group = &world.pushed.groups()[0];
        assert_eq!(
            (names(group), group.failed_ms),
            (vec!["good".to_owned()], T0 + 16_000)
        );
    }

    #[test]
    fn a_push_does_not_say_when_it_was() {
        let world = World::new(None);
        let refused = world.push(PushMode::Replace, "push_time_seconds 1\na 1\n", T0);
        assert_eq!(refused, 0);
        let group = &world.pushed.groups()[0];
        assert_eq!(group.families.keys().collect::<Vec<_>>(), ["a"]);
        let of_push = |s: &&SeriesWrite| s.labels.metric_name() == Some("push_time_seconds");
        let own = group.at(T0).series;
        assert_eq!(own.iter().filter(of_push).count(), 1);
    }

    #[test]
    fn a_deleted_group_ends_its_series() {
        let world = World::new(None);
        world.push(PushMode::Replace, "a 1\n", T0);
        assert!(world.pushed.delete(&world.store, &job(), T0 + 1).unwrap());
        assert!(!world.pushed.delete(&world.store, &job(), T0 + 2).unwrap());
        assert_eq!(world.last(), ["a end"]);
    }
}
