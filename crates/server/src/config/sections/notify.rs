//! `notify:` (or `route:`, `receivers:` and their kin verbatim), and alertmanager.yml: who is told, and how.
//!
//! What stands there goes to `lapwing-notify` as it was typed, after short forms were spelled out; its complaints come back
//! with a place in the file. What is shown of it has no secrets.

use super::alerting::{AlertingConfig, base_dir};
use crate::config::decode::{STRANGE_KEY, decode_mended, keys_named, to_json};
use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use crate::config::write::Out;
use crate::config::yaml::{Key, Node, Position, Value, parse};
use lapwing::PagingOptions;
use lapwing_notify::config::{ConfigError, NotifyConfig, RawConfig, load_notify_config, template_globs};
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

/// Sections of alertmanager.yml that may stand at the top as they are.
const VERBATIM: [&str; 6] = [
    "route",
    "receivers",
    "inhibit_rules",
    "time_intervals",
    "mute_time_intervals",
    "templates",
];

/// Below these everything is text, whatever the names of the labels are.
const TEXTS: [&str; 11] = [
    "details",
    "equal",
    "group_by",
    "headers",
    "labels",
    "match",
    "match_re",
    "source_match",
    "source_match_re",
    "target_match",
    "target_match_re",
];

/// Numbers, truth values, and what goes out as it was typed. All else is text, whatever it looks like: a tier 2, a title 5.
const AS_TYPED: [&str; 36] = [
    "changes",
    "chat_id",
    "continue",
    "disable_notifications",
    "enable_http2",
    "enabled",
    "follow_redirects",
    "force_implicit_tls",
    "graph",
    "groups",
    "implicit_tls",
    "insecure_skip_verify",
    "jira_configs",
    "link_names",
    "max_alerts",
    "message_thread_id",
    "monospace",
    "msg_in_chat_window",
    "is_webview",
    "payload",
    "persistent_notifications",
    "proxy_from_environment",
    "repeat",
    "requested_ack",
    "require_tls",
    "send_resolved",
    "short",
    "short_fields",
    "smtp_force_implicit_tls",
    "smtp_require_tls",
    "sns_configs",
    "tracing",
    "update_alerts",
    "update_message",
    "wechat_configs",
    // Of Pushover; the HTML of a mail is never a number.
    "html",
];

pub(super) fn read(
    map: &mut MapReader<'_>,
    external_url: &str,
    notes: &mut Diagnostics,
) -> (Arc<NotifyConfig>, String) {
    let is_given = |node: &&Node| node.value != Value::Null;
    let section = map.node("notify").filter(is_given);
    let mut is_there = section.is_some();
    let mut whole = section
        .cloned()
        .unwrap_or(Node::new(Value::Map(Vec::new()), Position::default()));
    for key in VERBATIM {
        let Some(node) = map.node(key).filter(is_given) else {
            continue;
        };
        if section.is_some_and(|s| has_key(s, key)) {
            let message = format!("notify: has {key}, too, and it would be dropped");
            notes.error_with_hint(
                node.at,
                key,
                message,
                format!("write one {key}, here or in notify:"),
            );
        }
        if let Value::Map(pairs) = &mut whole.value {
            pairs.retain(|(k, _)| k.text != key);
            let text = key.to_owned();
            pairs.push((Key { text, at: node.at }, node.clone()));
        }
        if !is_there {
            whole.at = node.at;
        }
        is_there = true;
    }
    if !is_there {
        return quiet();
    }
    whole.spell_out_except(&TEXTS, &AS_TYPED);
    let mut json = to_json(&whole);
    spell_out(&mut json);
    resolve((&whole, "notify"), json, external_url, notes)
}

fn has_key(node: &Node, key: &str) -> bool {
    matches!(&node.value, Value::Map(pairs) if pairs.iter().any(|(k, _)| k.text == key))
}

/// A whole alertmanager.yml: nobody judges here, and what is told comes from others.
pub(crate) fn read_alertmanager(root: &Node, external_url: &str, notes: &mut Diagnostics) -> AlertingConfig {
    let mut root = root.clone();
    root.spell_out_except(&TEXTS, &AS_TYPED);
    let mut json = to_json(&root);
    stand_beside(&mut json, (&base_dir(notes), false));
    let (notify, notify_shown) = resolve((&root, ""), json, external_url, notes);
    AlertingConfig {
        paging: PagingOptions {
            notify,
            ..PagingOptions::default()
        },
        own_rules: Vec::new(),
        saved_dir: None,
        notify_shown,
    }
}

