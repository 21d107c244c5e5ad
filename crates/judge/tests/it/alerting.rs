//! Pending, firing, resolved: over time, errors, restarts and reloads.

use crate::table::{Rows, World, events, labels, load};
use lapwing_judge::rules::{NoData, OwnRule, RulesOptions, compile_own_rules};
use lapwing_types::is_stale;

const HIGH: &str = r#"
groups:
  - name: g
    interval: 10s
    rules:
      - alert: High
        expr: x > 1
        for: 30s
        labels: {severity: critical}
        annotations:
          summary: '{{ $labels.a }} is {{ $value }}'
"#;

#[test]
fn an_alert_waits_for_its_for_and_resolves() {
    let mut world = World::new(HIGH);
    world.set("x > 1", &[(&[("__name__", "x"), ("a", "1")], 7.0)]);
    assert_eq!(events(&world.after(10_000)), ["Pending {a=\"1\"}"]);
    assert!(events(&world.after(20_000)).is_empty());
    let tick = world.after(10_000);
    assert_eq!(events(&tick), ["Firing {a=\"1\"}"]);
    let alert = &tick.events[0].alert;
    assert_eq!(alert.annotations.get("summary"), Some("1 is 7"));
    assert_eq!(
        alert.labels,
        labels(&[("a", "1"), ("alertname", "High"), ("severity", "critical")])
    );
    let written: Vec<String> = tick.samples.series.iter().map(|s| s.labels.to_string()).collect();
    assert!(written[0].starts_with("ALERTS{") && written[0].contains("alertstate=\"firing\""));
    assert!(
        written[2].contains("alertstate=\"pending\"") && is_stale(tick.samples.series[2].samples[0].value)
    );
    world.set("x > 1", &[]);
    let tick = world.after(10_000);
    assert_eq!(events(&tick), ["Resolved {a=\"1\"}"]);
    assert!(tick.samples.series.iter().all(|s| is_stale(s.samples[0].value)));
}

#[test]
fn an_alert_of_two_rules_ends_with_the_last_of_them() {
    let second = "  - name: other\n    interval: 10s\n    rules:\n      - alert: High\n        expr: x > 5\n        labels: {severity: critical}\n";
    let mut world = World::new(&format!("{HIGH}{second}"));
    world.set("x > 1", &[(&[("a", "1")], 7.0)]);
    world.set("x > 5", &[(&[("a", "1")], 7.0)]);
    world.after(50_000);
    world.set("x > 5", &[]);
    assert_eq!(events(&world.after(10_000)), ["Kept {a=\"1\"}"]);
    world.set("x > 1", &[]);
    assert_eq!(events(&world.after(10_000)), ["Resolved {a=\"1\"}"]);
}

#[test]
fn a_failed_query_changes_nothing_and_is_told() {
    let mut world = World::new(HIGH);
    world.set("x > 1", &[(&[("a", "1")], 7.0)]);
    world.after(40_000);
    world
        .table
        .values
        .insert("x > 1".to_owned(), Err("boom".to_owned()));
    let tick = world.after(10_000);
    assert!(tick.events.is_empty() && tick.failures == 1);
    let view = world.rules.view(&world.state);
    assert_eq!(
        (view[0].rules[0].health, view[0].rules[0].last_error.as_deref()),
        ("err", Some("boom"))
    );
    assert_eq!(view[0].rules[0].state, Some("firing"));
}

#[test]
fn rules_are_shown_in_the_canonical_spelling() {
    let text =
        "groups: [{ name: g, rules: [{ record: r, expr: \"sum  by(a)  (rate(x{job='y'}[90m:1m]))>0\" }] }]\n";
    let world = World::new(text);
    let view = world.rules.view(&world.state);
    assert_eq!(
        view[0].rules[0].query,
        "sum by (a) (rate(x{job=\"y\"}[1h30m:1m])) > 0"
    );
}

