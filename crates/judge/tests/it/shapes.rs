//! Trends, anomalies and burn rates over samples: what fires, and what does not.

use crate::table::labels;
use lapwing_judge::rules::{FiredInterval, NoSeries, OwnRule, Replay, RulesOptions, compile_own_rules};
use lapwing_types::{Sample, SeriesWrite};

const MINUTE_MS: i64 = 60_000;
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// One series, a value a minute.
fn series(pairs: &[(&str, &str)], minutes: i64, value: impl Fn(i64) -> f64) -> SeriesWrite {
    let samples = (0..=minutes).map(|m| Sample {
        t_ms: m * MINUTE_MS,
        value: value(m),
    });
    SeriesWrite {
        labels: labels(pairs),
        samples: samples.collect(),
        ..SeriesWrite::default()
    }
}

fn fired(rule: &str, given: &[SeriesWrite], (from, to): (i64, i64)) -> Vec<FiredInterval> {
    let rule: OwnRule = serde_saphyr::from_str(rule).unwrap();
    let group = compile_own_rules("f", &[(rule, 1)], &RulesOptions::default()).unwrap();
    let mut replay = Replay::new(vec![group], RulesOptions::default(), &NoSeries, from * MINUTE_MS);
    replay.given(given);
    let replayed = replay.run((from * MINUTE_MS, to * MINUTE_MS), &mut |_, _| {});
    assert!(replayed.failures.is_empty(), "{:?}", replayed.failures);
    assert!(replayed.evaluations > 0);
    replayed.intervals
}

#[test]
fn a_leak_is_a_trend_and_noise_is_none() {
    let rule = "{name: leak, trend: {of: memory_usage, over: 1h, rises: 10%}}";
    let leaks = series(
        &[("__name__", "memory_usage"), ("instance", "a")],
        2 * HOUR,
        |m| 0.4 + 0.002 * m as f64,
    );
    let noise = series(
        &[("__name__", "memory_usage"), ("instance", "b")],
        2 * HOUR,
        |m| 0.4 + 0.01 * (m % 3) as f64,
    );
    let found = fired(rule, &[leaks, noise], (30, 2 * HOUR));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].labels.get("instance"), Some("a"));
}

/// Seed 3 divided by the mean of the first half, and crashed at zero.
#[test]
fn a_trend_of_zeros_does_not_fire() {
    let rule = "{name: flat, trend: {of: x, over: 1h, changes: 1%}}";
    let zeros = series(&[("__name__", "x")], 2 * HOUR, |_| 0.0);
    assert_eq!(fired(rule, &[zeros], (0, 2 * HOUR)), []);
}

#[test]
fn a_disk_that_fills_is_told_before_it_is_full() {
    let rule = "{name: full_soon, trend: {of: disk, over: 1h, reaches: 100%, within: 4h}}";
    // 10 % an hour from 20 %: full after eight hours, so four hours before that it is known.
    let fills = series(&[("__name__", "disk")], 7 * HOUR, |m| 0.2 + 0.1 * m as f64 / 60.0);
    let found = fired(rule, &[fills], (0, 7 * HOUR));
    assert_eq!(found.len(), 1, "{found:?}");
    let at = found[0].start_ms / MINUTE_MS;
    assert!((4 * HOUR..4 * HOUR + 3).contains(&at), "{at}");
}

#[test]
fn traffic_that_halves_against_yesterday_is_told() {
    let rule = "{name: gone, trend: {of: rate, against: 1d, falls: 50%}}";
    let halves = series(&[("__name__", "rate")], 2 * DAY, |m| {
        if m < DAY + 12 * HOUR { 100.0 } else { 20.0 }
    });
    let found = fired(rule, &[halves], (DAY + HOUR, DAY + 14 * HOUR));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].start_ms >= (DAY + 12 * HOUR) * MINUTE_MS);
}

#[test]
fn a_jump_is_an_anomaly_and_the_usual_swing_is_none() {
    let rule = "{name: odd, anomaly: {of: x, over: 6h}}";
    let swing = |m: i64| 10.0 + (m % 7) as f64;
    let jumps = series(&[("__name__", "x"), ("i", "1")], 8 * HOUR, |m| {
        if m == 7 * HOUR { 100.0 } else { swing(m) }
    });
    let usual = series(&[("__name__", "x"), ("i", "2")], 8 * HOUR, swing);
    let still = series(&[("__name__", "x"), ("i", "3")], 8 * HOUR, |m| {
        if m == 7 * HOUR { 5.01 } else { 5.0 }
    });
    let found = fired(rule, &[jumps, usual, still], (HOUR, 8 * HOUR));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (
            found[0].labels.get("i"),
            found[0].labels.get("lapwing_rule"),
            found[0].start_ms
        ),
        (Some("1"), None, 7 * HOUR * MINUTE_MS)
    );
}

#[test]
fn a_quiet_monday_noon_is_an_anomaly_and_a_quiet_night_is_none() {
    let rule = "{name: odd, anomaly: {of: x, method: seasonal, weeks: 3, direction: down}}";
    let daily = |m: i64| {
        if (m / HOUR) % 24 < 8 {
            5.0 + (m % 3) as f64
        } else {
            100.0 + (m % 5) as f64
        }
    };
    let at = 3 * 7 * DAY + DAY;
    let quiet = series(&[("__name__", "x")], at + 14 * HOUR, |m| {
        if m >= at + 12 * HOUR && m < at + 13 * HOUR {
            5.0
        } else {
            daily(m)
        }
    });
    let found = fired(rule, &[quiet], (at + 6 * HOUR, at + 14 * HOUR));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].start_ms, (at + 12 * HOUR) * MINUTE_MS);
}

#[test]
fn one_gpu_unlike_its_peers_is_an_anomaly() {
    let rule = "{name: straggler, anomaly: {of: gpu_temperature, method: peers, by: [instance]}}";
    let gpu = |instance: &'static str, gpu: &'static str, value: f64| {
        let pairs = [
            ("__name__", "gpu_temperature"),
            ("gpu", gpu),
            ("instance", instance),
        ];
        series(&pairs, 10, move |m| value + (m % 2) as f64)
    };
    let given = [
        gpu("a", "0", 60.0),
        gpu("a", "1", 61.0),
        gpu("a", "2", 90.0),
        gpu("a", "3", 62.0),
        // Two are no crowd: neither is the odd one.
        gpu("b", "0", 40.0),
        gpu("b", "1", 90.0),
    ];
    let found = fired(rule, &given, (1, 10));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].labels.get("instance"), found[0].labels.get("gpu")),
        (Some("a"), Some("2"))
    );
}

#[test]
fn a_burned_budget_pages_and_a_drip_warns() {
    let rule =
        "{name: slo, severity: critical, burn_rate: {bad: 'req{code=\"500\"}', total: req, objective: 99%}}";
    let run = |bad_per_minute: f64| {
        let good = series(&[("__name__", "req"), ("code", "200")], 8 * DAY, move |m| {
            m as f64 * (100.0 - bad_per_minute)
        });
        let bad = series(&[("__name__", "req"), ("code", "500")], 8 * DAY, move |m| {
            m as f64 * bad_per_minute
        });
        let found = fired(rule, &[good, bad], (4 * DAY, 4 * DAY + 20));
        let severities = found.iter().map(|f| f.labels.get("severity").unwrap().to_owned());
        severities.collect::<Vec<_>>()
    };
    assert_eq!(run(0.5), [""; 0]);
    assert_eq!(run(2.0), ["warning"]);
    assert_eq!(run(20.0), ["critical", "warning"]);
}
