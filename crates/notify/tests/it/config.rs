//! Alertmanager's files are read unchanged, and every mistake is told.

use lapwing_notify::config::{Route, load_notify_config};
use lapwing_types::Labels;

/// After Alertmanager's own documentation: every part that people use.
const FULL: &str = r#"
global:
  resolve_timeout: 5m
  smtp_smarthost: 'localhost:25'
  smtp_from: 'lapwing@example.org'
  smtp_auth_username: 'lapwing'
  smtp_auth_password: 'password'
  slack_api_url: 'https://hooks.slack.example/x'
templates:
  - '/etc/alertmanager/template/*.tmpl'
route:
  group_by: ['alertname', 'cluster', 'service']
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 3h
  receiver: team-X-mails
  routes:
    - matchers: [ service=~"foo1|foo2|baz" ]
      receiver: team-X-mails
      routes:
        - matchers: [ severity="critical" ]
          receiver: team-X-pager
    - match: { service: files }
      match_re: { host: 'web.*' }
      receiver: team-Y-mails
      continue: true
    - matchers: [ '{service="files"}' ]
      receiver: team-X-pager
      mute_time_intervals: [ offhours ]
    - matchers: [ owner=team-DB ]
      group_by: [ ... ]
      receiver: team-DB
inhibit_rules:
  - source_matchers: [ severity="critical" ]
    target_matchers: [ severity="warning" ]
    equal: [ alertname, cluster, service ]
time_intervals:
  - name: offhours
    time_intervals:
      - weekdays: ['saturday', 'sunday']
receivers:
  - name: 'team-X-mails'
    email_configs:
      - to: 'team-X+alerts@example.org'
        headers: { Subject: '{{ .GroupLabels.alertname }}' }
  - name: 'team-X-pager'
    pagerduty_configs:
      - service_key: abc
    opsgenie_configs:
      - api_key: k
        responders: [{ name: ops, type: team }]
  - name: 'team-Y-mails'
    slack_configs:
      - channel: '#y'
        send_resolved: true
        title: '{{ template "slack.default.title" . }}'
        fields: [{ title: Env, value: '{{ .CommonLabels.env }}', short: true }]
        actions: [{ type: button, text: Runbook, url: '{{ (index .Alerts 0).Annotations.runbook_url }}' }]
  - name: 'team-DB'
    webhook_configs:
      - url: http://127.0.0.1:5001/
        max_alerts: 5
        http_config: { basic_auth: { username: u, password: p } }
    msteamsv2_configs: [{ webhook_url: 'https://teams.example/x' }]
    discord_configs: [{ webhook_url: 'https://discord.example/x' }]
    telegram_configs: [{ bot_token: t, chat_id: 42, parse_mode: HTML }]
"#;

fn receivers(route: &Route, labels: &[(&str, &str)]) -> Vec<String> {
    let labels = Labels::from_pairs(labels.iter().copied()).unwrap();
    route
        .matching(&labels)
        .iter()
        .map(|r| r.receiver.clone())
        .collect()
}

#[test]
fn alertmanagers_file_is_read_unchanged() {
    let config = load_notify_config(FULL, &[], "http://x/").unwrap_or_else(|e| panic!("{e:?}"));
    let route = &config.route;
    assert_eq!(receivers(route, &[("service", "foo1")]), ["team-X-mails"]);
    assert_eq!(
        receivers(route, &[("service", "foo1"), ("severity", "critical")]),
        ["team-X-pager"]
    );
    assert_eq!(
        receivers(route, &[("service", "files"), ("host", "web1")]),
        ["team-Y-mails", "team-X-pager"]
    );
    assert_eq!(receivers(route, &[("service", "files")]), ["team-X-pager"]);
    assert_eq!(receivers(route, &[("owner", "team-DB")]), ["team-DB"]);
    assert_eq!(receivers(route, &[]), ["team-X-mails"]);
    let db = &config.receivers["team-DB"];
    assert_eq!(
        db.channels.iter().map(|c| c.kind()).collect::<Vec<_>>(),
        ["webhook", "msteamsv2", "discord", "telegram"]
    );
    assert!(
        !format!("{config:?}").contains("hooks.slack.example") || config.original.contains("hooks.slack")
    );
    assert_eq!(
        lapwing_notify::config::template_globs(FULL).unwrap(),
        ["/etc/alertmanager/template/*.tmpl"]
    );
}

