//! The store by itself: what samples cost on the way in, in memory and on disk, and how quickly they come back.
//!
//! `cargo bench -p lapwing-store [-- SERIES [STEPS]]`, 100 000 series × 480 samples 15 s apart when nothing is said (`-- 1000000 120` is
//! the larger run). Data as a fleet gives it: counters with jittered increments, gauges with few digits, constants. One thread
//! writes and reads, so wall time is time per core.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures; nothing of Lapwing runs in here"
)]

use lapwing_store::metrics::{MetricsOptions, MetricsStore};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Labels, Matcher};
use std::time::{Duration, Instant};

const STEP_MS: i64 = 15_000;
/// The beginning of a half day.
const T0: i64 = 43_200_000 * 39_352;
/// Samples per request, as senders do it.
const BATCH: usize = 2_000;
/// A data set may lie an hour in the past of what fills its last windows.
const HOUR_MS: i64 = 3_600_000;

fn main() {
    // Cargo passes `--bench`.
    let mut numbers = std::env::args().filter_map(|word| word.parse::<usize>().ok());
    let series = numbers.next().unwrap_or(100_000);
    let steps = numbers.next().unwrap_or(480) as i64;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let open = || MetricsStore::open(dir.path(), options(), T0).expect("the store opens");
    println!("{series} series x {steps} samples");
    let store = open();
    write(&store, series, steps);
    queries(&store, series, steps, "before compaction");
    drop(store);
    let (took, store) = timed(open);
    let report = store.open_report().clone();
    println!(
        "replay            {:>10.2} s for {} samples",
        took.as_secs_f64(),
        report.samples_replayed
    );
    compact(&store, steps);
    queries(&store, series, steps, "after compaction");
}

fn options() -> MetricsOptions {
    MetricsOptions {
        memory_limit_bytes: 16 << 30,
        series_max_per_source: 10_000_000,
        ..MetricsOptions::default()
    }
}

fn labels(number: usize) -> Labels {
    let (name, host) = (
        format!("metric_{:03}", number % 100),
        format!("host-{:05}", number / 100),
    );
    Labels::from_pairs([
        ("__name__", name.as_str()),
        ("instance", host.as_str()),
        ("job", "bench"),
        ("region", ["eu", "us", "ap"][number / 100 % 3]),
    ])
    .expect("the names differ")
}

