//! From alert to page: grouping, timers, inhibition, silences, retries, kills.

use crate::world::{START_MS, World, alert};
use lapwing_notify::dispatch::{AlertFilter, Silence, SilenceMatcher, SilenceState};
use lapwing_types::{Alert, StateKind, parse_duration_ms};

const BASIC: &str = r#"
route:
  receiver: a
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 1h
receivers:
  - name: a
    webhook_configs: [{url: http://a/}]
  - name: b
    webhook_configs: [{url: http://b/}]
"#;

fn seconds(text: &str) -> i64 {
    parse_duration_ms(text).unwrap() / 1000
}

#[test]
fn the_three_timers_of_a_group() {
    let mut w = World::new(BASIC);
    w.fire(&[("alertname", "X"), ("i", "1")]);
    w.pass(29);
    assert!(w.told().is_empty());
    w.pass(1);
    assert_eq!(w.told(), ["a: +{alertname=\"X\", i=\"1\"}"]);
    w.fire(&[("alertname", "X"), ("i", "2")]);
    w.pass(seconds("5m") - 1);
    assert!(w.told().is_empty());
    w.pass(1);
    assert_eq!(
        w.told(),
        ["a: +{alertname=\"X\", i=\"1\"} +{alertname=\"X\", i=\"2\"}"]
    );
    w.resolve(&[("alertname", "X"), ("i", "1")]);
    w.pass(seconds("5m"));
    assert_eq!(
        w.told(),
        ["a: +{alertname=\"X\", i=\"2\"} -{alertname=\"X\", i=\"1\"}"]
    );
    w.pass(seconds("55m"));
    assert!(w.told().is_empty());
    w.pass(seconds("5m"));
    assert_eq!(w.told(), ["a: +{alertname=\"X\", i=\"2\"}"], "a repeat");
    w.resolve(&[("alertname", "X"), ("i", "2")]);
    w.pass(seconds("5m"));
    assert_eq!(w.told(), ["a: -{alertname=\"X\", i=\"2\"}"]);
    w.pass(seconds("3h"));
    assert!(w.told().is_empty());
    assert!(
        w.dispatcher
            .groups_view(&AlertFilter::default(), w.now_ms)
            .is_empty()
    );
    assert_eq!(
        w.reasons("X")[..6],
        [
            "firing",
            "route_matched",
            "group_opened",
            "notify",
            "send_intended",
            "delivered"
        ]
    );
}

/// The ends of a storm come over many requests: nobody is told of each.
#[test]
fn ends_that_come_one_by_one_are_told_together() {
    let mut w = World::new(BASIC);
    for i in ["1", "2", "3"] {
        w.fire(&[("alertname", "X"), ("i", i)]);
    }
    w.pass(30);
    assert_eq!(w.told().len(), 1);
    for i in ["1", "2", "3"] {
        w.pass(90);
        w.resolve(&[("alertname", "X"), ("i", i)]);
    }
    assert!(w.told().is_empty(), "all have ended, and their time has not come");
    w.pass(seconds("5m") - 270);
    assert_eq!(
        w.told(),
        ["a: -{alertname=\"X\", i=\"1\"} -{alertname=\"X\", i=\"2\"} -{alertname=\"X\", i=\"3\"}"]
    );
}

/// The attempt is a row of its own beside the page, and outlives the process as the page does.
#[test]
fn a_page_under_way_at_a_kill_is_sent_again_and_the_ledger_says_so() {
    let mut w = World::new(BASIC);
    w.fire(&[("alertname", "X")]);
    w.now_ms += 30_000;
    assert_eq!(w.dispatcher.due(w.now_ms)[0].attempt, 1);
    w.commit();
    w.kill();
    let again = w.dispatcher.due(w.now_ms);
    assert_eq!((again.len(), again[0].attempt), (1, 2));
    w.commit();
    let events: Vec<&str> = w.ledger.iter().map(|e| e.event.as_str()).collect();
    assert_eq!(events, ["intended", "attempted", "interrupted", "attempted"]);
    w.kill();
    w.round();
    assert_eq!(w.told(), ["a: +{alertname=\"X\"}"]);
    w.kill();
    w.round();
    assert!(w.told().is_empty() && w.dispatcher.pending().is_empty());
}

#[test]
fn a_resolved_alert_is_told_even_within_a_cooldown_and_leaves_the_active_ones() {
    // Seed 0 looked for the end only after the cooldown, told nobody of it, and kept the alert in its dict.
    let yaml = format!("{BASIC}lapwing: {{cooldown: {{warning: 2h}}}}\n");
    let mut w = World::new(&yaml);
    w.fire(&[("alertname", "X"), ("severity", "warning")]);
    w.pass(60);
    w.resolve(&[("alertname", "X"), ("severity", "warning")]);
    w.pass(300);
    assert_eq!(w.told().len(), 2);
    assert!(
        w.dispatcher
            .alerts_view(&AlertFilter::default(), w.now_ms)
            .is_empty()
    );
    w.fire(&[("alertname", "X"), ("severity", "warning")]);
    w.pass(seconds("1h"));
    assert!(w.told().is_empty(), "the second firing is held back");
    assert!(w.reasons("X").contains(&"cooling_down".to_owned()));
    w.pass(seconds("1h"));
    assert_eq!(w.told().len(), 1, "and told when the cooldown is over");
}

#[test]
fn a_cooldown_never_holds_back_a_higher_severity() {
    // Seed 1's sample: one name, one cooldown; a warning held back the critical alert after it.
    let yaml = format!("{BASIC}lapwing: {{cooldown: {{warning: 2h, error: 2h, critical: 2h}}}}\n");
    let mut w = World::new(&yaml);
    for severity in ["warning", "error", "critical", "critical"] {
        w.fire(&[("alertname", "X"), ("severity", severity)]);
        w.pass(330);
        assert_eq!(w.told().len(), 1, "{severity}");
        w.resolve(&[("alertname", "X"), ("severity", severity)]);
        w.pass(330);
        assert_eq!(w.told().len(), 1, "{severity} ended");
    }
}

#[test]
fn an_inhibited_alert_is_not_told_after_a_kill_either() {
    let yaml = format!(
        "{BASIC}inhibit_rules: [{{source_matchers: [alertname=Down], target_matchers: [alertname=Slow], equal: [host]}}]\n"
    );
    let mut w = World::new(&yaml);
    w.fire(&[("alertname", "Down"), ("host", "h")]);
    w.fire(&[("alertname", "Slow"), ("host", "h")]);
    w.fire(&[("alertname", "Slow"), ("host", "other")]);
    w.pass(10);
    w.kill();
    w.pass(30);
    let told = w.told();
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .all(|t| !t.contains("host=\"h\"") || t.contains("Down"))
    );
    let views = w.dispatcher.alerts_view(&AlertFilter::default(), w.now_ms);
    let suppressed: Vec<_> = views.iter().filter(|v| v.status.state == "suppressed").collect();
    assert_eq!(suppressed.len(), 1);
    assert!(w.reasons("Slow").contains(&"inhibited".to_owned()));
}

fn silence(name: &str, hours: i64) -> Silence {
    Silence {
        id: String::new(),
        matchers: vec![SilenceMatcher {
            name: "alertname".to_owned(),
            value: name.to_owned(),
            is_regex: false,
            is_equal: true,
        }],
        starts_at_ms: 0,
        ends_at_ms: START_MS + hours * 3_600_000,
        updated_at_ms: 0,
        created_by: "me".to_owned(),
        comment: "c".to_owned(),
        annotations: Default::default(),
        until_resolved: false,
    }
}

#[test]
fn a_silence_outlives_a_kill_and_never_comes_back() {
    let mut w = World::new(BASIC);
    let id = w.dispatcher.set_silence(silence("X", 1), w.now_ms).unwrap();
    w.commit();
    w.fire(&[("alertname", "X")]);
    w.kill();
    w.fire(&[("alertname", "X")]);
    w.pass(60);
    assert!(w.told().is_empty());
    w.dispatcher.end_silence(&id, w.now_ms).unwrap();
    w.commit();
    w.kill();
    w.pass(300);
    assert_eq!(w.told().len(), 1, "what it hid is told when it ends");
    assert_eq!(
        w.dispatcher.silence(&id).unwrap().state(w.now_ms),
        SilenceState::Expired
    );
    w.pass(seconds("6d") / 100);
    assert!(
        w.dispatcher.set_silence(silence("", 1), w.now_ms).is_err(),
        "it would silence everything"
    );
}

#[test]
fn silence_until_resolved() {
    let mut w = World::new(BASIC);
    w.fire(&[("alertname", "X")]);
    let made = Silence {
        until_resolved: true,
        ..silence("X", 10_000)
    };
    let id = w.dispatcher.set_silence(made, w.now_ms).unwrap();
    w.pass(60);
    w.resolve(&[("alertname", "X")]);
    w.pass(60);
    assert_eq!(
        w.dispatcher.silence(&id).unwrap().state(w.now_ms),
        SilenceState::Expired
    );
    w.fire(&[("alertname", "X")]);
    w.pass(300);
    assert_eq!(w.told().len(), 1);
}

#[test]
fn a_page_outlives_a_dead_receiver_and_a_kill() {
    let mut w = World::new(BASIC);
    w.down.insert("a".to_owned());
    w.fire(&[("alertname", "X")]);
    w.pass(seconds("20m"));
    w.kill();
    w.pass(seconds("20m"));
    assert!(w.told().is_empty());
    w.resolve(&[("alertname", "X")]);
    w.pass(seconds("10m"));
    w.down.clear();
    w.pass(seconds("5m"));
    assert_eq!(
        w.told(),
        ["a: +{alertname=\"X\"}", "a: -{alertname=\"X\"}"],
        "in order, nothing lost"
    );
    assert!(w.dispatcher.pending().is_empty());
}

#[test]
fn a_page_on_its_way_ends_with_a_silence_and_is_told_when_the_silence_ends() {
    let mut w = World::new(BASIC);
    w.fire(&[("alertname", "X"), ("i", "1")]);
    w.pass(40);
    assert_eq!(w.told(), ["a: +{alertname=\"X\", i=\"1\"}"]);
    // The news of the second one cannot be delivered, and then somebody silences both.
    w.down.insert("a".to_owned());
    w.fire(&[("alertname", "X"), ("i", "2")]);
    w.pass(seconds("6m"));
    assert_eq!(w.dispatcher.pending().len(), 1);
    let id = w.dispatcher.set_silence(silence("X", 1), w.now_ms).unwrap();
    w.commit();
    w.kill();
    w.pass(seconds("10m"));
    assert!(w.dispatcher.pending().is_empty(), "nobody wants to hear it");
    w.down.clear();
    w.pass(seconds("10m"));
    assert_eq!(w.told(), Vec::<String>::new());
    assert!(w.ledger.iter().any(|row| row.detail == "silenced"));
    assert!(w.reasons("X").contains(&"silenced".to_owned()));
    // The first one was told: it is no news. The second one was not.
    w.dispatcher.end_silence(&id, w.now_ms).unwrap();
    w.pass(seconds("6m"));
    assert_eq!(
        w.told(),
        ["a: +{alertname=\"X\", i=\"1\"} +{alertname=\"X\", i=\"2\"}"]
    );
    w.resolve(&[("alertname", "X"), ("i", "1")]);
    w.resolve(&[("alertname", "X"), ("i", "2")]);
    w.pass(seconds("6m"));
    assert_eq!(
        w.told(),
        ["a: -{alertname=\"X\", i=\"1\"} -{alertname=\"X\", i=\"2\"}"]
    );
}

#[test]
fn what_is_not_silenced_of_a_page_on_its_way_is_still_told() {
    let mut w = World::new(&BASIC.replace("group_by: [alertname]", "group_by: []"));
    w.down.insert("a".to_owned());
    w.fire(&[("alertname", "X")]);
    w.fire(&[("alertname", "Y")]);
    w.pass(60);
    w.dispatcher.set_silence(silence("X", 1), w.now_ms).unwrap();
    w.down.clear();
    w.pass(60);
    assert_eq!(w.told(), ["a: +{alertname=\"Y\"}"]);
}

/// Of `{alertname="X", i="1"}`, as Alertmanager 0.25 wrote it.
const HASH_OF_1: u64 = 15_052_054_703_712_333_863;

#[test]
fn what_the_alertmanager_before_told_is_not_told_again_but_its_end_is() {
    let mut w = World::new(BASIC);
    let told_at_ms = w.now_ms - 60_000;
    let json = format!(r#"{{"told_at_ms": {told_at_ms}, "firing": [{HASH_OF_1}, 7]}}"#);
    w.put_row(StateKind::Handover, r#"a/webhook/0:{alertname="X"}"#, &json);
    w.kill();
    // They began before, as their sender says.
    let began_ms = told_at_ms - 60_000;
    let sent = |i: &str, ends_at_ms: Option<i64>| Alert {
        starts_at_ms: began_ms,
        ends_at_ms,
        ..alert(&[("alertname", "X"), ("i", i)])
    };
    w.dispatcher.apply_alerts([sent("1", None)], w.now_ms);
    w.pass(60);
    assert_eq!(w.told(), Vec::<String>::new());
    w.kill();
    w.pass(60);
    assert_eq!(w.told(), Vec::<String>::new());
    // It never spoke of this one.
    w.dispatcher.apply_alerts([sent("2", None)], w.now_ms);
    w.pass(seconds("5m"));
    assert_eq!(
        w.told(),
        ["a: +{alertname=\"X\", i=\"1\"} +{alertname=\"X\", i=\"2\"}"]
    );
    w.dispatcher
        .apply_alerts([sent("1", Some(w.now_ms)), sent("2", Some(w.now_ms))], w.now_ms);
    w.pass(seconds("6m"));
    assert_eq!(
        w.told(),
        ["a: -{alertname=\"X\", i=\"1\"} -{alertname=\"X\", i=\"2\"}"]
    );
    // Its next firing is news.
    w.fire(&[("alertname", "X"), ("i", "1")]);
    w.pass(60);
    assert_eq!(w.told(), ["a: +{alertname=\"X\", i=\"1\"}"]);
}

#[test]
fn what_ended_while_the_alertmanager_was_exchanged_is_told_to_be_over() {
    let mut w = World::new(BASIC);
    let json = format!(r#"{{"told_at_ms": {}, "firing": [{HASH_OF_1}]}}"#, w.now_ms);
    w.put_row(StateKind::Handover, r#"a/webhook/0:{alertname="X"}"#, &json);
    w.kill();
    // Its sender says so again and again.
    for _ in 0..3 {
        let ended = Alert {
            starts_at_ms: START_MS - 60_000,
            ends_at_ms: Some(w.now_ms),
            ..alert(&[("alertname", "X"), ("i", "1")])
        };
        w.dispatcher.apply_alerts([ended], w.now_ms);
        w.pass(60);
    }
    assert_eq!(w.told(), ["a: -{alertname=\"X\", i=\"1\"}"]);
}

#[test]
fn the_fallback_receiver_takes_over_and_a_dead_letter_pages_too() {
    let yaml = format!("{BASIC}lapwing: {{fallback_receiver: b, fallback_after: 2m, give_up_after: 1h}}\n");
    let mut w = World::new(&yaml);
    w.down.insert("a".to_owned());
    w.fire(&[("alertname", "X")]);
    w.pass(seconds("6m"));
    assert_eq!(w.told(), ["b: +{alertname=\"X\"}"]);
    assert!(w.dispatcher.pending().is_empty(), "the fallback's yes is enough");
    w.down.insert("b".to_owned());
    w.fire(&[("alertname", "Y")]);
    w.pass(seconds("70m"));
    let dead = w.dispatcher.dead_letters();
    assert!(dead.iter().any(|d| d.group_key.contains("Y")));
    w.down.clear();
    w.pass(seconds("10m"));
    assert!(w.told().iter().any(|t| t.contains("LapwingNotificationFailed")));
}

#[test]
fn the_fallback_receiver_is_told_when_its_time_has_come() {
    let yaml = format!("{BASIC}lapwing: {{fallback_receiver: b, fallback_after: 4m}}\n");
    let told_after_ms = |retry_after_ms: Option<i64>| {
        let mut w = World::new(&yaml);
        w.down.insert("a".to_owned());
        w.retry_after_ms = retry_after_ms;
        w.fire(&[("alertname", "X")]);
        w.pass(seconds("10m"));
        let first = w.ledger.first().expect("it was written down").at_ms;
        assert_eq!(w.pages.len(), 1);
        w.pages[0].at_ms - first
    };
    // Not an attempt later, however long the pauses have become.
    // The clock of this world goes by seconds.
    assert_eq!(told_after_ms(None), 241_000);
    // Nobody waits for a receiver that says that it will take nothing until then: here with its third answer, after 180 s.
    assert_eq!(told_after_ms(Some(90_000)), 181_000);
    assert_eq!(told_after_ms(Some(3_600_000)), 1_000);
}

#[test]
fn a_receiver_that_refuses_is_a_dead_letter_at_once_and_told() {
    let yaml = BASIC.replace("routes:", "") + "lapwing: {fallback_receiver: b}\n";
    let mut w = World::new(&yaml);
    w.refusing.insert("a".to_owned());
    w.fire(&[("alertname", "X")]);
    w.pass(32);
    assert_eq!(w.told(), ["b: +{alertname=\"X\"}"]);
    assert_eq!(w.dispatcher.dead_letters().len(), 1);
}

#[test]
fn a_sender_that_falls_silent_ends_its_alert_but_our_own_absence_does_not() {
    let mut w = World::new(BASIC);
    w.dispatcher
        .apply_alerts([alert(&[("alertname", "X")])], w.now_ms);
    w.pass(60);
    assert_eq!(w.told().len(), 1);
    // Down for an hour: nobody could have repeated it to us.
    w.now_ms += 3_600_000;
    w.kill();
    w.pass(seconds("4m"));
    assert!(w.told().iter().all(|t| !t.contains('-')));
    w.pass(seconds("10m"));
    assert!(w.told().iter().any(|t| t.contains('-')));
    assert!(w.reasons("X").contains(&"sender_silent".to_owned()));
}

#[test]
fn what_fired_and_ended_between_two_flushes_was_still_a_page() {
    let mut w = World::new(BASIC);
    w.fire(&[("alertname", "X"), ("i", "1")]);
    w.pass(40);
    w.fire(&[("alertname", "X"), ("i", "2")]);
    w.pass(60);
    w.resolve(&[("alertname", "X"), ("i", "2")]);
    w.fire(&[("alertname", "X"), ("i", "3")]);
    w.pass(5);
    w.resolve(&[("alertname", "X"), ("i", "3")]);
    w.pass(300);
    let told = w.told();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[1].contains("+{alertname=\"X\", i=\"2\"}"));
    assert!(told[2].contains("-{alertname=\"X\", i=\"2\"}"));
    assert!(
        told.iter().all(|t| !t.contains("i=\"3\"")),
        "shorter than group_wait"
    );
}

#[test]
fn a_reload_keeps_timers_and_what_was_told() {
    let mut w = World::new(BASIC);
    w.fire(&[("alertname", "X")]);
    w.pass(60);
    w.told();
    let longer = BASIC.replace("repeat_interval: 1h", "repeat_interval: 2h");
    w.config = crate::world::config(&longer);
    w.dispatcher.reload(w.config.clone(), w.now_ms);
    w.pass(seconds("110m"));
    assert!(w.told().is_empty());
    w.pass(seconds("15m"));
    assert_eq!(w.told().len(), 1);
}

#[test]
fn mute_times_hold_back_and_the_end_is_told_afterwards() {
    // START_MS is Tuesday, 22:13:20 UTC.
    let yaml = BASIC.replace(
        "receivers:",
        "  routes: [{receiver: a, mute_time_intervals: [night]}]\ntime_intervals: [{name: night, time_intervals: [{times: [{start_time: '22:20', end_time: '23:00'}]}]}]\nreceivers:",
    );
    let mut w = World::new(&yaml);
    w.fire(&[("alertname", "X")]);
    w.pass(seconds("5m"));
    assert_eq!(w.told().len(), 1);
    w.pass(seconds("5m"));
    w.resolve(&[("alertname", "X")]);
    w.pass(seconds("30m"));
    assert!(w.told().is_empty());
    w.pass(seconds("15m"));
    assert_eq!(w.told(), ["a: -{alertname=\"X\"}"]);
    assert!(w.reasons("X").contains(&"muted_by_time".to_owned()));
}

#[test]
fn an_ack_stops_repeats_and_a_forgotten_one_does_not() {
    let mut w = World::new(BASIC);
    w.fire(&[("alertname", "X")]);
    w.pass(60);
    w.told();
    let print = alert(&[("alertname", "X")]).fingerprint();
    let until_ms = w.now_ms + 3 * 3_600_000;
    w.dispatcher
        .acknowledge(print, ("ann", "on it"), Some(until_ms), w.now_ms)
        .unwrap();
    w.pass(seconds("2h"));
    w.kill();
    w.pass(seconds("50m"));
    assert!(w.told().is_empty());
    w.pass(seconds("15m"));
    assert_eq!(w.told().len(), 1, "forgotten");
    assert!(w.reasons("X").contains(&"ack_expired".to_owned()));
}

#[test]
fn escalation_waits_for_an_ack_and_outlives_a_kill() {
    let yaml = format!(
        "{BASIC}lapwing: {{escalations: [{{name: e, matchers: [severity=critical], steps: [{{after: 10m, receiver: b, repeat: 1}}]}}]}}\n"
    );
    let mut w = World::new(&yaml);
    w.fire(&[("alertname", "X"), ("severity", "critical")]);
    w.pass(seconds("5m"));
    w.kill();
    w.pass(seconds("6m"));
    let told = w.told();
    assert_eq!(told.iter().filter(|t| t.starts_with("b:")).count(), 1, "{told:?}");
    let print = alert(&[("alertname", "X"), ("severity", "critical")]).fingerprint();
    w.dispatcher
        .acknowledge(print, ("ann", ""), None, w.now_ms)
        .unwrap();
    w.pass(seconds("1h"));
    assert!(w.told().iter().all(|t| !t.starts_with("b:")));
    w.dispatcher.unacknowledge(print);
    w.pass(seconds("11m"));
    assert_eq!(
        w.told().iter().filter(|t| t.starts_with("b:")).count(),
        1,
        "the repeat"
    );
    w.pass(seconds("50m"));
    assert!(w.told().iter().all(|t| !t.starts_with("b:")), "the chain is done");
}

#[test]
fn a_flapping_alert_is_told_once_until_it_rests() {
    let yaml = BASIC.replace("group_interval: 5m", "group_interval: 1m")
        + "lapwing: {flap: {window: 30m, changes: 4}}\n";
    let mut w = World::new(&yaml);
    for _ in 0..10 {
        w.fire(&[("alertname", "X")]);
        w.pass(90);
        w.resolve(&[("alertname", "X")]);
        w.pass(90);
    }
    let told = w.told();
    assert!(told.len() <= 4, "{told:?}");
    w.pass(seconds("40m"));
    assert_eq!(w.told(), ["a: -{alertname=\"X\"}"], "at rest");
}

#[test]
fn a_storm_becomes_one_page_but_critical_stays_alone() {
    let yaml = BASIC.replace("[alertname]", "['...']") + "lapwing: {storm: {groups: 3, window: 1m}}\n";
    let mut w = World::new(&yaml);
    for i in 0..50 {
        w.fire(&[("alertname", "X"), ("i", &i.to_string())]);
    }
    w.fire(&[("alertname", "C"), ("severity", "critical")]);
    w.pass(40);
    let told = w.told();
    assert!(told.len() <= 6, "{}", told.len());
    assert!(told.iter().any(|t| t.matches('+').count() >= 40));
    assert!(
        told.iter()
            .any(|t| t.contains("critical") && t.matches('+').count() == 1)
    );
    let all = told.join("");
    assert!((0..50).all(|i| all.contains(&format!("i=\"{i}\""))));
}

#[test]
fn an_alert_that_no_rule_knows_any_more_ends_and_one_that_we_lost_begins() {
    let mut w = World::new(BASIC);
    let ours = |name: &str| alert(&[("alertname", name)]);
    w.dispatcher.reconcile(&[ours("X")], w.now_ms);
    w.dispatcher.apply_alerts([ours("Sender")], w.now_ms);
    w.pass(1);
    assert_eq!(w.told(), ["a: +{alertname=\"X\"}"]);
    w.dispatcher.reconcile(&[ours("Y")], w.now_ms);
    let views = w.dispatcher.alerts_view(&AlertFilter::default(), w.now_ms);
    let mut names: Vec<_> = views.iter().map(|v| v.labels.get("alertname").unwrap()).collect();
    names.sort();
    assert_eq!(names, ["Sender", "Y"]);
}

#[test]
fn escalation_tells_whoever_is_on_call_when_the_step_is_due() {
    // START_MS is Tuesday, 22:13:20 UTC; the hand-over is at midnight.
    let yaml = format!(
        "{BASIC}lapwing:\n  people: [{{name: ana, receiver: b}}, {{name: ben, receiver: c}}]\n  \
         schedules: [{{name: main, rotations: [{{people: [ana, ben], starts: 2023-11-14, every: 1d}}]}}]\n  \
         escalations: [{{name: e, steps: [{{after: 1h, schedule: main}}, {{after: 2h, schedule: main}}, {{after: 3h, person: ana}}]}}]\n"
    )
    .replace("receivers:", "receivers:\n  - {name: c, webhook_configs: [{url: 'http://c/'}]}");
    let mut w = World::new(&yaml);
    w.fire(&[("alertname", "X")]);
    w.pass(seconds("65m"));
    w.kill();
    w.pass(seconds("3h"));
    let told = w.told();
    let to = |who: &str| told.iter().filter(|t| t.starts_with(who)).count();
    assert_eq!((to("b:"), to("c:")), (2, 1), "{told:?}");
    let details: Vec<&str> = w
        .decisions
        .iter()
        .filter(|d| d.detail.contains("chain e"))
        .map(|d| d.detail.as_str())
        .collect();
    assert_eq!(
        details,
        [
            "chain e, step 1, schedule main, person ana",
            "chain e, step 2, schedule main, person ben",
            "chain e, step 3, person ana",
        ]
    );
}

#[test]
fn where_nobody_is_on_call_the_fallback_receiver_is_told() {
    let yaml = format!(
        "{BASIC}lapwing:\n  fallback_receiver: b\n  people: [{{name: ana, receiver: a}}]\n  \
         schedules: [{{name: main, rotations: [{{people: [ana], starts: 2033-01-01}}]}}]\n  \
         escalations: [{{name: e, steps: [{{after: 10m, schedule: main}}]}}]\n"
    );
    let mut w = World::new(&yaml);
    w.fire(&[("alertname", "X")]);
    w.pass(seconds("15m"));
    assert!(w.told().iter().any(|t| t.starts_with("b:")));
    assert!(w.decisions.iter().any(|d| d.detail.contains("nobody is on call")));
}

#[test]
fn a_recurring_silence_hides_while_its_interval_holds() {
    // START_MS is Tuesday, 22:13:20 UTC.
    let yaml = format!(
        "{BASIC}time_intervals: [{{name: backup, time_intervals: [{{times: [{{start_time: '22:00', end_time: '23:00'}}]}}]}}]\n\
         lapwing: {{recurring_silences: [{{name: nightly, matchers: ['disk=\"a\"'], during: [backup]}}]}}\n"
    );
    let mut w = World::new(&yaml);
    w.fire(&[("alertname", "X"), ("disk", "a")]);
    w.fire(&[("alertname", "Y"), ("disk", "b")]);
    w.pass(seconds("20m"));
    assert!(w.told().iter().all(|t| !t.contains("\"a\"")));
    let labels = alert(&[("alertname", "X"), ("disk", "a")]).labels;
    assert_eq!(w.dispatcher.silences_of(&labels, w.now_ms), ["recurring/nightly"]);
    w.pass(seconds("40m"));
    assert!(
        w.told().iter().any(|t| t.contains("\"a\"")),
        "told when the interval is over"
    );
}

#[test]
fn groups_are_shown_by_alertmanagers_keys_and_siblings_keep_apart() {
    let yaml = r#"
route:
  receiver: a
  group_by: [alertname]
  group_wait: 0s
  routes:
    - {receiver: a, matchers: ['team="x"', 'severity="critical"'], continue: true}
    - {receiver: b, matchers: ['severity="critical"', 'team="x"'], continue: true}
    - {receiver: b, matchers: ['severity="critical"', 'team="x"']}
    - {receiver: a, match: {zz: x}, match_re: {bb: "y.*"}, matchers: ['aa!="1"']}
receivers:
  - {name: a, webhook_configs: [{url: http://a/}]}
  - {name: b, webhook_configs: [{url: http://b/}]}
"#;
    let mut w = World::new(yaml);
    w.fire(&[("alertname", "X"), ("severity", "critical"), ("team", "x")]);
    w.fire(&[("alertname", "Y"), ("bb", "yes"), ("zz", "x")]);
    let shown: Vec<String> = w
        .dispatcher
        .due(w.now_ms)
        .into_iter()
        .map(|n| n.group_key)
        .collect();
    let siblings = r#"{}/{severity="critical",team="x"}:{alertname="X"}"#;
    let old = r#"{}/{aa!="1",bb=~"^(?:y.*)$",zz="x"}:{alertname="Y"}"#;
    let count = |key: &str| shown.iter().filter(|k| *k == key).count();
    assert_eq!(
        (count(siblings), count(old), shown.len()),
        (3, 1, 4),
        "{shown:#?}"
    );
}

#[test]
fn a_silence_of_excluding_matchers_alone_is_taken() {
    let mut w = World::new(BASIC);
    let mut excluding = silence("env", 1);
    excluding.matchers[0].is_equal = false;
    excluding.matchers[0].value = "prod".to_owned();
    assert!(w.dispatcher.set_silence(excluding, w.now_ms).is_ok());
    let mut nothing = silence("env", 1);
    nothing.matchers[0].value = String::new();
    assert!(w.dispatcher.set_silence(nothing, w.now_ms).is_err());
}

#[test]
fn silences_are_listed_as_alertmanager_lists_them() {
    let mut w = World::new(BASIC);
    let mut set = |name: &str, from_hours: i64, hours: i64| {
        let mut one = silence(name, 0);
        one.starts_at_ms = w.now_ms + from_hours * 3_600_000;
        one.ends_at_ms = one.starts_at_ms + hours * 3_600_000;
        w.dispatcher.set_silence(one, w.now_ms).unwrap()
    };
    let ids = [set("a", 0, 1), set("b", 0, 2), set("c", 3, 9), set("d", 4, 5)];
    let listed = |w: &World, after_hours: i64| -> Vec<usize> {
        let views = w
            .dispatcher
            .silences_view(&[], w.now_ms + after_hours * 3_600_000);
        let place = |id: Option<String>| ids.iter().position(|known| Some(known) == id.as_ref());
        views.into_iter().filter_map(|view| place(view.id)).collect()
    };
    // What is in force ends soonest first, what is to come begins soonest first, what is over ended last first.
    assert_eq!(listed(&w, 0), [0, 1, 2, 3]);
    assert_eq!(listed(&w, 5), [3, 2, 1, 0]);
}