/// The keys that serde takes here, by their paths.
pub(super) fn foreign_keys() -> Vec<(&'static str, Vec<String>)> {
    let taken = |text: &str| {
        let refusal = match load_notify_config(&text.replace("KEY", STRANGE_KEY), &[], "") {
            Ok(_) => String::new(),
            Err(errors) => errors.into_iter().map(|e| e.reason).collect(),
        };
        keys_named(&refusal)
    };
    vec![
        ("notify", taken(r#"{"KEY": 0}"#)),
        ("notify.global", taken(r#"{"global": {"KEY": 0}}"#)),
        ("notify.route", taken(r#"{"route": {"KEY": 0}}"#)),
        ("notify.lapwing", taken(r#"{"lapwing": {"KEY": 0}}"#)),
    ]
}

/// As Alertmanager reads them: relative files of an HTTP client's settings stand beside the configuration.
fn stand_beside(value: &mut Json, (base, is_inside): (&Path, bool)) {
    match value {
        Json::Object(map) => {
            for (key, inner) in map.iter_mut() {
                match inner {
                    Json::String(file) if is_inside && key.ends_with("_file") && !file.is_empty() => {
                        *file = base.join(&*file).display().to_string();
                    }
                    _ => {
                        let is_client = key == "http_config" || key.ends_with("tls_config");
                        stand_beside(inner, (base, is_inside || is_client));
                    }
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|v| stand_beside(v, (base, is_inside))),
        _ => {}
    }
}

fn quiet() -> (Arc<NotifyConfig>, String) {
    (Arc::new(NotifyConfig::quiet()), String::new())
}

/// From what was typed to what can be trusted; `node` knows where everything stood.
fn resolve(
    (node, path): (&Node, &str),
    mut json: Json,
    external_url: &str,
    notes: &mut Diagnostics,
) -> (Arc<NotifyConfig>, String) {
    let mut tree = node.clone();
    let Some(mended) = decode_mended::<RawConfig>(&mut json, (&mut tree, path), notes) else {
        return quiet();
    };
    let node = &tree;
    let text = json.to_string();
    let whole_path = |place: &str| match (path, place) {
        ("", place) => place.to_owned(),
        (path, "") => path.to_owned(),
        (path, place) => format!("{path}.{place}"),
    };
    let templates = match template_texts(&text, notes) {
        Ok(templates) => templates,
        Err(reason) => {
            notes.error(place_of(node, "templates"), &whole_path("templates"), reason);
            return quiet();
        }
    };
    match load_notify_config(&text, &templates, external_url) {
        Ok(config) => {
            for warning in &config.warnings {
                notes.warning(node.at, path, warning.clone());
            }
            redact(&mut json);
            let shown = parse(&json.to_string()).map(|tree| Out::of(&tree).to_yaml());
            (Arc::new(config), shown.unwrap_or_default())
        }
        Err(errors) => {
            // A definition that was taken out is missed now, and the reason was said already.
            let is_lost = mended.taken_out.iter().any(|p| is_definition(p));
            let is_said = |e: &ConfigError| is_lost && e.is_about_absence();
            for error in errors.iter().filter(|e| !is_said(e)) {
                let at = place_of(node, &error.place);
                notes.error(at, &whole_path(&error.place), without_place(&error.reason));
            }
            quiet()
        }
    }
}

/// Whether others may name what stands at this path: an item of a list, or its name.
fn is_definition(path: &str) -> bool {
    const LISTS: [&str; 5] = [
        "receivers[",
        "_intervals[",
        "people[",
        "schedules[",
        "escalations[",
    ];
    (path.ends_with(']') || path.ends_with("].name")) && LISTS.iter().any(|list| path.contains(list))
}

/// The `notify` part alone, for tests that bring their own.
pub(crate) fn notify_of(mut whole: Json, base: &Path) -> Result<NotifyConfig, Vec<String>> {
    spell_out(&mut whole);
    let text = whole.to_string();
    let mut notes = Diagnostics::new(&base.join("test").display().to_string());
    let templates = template_texts(&text, &mut notes).map_err(|reason| vec![reason])?;
    load_notify_config(&text, &templates, "").map_err(|errors| {
        let said = |place: &str, reason: &str| format!("notify.{place}: {}", without_place(reason));
        errors.iter().map(|e| said(&e.place, &e.reason)).collect()
    })
}

/// `slack: [{ webhook_url: … }]` is short for `slack_configs: [{ api_url: … }]`, and so for every kind of receiver.
fn spell_out(whole: &mut Json) {
    let Some(receivers) = whole.get_mut("receivers").and_then(Json::as_array_mut) else {
        return;
    };
    for receiver in receivers.iter_mut().filter_map(Json::as_object_mut) {
        let spelled = std::mem::take(receiver).into_iter().map(|(key, mut value)| {
            if key == "slack" {
                value
                    .as_array_mut()
                    .into_iter()
                    .flatten()
                    .for_each(spell_out_slack);
            }
            if matches!(key.as_str(), "name" | "labels") || key.ends_with("_configs") {
                (key, value)
            } else {
                (format!("{key}_configs"), value)
            }
        });
        *receiver = spelled.collect();
    }
}

fn spell_out_slack(config: &mut Json) {
    let Some(config) = config.as_object_mut() else {
        return;
    };
    // Whoever gives us a bot wants one message per trouble and not one per word about it.
    if config.keys().any(|k| k == "bot_token" || k == "bot_token_file") {
        config.entry("update_message").or_insert(Json::Bool(true));
    }
    let spelled = [
        ("webhook_url", "api_url"),
        ("webhook_url_file", "api_url_file"),
        ("bot_token", "app_token"),
        ("bot_token_file", "app_token_file"),
    ];
    for (short, long) in spelled {
        if let Some(value) = config.remove(short) {
            config.insert(long.to_owned(), value);
        }
    }
}

/// A place inside the text that was made of the section means nothing to whoever wrote the file.
fn without_place(reason: &str) -> &str {
    match reason
        .strip_prefix("error: line ")
        .and_then(|rest| rest.split_once(": "))
    {
        Some((_, what)) => what,
        None => reason,
    }
}

/// The place of `receivers[0].name` in the section, as far as the file has it. An item may also be called by its name, and
/// a kind of receiver by its short form.
fn place_of(node: &Node, place: &str) -> Position {
    let mut here = node;
    for part in place.split(['.', '[', ']']).filter(|p| !p.is_empty()) {
        let next = match &here.value {
            Value::Map(pairs) => pairs
                .iter()
                .find(|(k, _)| k.text == part || k.text.strip_suffix("_configs") == Some(part))
                .map(|(_, n)| n),
            Value::List(items) => match part.parse::<usize>() {
                Ok(i) => items.get(i),
                Err(_) => items.iter().find(|item| name_of(item) == Some(part)),
            },
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    here.at
}

fn name_of(node: &Node) -> Option<&str> {
    let Value::Map(pairs) = &node.value else {
        return None;
    };
    pairs.iter().find_map(|(k, n)| match &n.value {
        Value::Text(text) if k.text == "name" => Some(text.as_str()),
        _ => None,
    })
}

fn template_texts(text: &str, notes: &mut Diagnostics) -> Result<Vec<(String, String)>, String> {
    let base = base_dir(notes);
    let mut texts = Vec::new();
    for glob in template_globs(text).unwrap_or_default() {
        let wanted = base.join(&glob);
        notes.watch_pattern(&wanted);
        for file in lapwing_collect::glob::expand(&wanted) {
            notes.watch(&file);
            let name = file.display().to_string();
            let text = std::fs::read_to_string(&file).map_err(|e| format!("cannot read {name}: {e}"))?;
            texts.push((name, text));
        }
    }
    Ok(texts)
}

/// Endings of keys whose values are never shown.
const SECRET_ENDINGS: [&str; 8] = [
    "token_id",
    "url",
    "key",
    "token",
    "password",
    "secret",
    "credentials",
    "slack_app_token",
];

/// Below these no text is shown.
const SECRET_PARTS: [&str; 3] = ["endpoint_params", "proxy_connect_header", "secrets"];

fn redact(value: &mut Json) {
    match value {
        Json::Object(map) => {
            for (key, inner) in map.iter_mut() {
                match inner {
                    inner if SECRET_PARTS.contains(&key.as_str()) => hide_all(inner),
                    Json::String(text) if SECRET_ENDINGS.iter().any(|e| key.ends_with(e)) => {
                        *text = hidden(key, text);
                    }
                    _ => redact(inner),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

fn hide_all(value: &mut Json) {
    match value {
        Json::String(text) => "<secret>".clone_into(text),
        Json::Object(map) => map.values_mut().for_each(hide_all),
        Json::Array(items) => items.iter_mut().for_each(hide_all),
        _ => {}
    }
}

/// Of an address, its host stays: clients (amtool) read it as an address, and an operator knows where it leads.
fn hidden(key: &str, text: &str) -> String {
    let url = url::Url::parse(text).ok().filter(|_| key.ends_with("url"));
    match url.map(|u| u.origin()) {
        Some(origin) if origin.is_tuple() => format!("{}/<secret>", origin.ascii_serialization()),
        _ => "<secret>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut value = serde_json::json!({
            "receivers": [{ "name": "x", "slack_configs": [{ "api_url": "https://u:p@s/path", "channel": "#c", "app_token": "xoxb", "token_id": "t1" }] }]
        });
        redact(&mut value);
        let slack = &value["receivers"][0]["slack_configs"][0];
        assert_eq!(slack["api_url"], "https://s/<secret>");
        assert_eq!(slack["channel"], "#c");
        assert_eq!(slack["app_token"], "<secret>");
        assert_eq!(slack["token_id"], "<secret>");
        let mut value = serde_json::json!({ "http_config": {
            "http_headers": { "X-Key": { "values": ["shown"], "secrets": ["hush"] } },
            "oauth2": { "client_id": "me", "client_secret": "hush", "endpoint_params": { "assertion": "hush" } },
            "proxy_connect_header": { "Proxy-Authorization": ["hush"] },
        } });
        redact(&mut value);
        let text = value.to_string();
        assert!(
            !text.contains("hush") && text.contains("shown") && text.contains("me"),
            "{text}"
        );
    }

    #[test]
    fn receivers_may_be_written_short() {
        let text = "notify:\n  route: { receiver: team }\n  receivers:\n    - name: team\n      \
                    slack: [{ webhook_url: 'https://example.org/hook', channel: '#alerts' }]\n      \
                    webhook: [{ url: 'http://127.0.0.1:1/' }]\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        assert_eq!(loaded.diagnostics, []);
        let config = loaded.config.unwrap();
        assert_eq!(config.alerting.paging.notify.receivers["team"].slots().count(), 2);
        assert!(!config.alerting.notify_shown.contains("org/hook"));
    }

    #[test]
    fn an_unknown_kind_of_receiver_is_named() {
        let text = "notify:\n  route: { receiver: t }\n  receivers: [{ name: t, pigeon: [{}] }]\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        let message = &loaded.diagnostics[0].message;
        assert_eq!(message, "unknown key \"pigeon\"");
        let hint = loaded.diagnostics[0].hint.as_deref().unwrap_or_default();
        assert!(hint.contains("slack, "), "{hint}");
    }

    #[test]
    fn every_mistake_is_said_at_once_and_in_its_place() {
        let text = r#"notify:
  route:
    receiver: team
    routes:
      - { receiver: nobody, matchers: ['severity="'] }
      - { receiver: team, group_wait: never, mute_time_intervals: [nights] }
  receivers:
    - { name: team, slack: [{ api_url: 'http://127.0.0.1:1/', text: '{{ .Nope | nofunc }}' }] }
  inhibit_rules: [{ source_matchers: ['a=~"("'], target_matchers: [b=c] }]
  lapwing:
    people: [{ name: ana, receiver: ana-phone }]
    schedules:
      - name: m
        time_zone: Europe/Viena
        rotations: [{ people: [ana, ben], starts: 2026-13-02 09:00, every: 0s }]
    escalations:
      - { name: e, steps: [{ after: 5m, schedule: mm }] }
    cooldown: { bad: 5m, critical: soon }
    fallback_receiver: nowhere
"#;
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        assert!(loaded.config.is_none());
        let check = |line: usize, wanted: &str| {
            let found = &loaded.diagnostics;
            let is_there = found.iter().any(|d| d.line == line && d.message.contains(wanted));
            assert!(is_there, "no {wanted:?} in line {line} of {found:#?}");
        };
        check(5, "a quote is not closed");
        check(5, "undefined receiver \"nobody\"");
        check(6, "\"never\" is not a duration");
        check(6, "undefined time interval \"nights\"");
        check(8, "\"nofunc\" not defined");
        check(9, "invalid regular expression");
        check(11, "undefined receiver \"ana-phone\"");
        check(13, "\"Europe/Viena\" is no time zone");
        check(13, "person \"ben\" is not defined");
        check(13, "\"2026-13-02 09:00\" is no local time");
        check(13, "cannot turn every 0s");
        check(17, "undefined schedule \"mm\"");
        check(18, "\"bad\" is not a severity");
        check(18, "\"soon\" is not a duration");
        check(19, "undefined receiver \"nowhere\"");
        assert_eq!(loaded.diagnostics.len(), 15, "{:#?}", loaded.diagnostics);
    }

    #[test]
    fn an_unknown_key_hides_nothing() {
        let text = r#"notify:
  rout:
    receiver: team
    group_weit: 10s
    routes:
      - { receiver: nobody, group_interval: 1.5s }
      - { receiver: team, continue: maybe }
  receivers:
    - { name: team, slak: [{ api_url: 'http://127.0.0.1:1/', chanel: '#a', text: '{{ .Nope | nofunc }}' }] }
  colour: red
  lapwing:
    cooldown: { bad: 5m }
    fallback_reciever: nowhere
"#;
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        assert!(loaded.config.is_none());
        let found: Vec<String> = loaded
            .diagnostics
            .iter()
            .map(|d| {
                let hint = d.hint.as_deref().filter(|h| h.starts_with("did"));
                format!(
                    "{}:{} {} {}",
                    d.line,
                    d.column,
                    d.message,
                    hint.unwrap_or_default()
                )
            })
            .collect();
        for wanted in [
            r#"2:3 unknown key "rout" did you mean "route"?"#,
            r#"4:5 unknown key "group_weit" did you mean "group_wait"?"#,
            r#"undefined receiver "nobody""#,
            r#""1.5s" is not a duration"#,
            "7:37 invalid type: string \"maybe\", expected a boolean",
            r#"9:21 unknown key "slak" did you mean "slack"?"#,
            r#"unknown key "chanel" did you mean "channel"?"#,
            r#""nofunc" not defined"#,
            r#"10:3 unknown key "colour""#,
            r#""bad" is not a severity"#,
            r#"13:5 unknown key "fallback_reciever" did you mean "fallback_receiver"?"#,
            r#"undefined receiver "nowhere""#,
        ] {
            assert!(
                found.iter().any(|f| f.contains(wanted)),
                "no {wanted:?} in {found:#?}"
            );
        }
        assert_eq!(found.len(), 12, "{found:#?}");
    }

    #[test]
    fn what_is_missing_because_it_could_not_be_read_is_said_once() {
        let text = "notify:\n  route: { receiver: team }\n  receivers:\n    - { name: [team] }\n    - { name: b, slack: [{ send_resolved: perhaps, api_url: 'http://a/' }] }\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        let found: Vec<(usize, &str)> = loaded
            .diagnostics
            .iter()
            .map(|d| (d.line, d.message.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (4, "invalid type: sequence, expected a string"),
                (5, "invalid type: string \"perhaps\", expected a boolean")
            ]
        );
    }

    #[test]
    fn two_routes_are_a_mistake() {
        let inner = "notify: { route: { receiver: a }, receivers: [{ name: a }] }\n";
        let outer = "route: { receiver: b }\nreceivers: [{ name: b }]\n";
        let loaded = crate::config::load_text("lapwing.yml", &format!("{inner}{outer}"), &|_| None);
        let found: Vec<String> = loaded
            .diagnostics
            .iter()
            .map(|d| format!("{} {}", d.path, d.message))
            .collect();
        assert_eq!(
            found,
            [
                "route notify: has route, too, and it would be dropped",
                "receivers notify: has receivers, too, and it would be dropped",
            ]
        );
    }

    #[test]
    fn what_is_empty_is_absent_and_what_looks_like_a_number_is_text() {
        let yaml = "route:\n  receiver: 5\n  routes:\n  match:\ninhibit_rules:\ntemplates:\nreceivers:\n\
                    - name: 5\n  webhook_configs:\n  - {url: 'http://a/', timeout: 0, send_resolved: , http_config: {http_headers: {A: {values: [1.10]}}}}\n\
                    \x20 slack_configs:\n  - {api_url: 'http://a/', channel: '#c', title: 5, color: 123456, fields: null, short_fields: true}\n\
                    time_intervals:\n- {name: t, time_intervals: [{years: [2020], months: [1]}]}\n";
        let indented = yaml.lines().map(|l| format!("  {l}\n")).collect::<String>();
        let loaded = crate::config::load_text("lapwing.yml", &format!("notify:\n{indented}"), &|_| None);
        assert!(
            loaded.diagnostics.iter().all(|d| !d.message.contains("invalid")),
            "{:#?}",
            loaded.diagnostics
        );
        assert!(loaded.config.is_some(), "{:#?}", loaded.diagnostics);
        let mut notes = Diagnostics::new("alertmanager.yml");
        let read = read_alertmanager(&parse(yaml).unwrap(), "", &mut notes);
        assert_eq!(read.paging.notify.route.receiver, "5");
        assert!(read.notify_shown.contains("123456"), "{}", read.notify_shown);
    }

    #[test]
    fn a_receiver_that_does_not_exist_has_a_place() {
        let text = "notify:\n  route: { receiver: nobody_here }\n  receivers: [{ name: team }]\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        assert!(loaded.config.is_none());
        assert!(
            loaded.diagnostics[0].message.contains("nobody_here"),
            "{:?}",
            loaded.diagnostics
        );
    }
}