fn value(number: usize, step: i64) -> f64 {
    let mut noise = (number as u64) << 32 | step as u64;
    noise = (noise ^ noise >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    noise ^= noise >> 27;
    match number % 10 {
        0..=5 => (step * (40 + number as i64 % 60)) as f64 + (noise % 40) as f64,
        6..=8 => 20.0 + (noise % 1_000) as f64 / 100.0,
        _ => 4_096.0,
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let value = work();
    (begin.elapsed(), value)
}

fn write(store: &MetricsStore, series: usize, steps: i64) {
    let mut appending = Duration::ZERO;
    let mut names: Vec<[u8; 8]> = Vec::with_capacity(series);
    names.extend((0..series as u64).map(u64::to_be_bytes));
    let resident_before = resident_bytes();
    for step in 0..steps {
        let t_ms = T0 + step * STEP_MS;
        for from in (0..series).step_by(BATCH) {
            let to = (from + BATCH).min(series);
            let values: Vec<f64> = (from..to).map(|number| value(number, step)).collect();
            let (took, ()) = timed(|| {
                let mut appender = store.appender("bench", t_ms);
                for (number, value) in (from..to).zip(values) {
                    let found = match appender.lookup_raw(&names[number]) {
                        Some(found) => found,
                        None => appender
                            .bind_raw(&names[number], &labels(number))
                            .expect("within limits"),
                    };
                    appender.push(found, t_ms, value);
                }
                appender.commit().expect("it is kept");
            });
            appending += took;
        }
        if step % 2 == 1 {
            store.maintain(t_ms);
        }
    }
    let samples = series as f64 * steps as f64;
    let seconds = appending.as_secs_f64();
    println!(
        "in                {:>10.2} million samples/s on one core",
        samples / seconds / 1e6
    );
    println!(
        "in                {:>10.3} CPU s per million samples",
        seconds / samples * 1e6
    );
    let head = store.numbers().memory.total_bytes();
    let resident = resident_bytes().saturating_sub(resident_before);
    println!(
        "memory            {:>10.0} bytes per series (resident {:.0})",
        per(head, series),
        per(resident, series)
    );
}

/// As time goes by: everything that is over is merged.
fn compact(store: &MetricsStore, steps: i64) {
    let end_ms = T0 + steps * STEP_MS;
    let mut appender = store.appender("later", end_ms + 16 * HOUR_MS);
    let found = appender.series(&labels(usize::MAX / 2)).expect("within limits");
    appender.push(found, end_ms + 16 * HOUR_MS, 1.0);
    appender.commit().expect("it is kept");
    let (took, ()) = timed(|| {
        for round in 0..200 {
            let report = store.maintain(end_ms + 16 * HOUR_MS + round * 360_000);
            assert_eq!(report.failures, Vec::<String>::new());
        }
    });
    let stats = store.stats();
    let size = stats.numbers.blocks_size_bytes - stats.tier_size_bytes;
    println!(
        "on disk           {:>10.3} bytes per sample in {} blocks; tiers {:.3}; made in {:.1} s",
        size as f64 / (stats.numbers.blocks_samples.max(1)) as f64,
        stats.numbers.blocks - stats.tier_blocks,
        stats.tier_size_bytes as f64 / stats.numbers.blocks_samples.max(1) as f64,
        took.as_secs_f64()
    );
}

fn queries(store: &MetricsStore, series: usize, steps: i64, when: &str) {
    let end_ms = T0 + (steps - 1) * STEP_MS;
    let hosts = series / 100;
    let one_host = format!("host-{:05}", hosts / 2);
    let one = vec![
        Matcher::equal("__name__", "metric_007"),
        Matcher::equal("instance", one_host),
    ];
    let named = vec![Matcher::equal("__name__", "metric_007")];
    let range = |matchers, start_ms, end_ms, series_max| Selection {
        matchers,
        start_ms,
        end_ms,
        series_max,
    };
    let six_hours = end_ms - 6 * HOUR_MS;
    select(
        store,
        "one series, 6 h",
        when,
        200,
        &range(one, six_hours, end_ms, None),
    );
    select(
        store,
        "one per host, 6 h",
        when,
        20,
        &range(named, six_hours, end_ms, None),
    );
    select(
        store,
        "all, instant",
        when,
        10,
        &range(Vec::new(), end_ms - 300_000, end_ms, None),
    );
}

fn select(store: &MetricsStore, what: &str, when: &str, times: usize, selection: &Selection) {
    let mut took = Vec::with_capacity(times);
    let mut found = (0, 0);
    for _ in 0..times {
        let (time, counts) = timed(|| {
            let selected = store.snapshot().select(selection).expect("it can be read");
            let mut points = SeriesPoints::default();
            let mut samples = 0;
            for one in &selected {
                points.clear();
                let read = one.reader.read(selection.start_ms, selection.end_ms, &mut points);
                read.expect("it can be read");
                samples += points.len();
            }
            (selected.len(), samples)
        });
        took.push(time);
        found = counts;
    }
    took.sort_unstable();
    let ms = |at: usize| took[at.min(took.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{what:<18}{:>10.3} ms p50 {:>10.3} ms p99  {} series, {} samples, {when}",
        ms(times / 2),
        ms(times * 99 / 100),
        found.0,
        found.1
    );
}

fn per(bytes: u64, series: usize) -> f64 {
    bytes as f64 / series as f64
}

/// Of this process; zero where the system does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
