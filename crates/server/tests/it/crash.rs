//! Kills the real binary at random moments under load, again and again, and proves that nothing acknowledged is lost.
//!
//! Both versions of remote write and both modes of durability take turns; what is sent are floats, native histograms, and a
//! counter whose start timestamps tell when it began anew.
//!
//! Oracle: a plain map from series to the samples whose request was answered with 2xx. After each restart every one of
//! them must be answered by the API, bit for bit; samples of the request in flight may be there or not, but wholly.

use crate::support::{Server, now_ms, series};
use lapwing_types::{Counts, Histogram, ResetHint, SeriesWrite, Span, WriteBatch};
use lapwing_wire::remote_write::encode_v2;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Kills per run; `LAPWING_CRASH_KILLS` asks for more (300 were shown).
const KILLS: u32 = 12;
const SERIES: usize = 20;
const STEP_MS: i64 = 10;
/// The counter begins anew so often.
const LIFE_MS: i64 = 200;

/// What one request brings.
struct Scrape {
    t_ms: i64,
    values: Vec<(usize, f64)>,
    observed: u64,
}

/// What was acknowledged, and what may be there besides.
#[derive(Default)]
struct Oracle {
    floats: BTreeMap<usize, BTreeMap<i64, f64>>,
    observed: BTreeMap<i64, u64>,
    in_flight: BTreeSet<i64>,
}

pub(crate) fn number_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

#[test]
fn nothing_acknowledged_is_lost_when_killed() {
    let seed = number_from_env("LAPWING_CRASH_SEED", now_ms() as u64);
    let kills = number_from_env("LAPWING_CRASH_KILLS", u64::from(KILLS));
    println!("LAPWING_CRASH_SEED={seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let configs = ["process", "disk"].map(|durability| config(dir.path(), durability));
    let mut oracle = Oracle::default();
    // Recent enough to be taken, far enough back that the whole run stays in the past.
    let mut t_ms = (now_ms() - 3_000_000).div_euclid(STEP_MS) * STEP_MS;
    for round in 0..kills {
        let config = &configs[(round % 2) as usize];
        let server = Server::start(&data, &["--config", config.to_str().unwrap()]);
        oracle.check(&server, t_ms, round);
        let killed = AtomicBool::new(false);
        let wait = Duration::from_millis(rng.random_range(1..120));
        std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                kill_after(server.pid(), wait);
                killed.store(true, Ordering::SeqCst);
            });
            while !killed.load(Ordering::SeqCst) {
                t_ms += STEP_MS;
                let scrape = Scrape::random(&mut rng, t_ms);
                if !scrape.send(&server) {
                    oracle.in_flight.insert(t_ms);
                    break;
                }
                oracle.add(scrape);
            }
            killer.join().expect("the killer ends");
        });
        server.kill();
    }
    let server = Server::start(&data, &["--config", configs[0].to_str().unwrap()]);
    oracle.check(&server, t_ms, kills);
    let total: usize = oracle.floats.values().map(BTreeMap::len).sum();
    println!("{kills} kills, {total} acknowledged samples, none lost");
    assert!(
        total > 0 && !oracle.observed.is_empty(),
        "the load never got through"
    );
}