#[track_caller]
fn mistakes(yaml: &str) -> Vec<String> {
    match load_notify_config(yaml, &[], "") {
        Ok(_) => panic!("no mistake was found"),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = mistakes(
        r#"
route:
  receiver: a
  routes:
    - receiver: ghost
      matchers: [ 'x' ]
    - group_interval: 0s
      mute_time_intervals: [ never ]
receivers:
  - name: a
    webhook_configs: [{}]
  - name: a
    slack_configs: [{ api_url: x, title: '{{ template "ghost" . }}' }]
inhibit_rules: [{ source_matchers: [ 'a=~"("' ] }]
time_intervals: [{ name: t, time_intervals: [{ weekdays: [someday] }] }]
lapwing: { fallback_receiver: nobody }
"#,
    );
    let all = told.join("\n");
    for expect in [
        "undefined receiver \"ghost\"",
        "bad matcher \"x\"",
        "group_interval and repeat_interval cannot be zero",
        "undefined time interval \"never\"",
        "one of url or url_file must be configured",
        "template \"ghost\" is not defined",
        "invalid regular expression",
        "\"someday\" is not a range",
        "undefined receiver \"nobody\"",
    ] {
        assert!(all.contains(expect), "{expect} is missing in\n{all}");
    }
    assert!(mistakes("route: {receiver: a}\nreceivers: [{name: a, sluck_configs: []}]")[0].starts_with("2:"));
    let unspoken = mistakes("route: {receiver: a}\nreceivers: [{name: a, sns_configs: [{topic_arn: x}]}]");
    assert!(unspoken[0].contains("receivers[a].sns_configs: this kind of receiver is not supported"));
    assert!(mistakes("receivers: []")[0].contains("no route provided"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(pieces in proptest::collection::vec(0usize..FULL.len(), 0..6)) {
        // The file, cut and glued together anywhere.
        let mut text = FULL.to_owned();
        for at in pieces {
            let cut = (at..FULL.len()).find(|i| text.is_char_boundary(*i % text.len().max(1))).unwrap_or(0) % text.len().max(1);
            text = format!("{}{}", &text[cut..], &text[..cut / 2]);
        }
        let _ = load_notify_config(&text, &[("t".to_owned(), text.clone())], "");
    }
}

#[test]
fn what_alertmanager_refuses_is_refused() {
    let check = |route: &str, webhook: &str, wanted: &str| {
        let yaml = format!(
            "route: {{receiver: r{route}}}\nreceivers: [{{name: r, webhook_configs: [{{{webhook}}}]}}]\n"
        );
        let errors = load_notify_config(&yaml, &[], "").unwrap_err();
        assert!(
            errors.iter().any(|e| e.reason.contains(wanted)),
            "{yaml} {errors:?}"
        );
    };
    check(", continue: true", "url: 'http://a/'", "continue");
    check("", "url: nope", "url: ");
    check("", "url: 'ftp://a/'", "unsupported scheme");
    let client = |config: &str| format!("url: 'http://a/', http_config: {{{config}}}");
    check(
        "",
        &client("basic_auth: {username: a}, authorization: {credentials: b}"),
        "at most one of",
    );
    check("", &client("no_proxy: a"), "no effect without proxy_url");
    check(
        "",
        &client("tls_config: {cert_file: a}"),
        "needs both cert and key",
    );
    check("", &client("tls_config: {min_version: '1.2'}"), "unknown variant");
    check("", &client("oauth2: {client_id: a}"), "client_id and token_url");
    let both = "oauth2: {client_id: a, token_url: 'http://t/'}, bearer_token: b";
    check("", &client(both), "at most one of");
    let fine =
        "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: '{{ .ExternalURL }}'}]}]\n";
    assert!(load_notify_config(fine, &[], "").is_ok());
}
