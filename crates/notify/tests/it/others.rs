//! Whoever was told besides the receiver of a group: the steps of an escalation, and the fallback receiver.

use crate::world::World;
use lapwing_notify::dispatch::{Silence, SilenceMatcher};

const STEPS: &str = r#"
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 5m, repeat_interval: 12h}
receivers:
  - {name: team, webhook_configs: [{url: http://a/}]}
  - {name: ana, webhook_configs: [{url: http://b/}]}
  - {name: all, webhook_configs: [{url: http://c/}]}
lapwing:
  fallback_receiver: all
  escalations: [{name: e, steps: [{after: 5m, receiver: ana}, {after: 15m, receiver: all}]}]
"#;
const A: &[(&str, &str)] = &[("alertname", "X"), ("i", "a")];
const B: &[(&str, &str)] = &[("alertname", "X"), ("i", "b")];

/// What `w` told since the last call, without the name of the rule.
fn told(w: &mut World) -> Vec<String> {
    let short = |t: &String| t.replace("alertname=\"X\", ", "");
    w.told().iter().map(short).collect()
}

#[test]
fn whoever_was_paged_by_escalation_is_told_that_it_is_over() {
    let mut w = World::new(STEPS);
    w.fire(A);
    w.pass(20 * 60);
    assert_eq!(
        told(&mut w),
        ["team: +{i=\"a\"}", "ana: +{i=\"a\"}", "all: +{i=\"a\"}"]
    );
    w.kill();
    w.resolve(A);
    w.pass(10 * 60);
    let mut over = told(&mut w);
    over.sort();
    assert_eq!(over, ["all: -{i=\"a\"}", "ana: -{i=\"a\"}", "team: -{i=\"a\"}"]);
    w.fire(A);
    w.pass(1);
    w.resolve(A);
    w.pass(10 * 60);
    let later = told(&mut w);
    assert!(later.iter().all(|t| t.starts_with("team")), "{later:?}");
}

#[test]
fn a_step_is_told_of_the_end_of_what_it_heard_of_and_of_nothing_else() {
    let mut w = World::new(STEPS);
    w.fire(A);
    w.pass(8 * 60);
    w.fire(B);
    w.pass(3 * 60);
    w.resolve(B);
    w.pass(3 * 60);
    w.resolve(A);
    w.pass(10 * 60);
    let ana: Vec<String> = told(&mut w)
        .into_iter()
        .filter(|t| t.starts_with("ana"))
        .collect();
    assert_eq!(ana, ["ana: +{i=\"a\"}", "ana: -{i=\"a\"}"]);
}

#[test]
fn an_alert_that_joins_later_climbs_from_the_bottom() {
    let mut w = World::new(STEPS);
    w.fire(A);
    w.pass(60 * 60);
    told(&mut w);
    w.fire(B);
    w.pass(30 * 60);
    assert_eq!(
        told(&mut w),
        [
            "team: +{i=\"a\"} +{i=\"b\"}",
            "ana: +{i=\"a\"} +{i=\"b\"}",
            "all: +{i=\"a\"} +{i=\"b\"}"
        ]
    );
    w.resolve(B);
    w.pass(10 * 60);
    w.fire(B);
    w.pass(12 * 60);
    let again = told(&mut w);
    assert_eq!(
        again
            .iter()
            .filter(|t| t.starts_with("ana: +") && t.contains("+{i=\"b\"}"))
            .count(),
        1,
        "{again:?}"
    );
}

#[test]
fn what_is_inhibited_or_muted_is_not_escalated_until_that_is_over() {
    // START_MS is 22:13:20 UTC.
    let inhibited = format!(
        "{STEPS}inhibit_rules: [{{source_matchers: [alertname=Node], target_matchers: [alertname=X]}}]\n"
    );
    let muted = STEPS.replace(
        "repeat_interval: 12h",
        "repeat_interval: 12h, routes: [{matchers: [alertname=X], mute_time_intervals: [late]}]",
    ) + "time_intervals: [{name: late, time_intervals: [{times: [{start_time: '22:15', end_time: '22:43'}]}]}]\n";
    for (yaml, source) in [(inhibited, true), (muted, false)] {
        let mut w = World::new(&yaml);
        w.fire(A);
        w.pass(60);
        if source {
            w.fire(&[("alertname", "Node")]);
        }
        w.pass(25 * 60);
        let told_of_x: Vec<String> = told(&mut w).into_iter().filter(|t| t.contains("i=")).collect();
        assert_eq!(told_of_x, ["team: +{i=\"a\"}"]);
        if source {
            w.resolve(&[("alertname", "Node")]);
        }
        w.pass(10 * 60);
        assert!(told(&mut w).contains(&"ana: +{i=\"a\"}".to_owned()));
    }
}

const FALLBACK: &str = r#"
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 5m, repeat_interval: 12h}
receivers:
  - {name: team, webhook_configs: [{url: http://a/}]}
  - {name: fb, webhook_configs: [{url: http://b/}]}
lapwing: {fallback_receiver: fb}
"#;

#[test]
fn the_fallback_receiver_is_told_once_that_what_it_took_is_over() {
    for minutes_down in [10, 60] {
        let mut w = World::new(FALLBACK);
        w.down.insert("team".to_owned());
        w.fire(A);
        w.pass(10 * 60);
        if minutes_down == 10 {
            w.down.clear();
        }
        w.resolve(A);
        w.pass(40 * 60);
        w.down.clear();
        w.pass(10 * 60);
        let fallback: Vec<String> = told(&mut w).into_iter().filter(|t| t.starts_with("fb")).collect();
        assert_eq!(fallback, ["fb: +{i=\"a\"}", "fb: -{i=\"a\"}"], "{minutes_down}");
    }
}

#[test]
fn what_ended_before_the_fallback_receiver_heard_of_it_is_told_to_be_over_at_once() {
    let yaml = FALLBACK.replace("group_interval: 5m", "group_interval: 1m");
    let mut w = World::new(&yaml);
    w.down.insert("team".to_owned());
    w.fire(A);
    w.pass(30);
    w.resolve(A);
    w.pass(5 * 60);
    assert_eq!(told(&mut w), ["fb: +{i=\"a\"}", "fb: -{i=\"a\"}"]);
    w.down.clear();
    w.pass(20 * 60);
    assert!(told(&mut w).iter().all(|t| t.starts_with("team")));
}

#[test]
fn an_escalation_that_a_silence_took_back_has_no_end_to_tell() {
    let mut w = World::new(STEPS);
    w.down.insert("ana".to_owned());
    w.fire(A);
    w.pass(5 * 60 + 5);
    let matcher = SilenceMatcher {
        name: "alertname".to_owned(),
        value: "X".to_owned(),
        is_regex: false,
        is_equal: true,
    };
    let silence = Silence {
        id: String::new(),
        matchers: vec![matcher],
        starts_at_ms: w.now_ms,
        ends_at_ms: w.now_ms + 3_600_000,
        updated_at_ms: w.now_ms,
        created_by: "t".to_owned(),
        comment: String::new(),
        annotations: std::collections::BTreeMap::new(),
        until_resolved: false,
    };
    let id = w.dispatcher.set_silence(silence, w.now_ms).unwrap();
    w.pass(20 * 60);
    w.down.clear();
    w.dispatcher.end_silence(&id, w.now_ms).unwrap();
    w.resolve(A);
    w.pass(10 * 60);
    let all = told(&mut w);
    assert!(all.iter().all(|t| t.starts_with("team")), "{all:?}");
}
