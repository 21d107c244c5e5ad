//! Kills the real binary at random moments under load, again and again, and proves that nothing acknowledged is lost.
//!
//! Oracle: a plain map from series to the samples whose request was answered with 2xx. After each restart every one of
//! them must be answered by the API, bit for bit; samples of the request in flight may be there or not, but wholly.

use crate::support::{Server, now_ms, series};
use lapwing_types::WriteBatch;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Kills per run; `LAPWING_CRASH_KILLS` asks for more (300 were shown).
const KILLS: u32 = 12;
const SERIES: usize = 20;

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
    let mut acknowledged: BTreeMap<usize, BTreeMap<i64, f64>> = BTreeMap::new();
    // Recent enough to be taken, far enough back that the whole run stays in the past.
    let mut t_ms = now_ms() - 3_000_000;
    for round in 0..kills {
        let server = Server::start(dir.path(), &[]);
        assert_all_there(&server, &acknowledged, t_ms, round);
        let killed = AtomicBool::new(false);
        let wait = Duration::from_millis(rng.random_range(1..120));
        std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                kill_after(server.pid(), wait);
                killed.store(true, Ordering::SeqCst);
            });
            while !killed.load(Ordering::SeqCst) {
                let (batch, values) = one_scrape(&mut rng, t_ms);
                if !server.remote_write(&batch).is_ok_and(|a| a.status == 204) {
                    t_ms += 10;
                    break;
                }
                for (i, value) in values {
                    acknowledged.entry(i).or_default().insert(t_ms, value);
                }
                t_ms += 10;
            }
            killer.join().expect("the killer ends");
        });
        server.kill();
    }
    let server = Server::start(dir.path(), &[]);
    assert_all_there(&server, &acknowledged, t_ms, kills);
    let total: usize = acknowledged.values().map(BTreeMap::len).sum();
    println!("{kills} kills, {total} acknowledged samples, none lost");
    assert!(total > 0, "the load never got through");
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

fn one_scrape(rng: &mut SmallRng, t_ms: i64) -> (WriteBatch, Vec<(usize, f64)>) {
    let mut values = Vec::new();
    let mut batch = WriteBatch::default();
    for i in 0..SERIES {
        if rng.random_bool(0.1) {
            continue;
        }
        let value = f64::from(rng.random_range(-1_000_000..1_000_000)) / 7.0;
        values.push((i, value));
        let id = i.to_string();
        batch
            .series
            .push(series(&[("__name__", "crash"), ("id", &id)], &[(t_ms, value)]));
    }
    (batch, values)
}

fn assert_all_there(
    server: &Server,
    acknowledged: &BTreeMap<usize, BTreeMap<i64, f64>>,
    now_ms: i64,
    round: u64,
) {
    let result = server.query("crash[2h]", now_ms as f64 / 1000.0);
    let mut found: BTreeMap<usize, BTreeMap<i64, f64>> = BTreeMap::new();
    for series in result.as_array().expect("a matrix") {
        let id = series["metric"]["id"]
            .as_str()
            .and_then(|s| s.parse().ok())
            .expect("an id");
        for point in series["values"].as_array().expect("values") {
            let t_ms = (point[0].as_f64().expect("a time") * 1000.0).round() as i64;
            let value = point[1].as_str().and_then(|v| v.parse().ok()).expect("a value");
            found.entry(id).or_default().insert(t_ms, value);
        }
    }
    for (id, samples) in acknowledged {
        let there = found.get(id);
        for (t_ms, value) in samples {
            let got = there.and_then(|s| s.get(t_ms));
            assert_eq!(
                got,
                Some(value),
                "round {round}: series {id} at {t_ms} was acknowledged"
            );
        }
    }
}
