//! Defects of the systems that Lapwing takes the place of, each as a test that it is gone. (`>=` behaving as `>`, labels ignored, resolving at
//! the threshold that fired and missing metrics passed over in silence stand beside the code that they concern.)

use crate::table::labels;
use lapwing_judge::rules::{
    FiredInterval, NoSeries, OwnRule, Replay, RulesOptions, compile_own_rules, explain,
};
use lapwing_types::{Sample, SeriesWrite};

fn rule(yaml: &str) -> OwnRule {
    serde_saphyr::from_str(yaml).unwrap()
}

/// One value a minute.
fn fired(yaml: &str, metric: &str, values: &[f64]) -> Vec<FiredInterval> {
    let group = compile_own_rules("f", &[(rule(yaml), 1)], &RulesOptions::default()).unwrap();
    let samples = values.iter().enumerate();
    let series = SeriesWrite {
        labels: labels(&[("__name__", metric), ("a", "1")]),
        samples: samples
            .map(|(i, v)| Sample {
                t_ms: i as i64 * 60_000,
                value: *v,
            })
            .collect(),
        ..SeriesWrite::default()
    };
    let mut replay = Replay::new(vec![group], RulesOptions::default(), &NoSeries, 0);
    replay.given(&[series]);
    let replayed = replay.run((0, (values.len() as i64 - 1) * 60_000), &mut |_, _| {});
    assert!(replayed.failures.is_empty(), "{:?}", replayed.failures);
    replayed.intervals
}

#[test]
fn seed_0_an_alert_resolves_though_its_cooldown_runs() {
    let found = fired(
        "{name: r, condition: x > 80, cooldown: 1h}",
        "x",
        &[90.0, 90.0, 10.0, 10.0],
    );
    assert_eq!((found[0].start_ms, found[0].end_ms), (0, Some(120_000)));
}

#[test]
fn seed_1_the_duration_of_a_rule_is_used() {
    let yaml = "{name: r, condition: x > 80, duration: 3m}";
    assert_eq!(fired(yaml, "x", &[90.0, 90.0, 90.0, 10.0, 90.0, 90.0]), []);
    assert_eq!(fired(yaml, "x", &[90.0, 90.0, 90.0, 90.0])[0].start_ms, 180_000);
}

#[test]
fn seed_1_conditions_are_read_and_not_looked_for_in_a_text() {
    // Its sample code knew three literal conditions; every other was false for ever.
    let found = fired(
        "{name: r, condition: error_rate > 0.07}",
        "error_rate",
        &[0.06, 0.08],
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].start_ms, 60_000);
}

#[test]
fn seed_4_a_threshold_has_a_direction() {
    // It alerted when throughput was above its threshold, that is, good.
    assert_eq!(
        fired(
            "{name: r, condition: throughput < 500}",
            "throughput",
            &[600.0, 700.0]
        ),
        []
    );
    assert_eq!(
        fired(
            "{name: r, condition: throughput < 500}",
            "throughput",
            &[600.0, 400.0]
        )
        .len(),
        1
    );
}

#[test]
fn seed_4_thresholds_of_zero_and_below_are_thresholds() {
    assert_eq!(fired("{name: r, condition: x < -5}", "x", &[-6.0]).len(), 1);
    assert_eq!(fired("{name: r, condition: x > -5}", "x", &[-6.0]), []);
    assert_eq!(
        fired("{name: r, condition: x > 0}", "x", &[0.0, 0.1])[0].start_ms,
        60_000
    );
}

#[test]
fn seed_3_a_falling_disk_is_not_a_rising_one() {
    // Its arguments for disks stood the wrong way round.
    let falls: Vec<f64> = (0..60).map(|i| 100.0 - f64::from(i)).collect();
    assert_eq!(
        fired("{name: r, trend: {of: x, over: 30m, rises: 10%}}", "x", &falls),
        []
    );
    assert_eq!(
        fired("{name: r, trend: {of: x, over: 30m, falls: 10%}}", "x", &falls).len(),
        1
    );
}

#[test]
fn seed_1_a_percentage_of_a_ratio_is_a_share() {
    let explained = explain(&rule("{name: r, condition: memory_usage > 90%}")).unwrap();
    assert_eq!(explained.compares.as_deref(), Some("> 0.9"));
}