#[test]
fn labels_keep_series_apart() {
    // Seed 0 keyed metrics by name only: the last writer won.
    let mut world = World::new(HIGH);
    world.set("x > 1", &[(&[("a", "1")], 7.0), (&[("a", "2")], 8.0)]);
    assert_eq!(world.after(10_000).events.len(), 2);
    world.set("x > 1", &[(&[("a", "2")], 8.0)]);
    assert_eq!(events(&world.after(10_000)), ["PendingEnded {a=\"1\"}"]);
    // Seed 0's active alerts only ever grew.
    world.set("x > 1", &[]);
    world.after(10_000);
    assert!(world.rules.alerts_view(&world.state).alerts.is_empty());
}

#[test]
fn keep_firing_for_outlives_a_kill() {
    let text = HIGH.replace("for: 30s", "keep_firing_for: 1m");
    let (mut world, mut rows) = (World::new(&text), Rows::default());
    world.set("x > 1", &[(&[("a", "1")], 7.0)]);
    assert_eq!(events(&world.after(10_000)), ["Firing {a=\"1\"}"]);
    world.set("x > 1", &[(&[("b", "1")], 7.0)]);
    assert!(events(&world.after(10_000)).contains(&"Kept {a=\"1\"}".to_owned()));
    rows.sync(&mut world.state);
    world.restart(&mut rows, 5_000);
    world.state.sources_ready(world.now_ms);
    assert!(
        world
            .after(45_000)
            .events
            .iter()
            .all(|e| !e.kind.concerns_dispatch())
    );
    assert_eq!(events(&world.after(10_000)), ["Resolved {a=\"1\"}"]);
}

#[test]
fn a_kill_loses_no_for_and_makes_no_false_resolve() {
    let (mut world, mut rows) = (World::new(HIGH), Rows::default());
    world.set("x > 1", &[(&[("a", "1")], 7.0)]);
    world.after(10_000);
    world.after(10_000);
    rows.sync(&mut world.state);
    world.restart(&mut rows, 5_000);
    // The store has nothing yet: that is no reason to reset the timer.
    world.set("x > 1", &[]);
    assert_eq!(events(&world.after(5_000)), ["Held {a=\"1\"}"]);
    world.set("x > 1", &[(&[("a", "1")], 7.0)]);
    world.state.sources_ready(world.now_ms);
    // Pending since 10 s, blind for 10 s: 30 s are over at 50 s.
    assert!(events(&world.after(10_000)).is_empty());
    assert_eq!(events(&world.after(10_000)), ["Firing {a=\"1\"}"]);
    rows.sync(&mut world.state);
    world.restart(&mut rows, 600_000);
    world.set("x > 1", &[]);
    let mut tick = world.after(20_000);
    loop {
        assert!(
            tick.events.iter().all(|e| !e.kind.concerns_dispatch()),
            "a firing alert is held until sources were heard"
        );
        if !tick.more {
            break;
        }
        tick = world.tick();
    }
    world.state.sources_ready(world.now_ms);
    assert_eq!(events(&world.after(10_000)), ["Resolved {a=\"1\"}"]);
}

#[test]
fn nothing_new_fires_from_the_silence_after_a_long_pause() {
    let text = HIGH.replace("for: 30s", "for: 0s");
    let (mut world, mut rows) = (World::new(&text), Rows::default());
    world.after(10_000);
    rows.sync(&mut world.state);
    world.set("x > 1", &[(&[("absent", "yes")], 1.0)]);
    world.restart(&mut rows, 3_600_000);
    let tick = world.tick();
    assert!(!events(&tick).contains(&"Firing {absent=\"yes\"}".to_owned()));
    world.set("x > 1", &[]);
    world.state.sources_ready(world.now_ms);
    while world.tick().more {}
    assert!(
        world
            .after(10_000)
            .events
            .iter()
            .all(|e| !e.kind.concerns_dispatch())
    );
}

