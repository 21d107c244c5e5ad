//! Routes in the terminal: the tree, and what would become of one alert.

use lapwing_notify::dispatch::{RouteView, ToldView, Traced, Verdict};
use lapwing_types::Labels;
use std::fmt::Write;

/// Each route on a line, its children below it.
pub(super) fn tree(root: &RouteView) -> String {
    let mut out = String::new();
    branch(root, ("", ""), &mut out);
    out
}

fn branch(route: &RouteView, (lead, below): (&str, &str), out: &mut String) {
    let mut line = format!("{lead}{}", route.receiver);
    let matchers: Vec<&str> = route.matchers.iter().map(|m| m.text.as_str()).collect();
    if !matchers.is_empty() {
        let _ = write!(line, "  {{{}}}", matchers.join(", "));
    }
    if route.continues {
        line.push_str("  and on");
    }
    if below.is_empty() {
        let by = route.group_by.join(", ");
        let (wait, interval, repeat) = (&route.group_wait, &route.group_interval, &route.repeat_interval);
        let _ = write!(
            line,
            "  by [{by}], after {wait}, news every {interval}, again every {repeat}"
        );
    }
    for (word, names) in [
        ("muted in", &route.mute_time_intervals),
        ("only in", &route.active_time_intervals),
    ] {
        if !names.is_empty() {
            let _ = write!(line, "  {word} {}", names.join(", "));
        }
    }
    let mark = match route.verdict {
        Verdict::Taken => "  ← taken here",
        Verdict::PassedOn => "  ↓",
        _ => "",
    };
    let _ = writeln!(out, "{line}{mark}");
    let below = below.trim_start_matches('·');
    for (i, child) in route.routes.iter().enumerate() {
        let is_last = i + 1 == route.routes.len();
        let (tip, rail) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        // A mark tells a child of the root from the root itself.
        branch(child, (&format!("{below}{tip}"), &format!("·{below}{rail}")), out);
    }
}

pub(super) fn traced(labels: &Labels, traced: &Traced) -> String {
    let mut out = format!("{labels}\n\n");
    for told in &traced.told {
        let _ = writeln!(out, "goes to {}", told_to(told));
        let (group, wait, interval) = (&told.group, &told.group_wait, &told.group_interval);
        let repeat = &told.repeat_interval;
        let _ = writeln!(
            out,
            "  in the group {group}: first after {wait}, news every {interval}, again every {repeat}"
        );
        if !told.muted_by.is_empty() {
            let _ = writeln!(
                out,
                "  not now: the time is muted by {}",
                told.muted_by.join(", ")
            );
        }
    }
    if !traced.silenced_by.is_empty() {
        let _ = writeln!(out, "not now: silenced by {}", traced.silenced_by.join(", "));
    }
    if let Some(by) = &traced.inhibited_by {
        let _ = writeln!(
            out,
            "not now: the alert {} inhibits it, rule {}",
            by.fingerprint, by.rule
        );
    }
    for rule in &traced.inhibitable_by {
        let equal = if rule.equal.is_empty() {
            String::new()
        } else {
            format!(" with the same {}", rule.equal.join(", "))
        };
        let source = rule.source.join(", ");
        let _ = writeln!(
            out,
            "quiet while an alert with {source} fires{equal} ({})",
            rule.rule
        );
    }
    for step in &traced.escalations {
        let who = match &step.receiver {
            Some(receiver) => format!("now receiver {receiver}"),
            None => "nobody is on call now".to_owned(),
        };
        let repeat = if step.repeat > 0 {
            format!(", {} times more", step.repeat)
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "unacknowledged for {}: {} ({who}{repeat}; chain {})",
            step.after, step.to, step.chain
        );
    }
    let _ = write!(out, "\n{}", tree(&traced.route));
    out
}

fn told_to(told: &ToldView) -> String {
    if told.channels.is_empty() {
        return format!("{}, which has no channel: nobody is told", told.receiver);
    }
    format!("{} by {}", told.receiver, told.channels.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_notify::config::load_notify_config;
    use lapwing_notify::dispatch::{DispatchState, Dispatcher};
    use std::sync::Arc;

    const YAML: &str = r#"
route:
  receiver: team
  group_by: [model]
  routes:
    - { receiver: pager, matchers: [severity="critical"], continue: true }
    - receiver: nobody
      matchers: [severity=~"info|warning"]
      routes: [{ receiver: team, matchers: [model="chat"] }]
receivers:
  - { name: team, webhook_configs: [{ url: "http://127.0.0.1:1/" }] }
  - { name: pager, ntfy_configs: [{ topic: t }] }
  - { name: nobody }
inhibit_rules: [{ name: root, source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [model] }]
"#;

    #[test]
    fn a_tree_is_drawn_and_an_alert_followed() {
        let config = load_notify_config(YAML, &[], "").unwrap();
        let dispatcher = Dispatcher::new(Arc::new(config), DispatchState::default(), 0);
        let labels =
            Labels::from_pairs([("alertname", "a"), ("model", "chat"), ("severity", "warning")]).unwrap();
        assert_eq!(
            traced(&labels, &dispatcher.trace(&labels, 0)),
            r#"{alertname="a", model="chat", severity="warning"}

goes to team by webhook
  in the group {model="chat"}: first after 30s, news every 5m, again every 4h
quiet while an alert with severity="critical" fires with the same model (root)

team  by [model], after 30s, news every 5m, again every 4h  ↓
├─ pager  {severity="critical"}  and on
└─ nobody  {severity=~"info|warning"}  ↓
   └─ team  {model="chat"}  ← taken here
"#
        );
    }
}
