//! Downsampled tiers against a plain list of all samples: made in time, kept longer, right in every column, also across the seam
//! to the samples that are still there, after restarts, deletions and from a backup.

use crate::fault_fs::Rng;
use lapwing_store::metrics::{MetricsOptions, MetricsStore, Retention, TierPolicy};
use lapwing_store::{Selection, SeriesPoints, SeriesSource, TierColumn, TierHint};
use lapwing_types::{Labels, Matcher, is_stale, stale_nan};
use std::path::Path;

const HOUR_MS: i64 = 3_600_000;
/// A large range with windows of ten minutes.
const LARGE_MS: i64 = 4 * HOUR_MS;
const T0: i64 = 12 * HOUR_MS * 39_352;
const STEP_MS: i64 = 15_000;
/// No sample stands where a bucket ends, so that times tell the two apart.
const PHASE_MS: i64 = 7;
const M5: i64 = 300_000;

fn options() -> MetricsOptions {
    MetricsOptions {
        window_ms: 600_000,
        window_slack_ms: 30_000,
        ooo_window_ms: 900_000,
        retention: Retention {
            age_ms: Some(6 * HOUR_MS),
            size_bytes: None,
        },
        tiers: vec![
            TierPolicy {
                resolution_ms: M5,
                age_ms: Some(24 * HOUR_MS),
            },
            TierPolicy {
                resolution_ms: HOUR_MS,
                age_ms: None,
            },
        ],
        ..MetricsOptions::default()
    }
}

/// What a column of a bucket is, by the definition.
type Compute = fn(&[f64]) -> f64;

/// All samples of a counter that restarts, a gauge that ends now and then, and a constant.
struct Model {
    series: Vec<(Labels, Vec<(i64, f64)>)>,
    values: [f64; 3],
    rng: Rng,
}

impl Model {
    fn new(seed: u64) -> Model {
        let labels = |name| Labels::from_pairs([("__name__", name)]).unwrap();
        let series = ["constant", "counter_total", "gauge"].map(|name| (labels(name), Vec::new()));
        Model {
            series: series.into(),
            values: [1.5, 100.0, 20.0],
            rng: Rng(seed),
        }
    }

    fn scrape(&mut self, store: &MetricsStore, step: i64) {
        let t_ms = T0 + step * STEP_MS + PHASE_MS;
        let rng = &mut self.rng;
        self.values[1] = if rng.one_in(150) {
            0.0
        } else {
            self.values[1] + rng.below(40) as f64
        };
        self.values[2] += rng.below(9) as f64 - 4.0;
        let mut appender = store.appender("test", t_ms);
        for (number, (labels, samples)) in self.series.iter_mut().enumerate() {
            let value = match number {
                // An outage of half an hour each day, and a marker at its beginning.
                2 if step % 5_760 == 2_000 => stale_nan(),
                2 if (2_001..2_120).contains(&(step % 5_760)) => continue,
                _ => self.values[number],
            };
            samples.push((t_ms, value));
            let found = appender.series(labels).unwrap();
            appender.push(found, t_ms, value);
        }
        assert_eq!(appender.commit().unwrap().refused_count, 0);
    }

    /// A bucket's samples, by the definition.
    fn bucket(&self, series: usize, end_ms: i64, length_ms: i64) -> Vec<f64> {
        let samples = self.series[series].1.iter();
        samples
            .filter(|(t, v)| *t > end_ms - length_ms && *t <= end_ms && !is_stale(*v))
            .map(|s| s.1)
            .collect()
    }

    /// By how much the counter grew from the last sample at or before `from_ms` on.
    fn growth(&self, series: usize, from_ms: i64, to_ms: i64) -> f64 {
        let samples: Vec<(i64, f64)> = self.series[series]
            .1
            .iter()
            .copied()
            .filter(|s| !is_stale(s.1))
            .collect();
        let (from, to) = (
            samples.partition_point(|s| s.0 <= from_ms) - 1,
            samples.partition_point(|s| s.0 <= to_ms) - 1,
        );
        increase(&samples[from..=to].iter().map(|s| s.1).collect::<Vec<f64>>())
    }
}

/// As `increase` of PromQL counts, without extrapolation.
fn increase(values: &[f64]) -> f64 {
    let pairs = values.windows(2);
    pairs.map(|w| if w[1] < w[0] { w[1] } else { w[1] - w[0] }).sum()
}