#[test]
fn missed_evaluations_are_caught_up_in_order() {
    let text = "groups: [{name: g, interval: 10s, rules: [{record: 'y:sum', expr: sum(y)}]}]";
    let mut world = World::new(text);
    world.set("sum(y)", &[(&[], 3.0)]);
    let tick = world.after(55_000);
    let times: Vec<i64> = tick.samples.series.iter().map(|s| s.samples[0].t_ms).collect();
    assert!(times.len() >= 5 && times.is_sorted());
    assert!(times.windows(2).all(|w| w[1] - w[0] == 10_000));
    assert_eq!(tick.samples.series.len(), world.table.remembered.len());
    world.set("sum(y)", &[]);
    let tick = world.after(10_000);
    assert!(is_stale(tick.samples.series[0].samples[0].value));
}

#[test]
fn a_removed_rule_takes_its_alert_with_it_and_a_moved_for_keeps_it() {
    let mut world = World::new(HIGH);
    world.set("x > 1", &[(&[("a", "1")], 7.0)]);
    world.after(40_000);
    let options = world.rules.options().clone();
    let longer = HIGH.replace("for: 30s", "for: 1h");
    world.rules = lapwing_judge::rules::Rules::new(load(&longer), options.clone());
    assert!(
        events(&world.after(10_000)).is_empty(),
        "a reload does not un-fire"
    );
    world.rules = lapwing_judge::rules::Rules::new(Vec::new(), options);
    assert_eq!(events(&world.after(10_000)), ["RuleRemoved {a=\"1\"}"]);
}

#[test]
fn a_broken_annotation_still_makes_an_alert() {
    let text = HIGH
        .replace("{{ $value }}", "{{ query \"bad\" }}")
        .replace("for: 30s", "for: 0s");
    let mut world = World::new(&text);
    world.table.values.insert("bad".to_owned(), Err("no".to_owned()));
    world.set("x > 1", &[(&[("a", "1")], 7.0)]);
    let tick = world.after(10_000);
    let summary = tick.events[0]
        .alert
        .annotations
        .get("summary")
        .unwrap()
        .to_owned();
    assert!(summary.starts_with("<error expanding template:"), "{summary}");
}

fn own(no_data: NoData, recover: Option<&str>) -> World {
    let rule = OwnRule {
        name: "slow".to_owned(),
        condition: "lag > 80".to_owned(),
        recover: recover.map(str::to_owned),
        no_data,
        enabled: true,
        ..OwnRule::default()
    };
    let options = RulesOptions {
        interval_ms: 10_000,
        ..RulesOptions::default()
    };
    World::of(vec![
        compile_own_rules("lapwing.yml", &[(rule, 1)], &options).unwrap(),
    ])
}

#[test]
fn recover_stops_the_flapping() {
    let mut world = own(NoData::Ok, Some("70"));
    let mut step = |value: f64| {
        world.set("lag", &[(&[("a", "1")], value)]);
        events(&world.after(10_000))
    };
    assert_eq!(step(81.0), ["Firing {a=\"1\"}"]);
    assert!(step(75.0).iter().all(|e| e.starts_with("Updated")));
    assert_eq!(step(69.0), ["Resolved {a=\"1\"}"]);
    assert!(step(75.0).is_empty());
}

#[test]
fn no_data_is_ok_kept_or_an_alert_with_its_own_name() {
    // Seed 0 skipped a rule whose metric was missing, in silence.
    let fired = |no_data| {
        let mut world = own(no_data, None);
        world.set("lag", &[(&[("a", "1")], 90.0), (&[("a", "2")], 1.0)]);
        world.after(10_000);
        world.set("lag", &[]);
        events(&world.after(10_000))
    };
    assert_eq!(fired(NoData::Ok), ["Resolved {a=\"1\"}"]);
    assert_eq!(fired(NoData::Keep), ["Held {a=\"1\"}"]);
    let mut alert = fired(NoData::Alert);
    alert.sort();
    assert_eq!(alert, ["Firing {a=\"2\"}", "Updated {a=\"1\"}"]);
    let mut never = own(NoData::Alert, None);
    let tick = never.after(10_000);
    assert_eq!(tick.events[0].alert.name(), "slow");
    never.set("lag", &[(&[("a", "1")], 1.0)]);
    assert_eq!(events(&never.after(10_000)), ["Resolved {}"]);
}