fn config(dir: &Path, durability: &str) -> PathBuf {
    let file = dir.join(format!("{durability}.yml"));
    let text =
        format!("store: {{ durability: {durability} }}\nlimits: {{ query: {{ start_timestamps: true }} }}\n");
    std::fs::write(&file, text).unwrap();
    file
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kill has to come at a random moment of real time"
)]
pub(crate) fn kill_after(pid: u32, wait: Duration) {
    std::thread::sleep(wait);
    let pid = rustix::process::Pid::from_raw(pid as i32).expect("a live process");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

impl Scrape {
    fn random(rng: &mut SmallRng, t_ms: i64) -> Scrape {
        let mut values = Vec::new();
        for i in 0..SERIES {
            if !rng.random_bool(0.1) {
                values.push((i, f64::from(rng.random_range(-1_000_000..1_000_000)) / 7.0));
            }
        }
        let observed = rng.random_range(1..1_000_000);
        Scrape {
            t_ms,
            values,
            observed,
        }
    }

    /// By one version of the protocol or the other; whether it was acknowledged. Only the second knows start timestamps.
    fn send(&self, server: &Server) -> bool {
        let mut batch = WriteBatch::default();
        for (i, value) in &self.values {
            let id = i.to_string();
            let pairs = [("__name__", "crash"), ("id", id.as_str())];
            batch.series.push(series(&pairs, &[(self.t_ms, *value)]));
        }
        batch.series.push(SeriesWrite {
            histograms: vec![(self.t_ms, histogram(self.observed))],
            ..series(&[("__name__", "crash_sizes")], &[])
        });
        if !Scrape::is_v2(self.t_ms) {
            return server.remote_write(&batch).is_ok_and(|a| a.status == 204);
        }
        batch.series.push(SeriesWrite {
            start_ms: Some(start_of(self.t_ms)),
            ..series(&[("__name__", "crash_lives")], &[(self.t_ms, 1.0)])
        });
        let packed = snap::raw::Encoder::new()
            .compress_vec(&encode_v2(&batch))
            .unwrap();
        let headers = [
            (
                "Content-Type",
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            ),
            ("Content-Encoding", "snappy"),
        ];
        let answer = server.try_post("/api/v1/write", &headers, &packed);
        answer.is_ok_and(|a| a.status == 204)
    }

    fn is_v2(t_ms: i64) -> bool {
        t_ms % (2 * STEP_MS) != 0
    }
}

fn start_of(t_ms: i64) -> i64 {
    t_ms.div_euclid(LIFE_MS) * LIFE_MS - 1
}

fn histogram(count: u64) -> Histogram {
    Histogram {
        schema: 2,
        zero_threshold: 1e-6,
        sum: count as f64 / 3.0,
        counts: Counts::Int {
            zero: 0,
            count,
            positive: vec![count],
            negative: vec![],
        },
        positive_spans: vec![Span { offset: 3, length: 1 }],
        negative_spans: vec![],
        custom_bounds: Vec::new().into(),
        reset_hint: ResetHint::Unknown,
    }
}

impl Oracle {
    fn add(&mut self, scrape: Scrape) {
        for (i, value) in scrape.values {
            self.floats.entry(i).or_default().insert(scrape.t_ms, value);
        }
        self.observed.insert(scrape.t_ms, scrape.observed);
    }

    fn check(&self, server: &Server, now_ms: i64, round: u64) {
        let at_s = now_ms as f64 / 1000.0;
        let mut found: BTreeMap<usize, BTreeMap<i64, f64>> = BTreeMap::new();
        for series in server.query("crash[2h]", at_s).as_array().expect("a matrix") {
            let id = series["metric"]["id"].as_str().and_then(|s| s.parse().ok());
            let samples = found.entry(id.expect("an id")).or_default();
            for point in series["values"].as_array().expect("values") {
                samples.insert(time_of(&point[0]), number_of(&point[1]));
            }
        }
        for (id, samples) in &self.floats {
            for (t_ms, value) in samples {
                let got = found.get(id).and_then(|s| s.get(t_ms));
                assert_eq!(
                    got,
                    Some(value),
                    "round {round}: series {id} at {t_ms} was acknowledged"
                );
            }
        }
        let answer = server.query("crash_sizes[2h]", at_s);
        let points = answer[0]["histograms"].as_array().into_iter().flatten();
        let sizes: BTreeMap<i64, (f64, f64)> = points
            .map(|p| {
                (
                    time_of(&p[0]),
                    (number_of(&p[1]["count"]), number_of(&p[1]["sum"])),
                )
            })
            .collect();
        for (t_ms, count) in &self.observed {
            let expect = (*count as f64, *count as f64 / 3.0);
            assert_eq!(
                sizes.get(t_ms),
                Some(&expect),
                "round {round}: the histogram at {t_ms} was acknowledged"
            );
        }
        // What is there of a request is all of it, also of one that nobody acknowledged.
        assert!(
            sizes
                .keys()
                .all(|t| self.observed.contains_key(t) || self.in_flight.contains(t))
        );
        let there = sizes.keys().filter(|t| Scrape::is_v2(**t));
        let lives: BTreeSet<i64> = there.map(|t_ms| start_of(*t_ms)).collect();
        let resets = server.query("resets(crash_lives[2h])", at_s);
        let resets = resets[0]["value"][1]
            .as_str()
            .map_or(0, |r| r.parse().expect("a count"));
        assert_eq!(
            resets,
            lives.len().saturating_sub(1),
            "round {round}: starts of {} lives",
            lives.len()
        );
    }
}

fn time_of(seconds: &serde_json::Value) -> i64 {
    (seconds.as_f64().expect("a time") * 1000.0).round() as i64
}

fn number_of(text: &serde_json::Value) -> f64 {
    text.as_str().and_then(|t| t.parse().ok()).expect("a number")
}