fn read(store: &MetricsStore, series: &Labels, column: TierColumn) -> SeriesPoints {
    let selection = Selection {
        matchers: vec![Matcher::equal("__name__", series.metric_name().unwrap())],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let hint = TierHint {
        column,
        every_ms: HOUR_MS,
    };
    let selected = store.snapshot().select_as(&selection, hint).unwrap();
    let mut points = SeriesPoints::default();
    for one in &selected {
        one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
    }
    assert!(points.times_ms.is_sorted_by(|a, b| a < b));
    points
}

/// Where the hourly tier ends and where samples begin: ends of large ranges, since whole blocks go.
fn seams(points: &SeriesPoints) -> (i64, i64) {
    let is_sample = |t: &&i64| **t % M5 != 0;
    let first_sample_ms = *points.times_ms.iter().find(is_sample).unwrap();
    let first_short = points.times_ms.iter().find(|t| **t % HOUR_MS != 0).unwrap();
    (
        (first_short - 1).div_euclid(LARGE_MS) * LARGE_MS,
        first_sample_ms.div_euclid(LARGE_MS) * LARGE_MS,
    )
}

fn check(store: &MetricsStore, model: &Model, now_ms: i64) {
    let constant = read(store, &model.series[0].0, TierColumn::Last);
    let (short_from_ms, samples_from_ms) = seams(&constant);
    assert!((now_ms - 11 * HOUR_MS..=now_ms - 6 * HOUR_MS).contains(&samples_from_ms));
    assert!((now_ms - 29 * HOUR_MS..=now_ms - 24 * HOUR_MS).contains(&short_from_ms));
    for (number, (labels, samples)) in model.series.iter().enumerate() {
        let of_column: [(TierColumn, Compute); 3] = [
            (TierColumn::Last, |b| *b.last().unwrap()),
            (TierColumn::Min, |b| b.iter().copied().fold(f64::MAX, f64::min)),
            (TierColumn::Max, |b| b.iter().copied().fold(f64::MIN, f64::max)),
        ];
        for (column, compute) in of_column {
            let mut expect: Vec<(i64, u64)> = Vec::new();
            let first_ms = samples[0].0.div_euclid(HOUR_MS) * HOUR_MS;
            let hours = (first_ms + HOUR_MS..=short_from_ms)
                .step_by(HOUR_MS as usize)
                .map(|t| (t, HOUR_MS));
            let minutes = (short_from_ms + M5..=samples_from_ms)
                .step_by(M5 as usize)
                .map(|t| (t, M5));
            for (end_ms, length_ms) in hours.chain(minutes) {
                let bucket = model.bucket(number, end_ms, length_ms);
                if !bucket.is_empty() {
                    expect.push((end_ms, compute(&bucket).to_bits()));
                }
            }
            let after = samples.iter().filter(|s| s.0 >= samples_from_ms);
            expect.extend(after.map(|(t, v)| (*t, v.to_bits())));
            let found = read(store, labels, column);
            let found: Vec<(i64, u64)> = found
                .times_ms
                .into_iter()
                .zip(found.values.iter().map(|v| v.to_bits()))
                .collect();
            assert_eq!(found.len(), expect.len(), "{labels} {column:?}");
            for (found, expect) in found.iter().zip(&expect) {
                assert_eq!(
                    found, expect,
                    "{labels} {column:?} from {short_from_ms}, {samples_from_ms}"
                );
            }
        }
    }
    // Each bucket's average as often as it had samples: sums and counts of whole buckets are those of the samples.
    let (from_ms, to_ms) = (short_from_ms - 3 * HOUR_MS, samples_from_ms);
    let gauge = read(store, &model.series[2].0, TierColumn::Average);
    let between = |t_ms: i64| (from_ms + 1..=to_ms).contains(&t_ms);
    let found: Vec<f64> = gauge
        .times_ms
        .iter()
        .zip(&gauge.values)
        .filter(|s| between(*s.0))
        .map(|s| *s.1)
        .collect();
    let samples = model.series[2]
        .1
        .iter()
        .filter(|s| between(s.0) && !is_stale(s.1));
    let expect: Vec<f64> = samples.map(|s| s.1).collect();
    assert_eq!(found.len(), expect.len());
    assert!((found.iter().sum::<f64>() - expect.iter().sum::<f64>()).abs() < 1e-6);
    let counter = read(store, &model.series[1].0, TierColumn::Counter);
    let newest_ms = *counter.times_ms.last().unwrap();
    for (i, t_ms) in counter.times_ms.iter().enumerate().step_by(7) {
        let found = increase(&counter.values[i..]);
        let expect = model.growth(1, *t_ms, newest_ms);
        assert!(
            (found - expect).abs() < 1e-6,
            "from {t_ms}: {found} instead of {expect}"
        );
    }
}

fn run(dir: &Path, seed: u64, steps: i64) -> (MetricsStore, Model) {
    let mut store = MetricsStore::open(dir, options(), T0).unwrap();
    let mut model = Model::new(seed);
    for step in 0..steps {
        model.scrape(&store, step);
        if step % 9 == 0 {
            let report = store.maintain(T0 + step * STEP_MS);
            assert_eq!(report.failures, Vec::<String>::new());
        }
        if step % 4_321 == 4_320 {
            drop(store);
            store = MetricsStore::open(dir, options(), T0 + step * STEP_MS).unwrap();
        }
    }
    (store, model)
}

#[test]
fn tiers_outlive_samples_and_are_right_in_every_column() {
    let dir = tempfile::tempdir().unwrap();
    let (seed, steps) = (4711, 11_000);
    println!("seed {seed}");
    let (store, mut model) = run(dir.path(), seed, steps);
    let now_ms = T0 + steps * STEP_MS;
    check(&store, &model, now_ms);
    assert!(store.verify().unwrap().is_whole());
    // The same from a backup.
    let copy = dir.path().join("copy");
    store.backup(&copy).unwrap();
    drop(store);
    check(
        &MetricsStore::open(&copy, options(), now_ms).unwrap(),
        &model,
        now_ms,
    );
    // Deleted from tiers and samples alike; where samples remain, their tier is made again.
    let store = MetricsStore::open(dir.path(), options(), now_ms).unwrap();
    let (from_ms, to_ms) = (T0 + 2 * HOUR_MS + 1_000, T0 + 5 * HOUR_MS);
    store
        .delete(&[Matcher::equal("__name__", "gauge")], from_ms, to_ms)
        .unwrap();
    let gauge = read(&store, &model.series[2].0, TierColumn::Last);
    let gone = gauge
        .times_ms
        .iter()
        .filter(|t| (T0 + 2 * HOUR_MS + 1..=to_ms).contains(t));
    assert_eq!(gone.count(), 0);
    model.series[2]
        .1
        .retain(|s| !(from_ms - from_ms % HOUR_MS..=to_ms).contains(&s.0));
    check(&store, &model, now_ms);
    let (from_ms, to_ms) = (now_ms - 5 * HOUR_MS, now_ms - 4 * HOUR_MS);
    store
        .delete(&[Matcher::equal("__name__", "gauge")], from_ms, to_ms)
        .unwrap();
    model.series[2].1.retain(|s| !(from_ms..=to_ms).contains(&s.0));
    for step in steps..steps + 2_400 {
        model.scrape(&store, step);
        if step % 9 == 0 {
            assert_eq!(store.maintain(T0 + step * STEP_MS).failures, Vec::<String>::new());
        }
    }
    check(&store, &model, now_ms + 2_400 * STEP_MS);
}

#[test]
fn buckets_are_filled_in_for_short_windows() {
    let dir = tempfile::tempdir().unwrap();
    let (store, model) = run(dir.path(), 99, 8_000);
    let selection = Selection {
        matchers: vec![Matcher::equal("__name__", "counter_total")],
        start_ms: T0,
        end_ms: T0 + LARGE_MS,
        series_max: None,
    };
    let hint = TierHint {
        column: TierColumn::Counter,
        every_ms: 60_000,
    };
    let selected = store.snapshot().select_as(&selection, hint).unwrap();
    let mut points = SeriesPoints::default();
    selected[0].reader.read(T0, T0 + LARGE_MS, &mut points).unwrap();
    let distances = points.times_ms.windows(2).map(|w| w[1] - w[0]);
    assert_eq!(distances.max(), Some(60_000));
    assert!(points.values.is_sorted());
    let at = |t_ms: i64| points.values[points.times_ms.iter().position(|t| *t == t_ms).unwrap()];
    let hour = at(T0 + 2 * HOUR_MS) - at(T0 + HOUR_MS);
    assert!((hour - model.growth(1, T0 + HOUR_MS, T0 + 2 * HOUR_MS)).abs() < 1e-6);
}
