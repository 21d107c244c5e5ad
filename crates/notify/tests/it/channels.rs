//! Golden payloads, one file per channel in `golden/`; `LAPWING_BLESS=1` writes them anew. And what does not depend on the
//! receiver: a template that fails, a secret in a file, a real server that answers badly.

use crate::world::{alert, config};
use lapwing_notify::channels::{HttpRequest, Judge, Outgoing, Sent, Transport};
use lapwing_notify::message::{Context, Continued, Notification, Picture, Posted, Templates};
use lapwing_types::{Alert, Labels};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NOW_MS: i64 = 1_795_269_909_000;

fn alerts(firing: bool) -> Vec<Alert> {
    let annotations = |summary: &str| {
        Labels::from_pairs([
            ("summary", summary),
            ("runbook_url", "https://runbooks/x?a=1&b=2"),
        ])
        .unwrap()
    };
    let mut first = alert(&[
        ("alertname", "HighErrors"),
        ("model", "chat"),
        ("instance", "a:1"),
        ("severity", "critical"),
    ]);
    first.starts_at_ms = NOW_MS - 600_000;
    first.annotations = annotations("error rate 7.3% > 5% on <chat>");
    first.generator_url = "http://lapwing:9595/graph?g0.expr=up".to_owned();
    first.ends_at_ms = (!firing).then_some(NOW_MS - 1_000);
    let mut second = alert(&[
        ("alertname", "HighErrors"),
        ("model", "chat"),
        ("instance", "b:1"),
        ("severity", "warning"),
    ]);
    second.starts_at_ms = NOW_MS - 300_000;
    second.ends_at_ms = Some(NOW_MS - 60_000);
    second.annotations = annotations("was bad");
    vec![first, second]
}

pub(crate) fn notification(channel: &str, firing: bool) -> (Notification, Templates) {
    let yaml = format!("route: {{receiver: r}}\nreceivers:\n  - name: r\n    {channel}\n");
    let config = config(&yaml);
    let made = Notification {
        id: "0199c1f0-aaaa-7000-8001-0123456789ab".to_owned(),
        attempt: 1,
        receiver: "r".to_owned(),
        channel: config.receivers["r"].channels[0].clone(),
        group_key: "{}:{alertname=\"HighErrors\"}".to_owned(),
        group_labels: Labels::from_pairs([("alertname", "HighErrors")]).unwrap(),
        alerts: alerts(firing),
        reason: "firing".to_owned(),
        now_ms: NOW_MS,
        external_url: "http://lapwing:9595".to_owned(),
        picture: None,
        continues: None,
    };
    (made, (*config.templates).clone())
}

fn shown_request(out: &mut String, request: &HttpRequest) {
    let _ = writeln!(out, "{} {}", request.method, request.url);
    for (name, value) in &request.headers {
        let _ = writeln!(out, "{name}: {value}");
    }
    let body = match serde_json::from_slice::<serde_json::Value>(&request.body) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap(),
        Err(_) => String::from_utf8_lossy(&request.body).replace('\r', ""),
    };
    let _ = writeln!(out, "\n{body}");
}

fn shown(outgoing: &Outgoing) -> String {
    let mut out = String::new();
    match outgoing {
        Outgoing::Http(requests) => requests.iter().for_each(|r| shown_request(&mut out, r)),
        Outgoing::Slack(talk) => {
            let _ = writeln!(out, "album: {}", talk.album.is_some());
            shown_request(&mut out, &talk.post);
            for request in talk.edit.iter().flat_map(|e| [Some(&e.update), e.note.as_ref()]) {
                request.into_iter().for_each(|r| shown_request(&mut out, r));
            }
        }
        Outgoing::Mail(mail) => {
            let _ = writeln!(
                out,
                "{}:{} tls {} {}",
                mail.host, mail.port, mail.implicit_tls, mail.require_tls
            );
            let _ = writeln!(out, "from {} to {:?}\n{:#?}\n", mail.from, mail.to, mail.headers);
            let _ = writeln!(out, "{}\n---\n{}", mail.text, mail.html);
            let _ = writeln!(out, "{:?}", mail.picture);
        }
        Outgoing::Command(call) => {
            let _ = writeln!(out, "{} {:?}\n{:#?}", call.program, call.args, call.environment);
            let _ = writeln!(out, "{}", String::from_utf8_lossy(&call.stdin));
        }
        Outgoing::Line(target, line) => {
            let _ = writeln!(out, "{target:?}\n{line}");
        }
    }
    out
}

/// Firing and resolved, against the file of this name.
#[track_caller]
fn check(name: &str, channel: &str) {
    check_changed(name, channel, &|_| {});
}

/// The same with more than the alerts say.
#[track_caller]
fn check_changed(name: &str, channel: &str, change: &dyn Fn(&mut Notification)) {
    let mut all = String::new();
    for firing in [true, false] {
        let (mut notification, templates) = notification(channel, firing);
        change(&mut notification);
        let context = Context::new(&notification, &templates, &|path| {
            Ok(format!("secret of {path}\n"))
        });
        let outgoing = notification.channel.build(&context).unwrap();
        assert_eq!(context.failures(), Vec::<String>::new());
        let _ = writeln!(all, "=== {}\n{}", notification.status(), shown(&outgoing));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/{name}.txt"));
    if std::env::var("LAPWING_BLESS").is_ok() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &all).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(all, expect, "{name} differs from {}", path.display());
}

#[test]
fn every_channel_says_what_its_golden_file_says() {
    check(
        "webhook",
        "webhook_configs: [{url: 'http://x/', max_alerts: 1, http_config: {basic_auth: {username: u, password_file: /p}}}]",
    );
    check(
        "signed_webhook",
        "signed_webhook_configs: [{url: 'http://x/', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}]",
    );
    check(
        "slack",
        "slack_configs: [{api_url_file: /slack, channel: '#ops', send_resolved: true, fields: [{title: Model, value: '{{ .CommonLabels.model }}', short: true}], actions: [{type: button, text: Silence, url: 'http://lapwing/{{ .GroupLabels.alertname }}'}]}]",
    );
    check(
        "slack_bot",
        "slack_configs: [{app_token: xoxb-1, channel: '#ops', send_resolved: true}]",
    );
    check(
        "email",
        "email_configs: [{to: 'Ops <ops@example.org>, b@example.org', from: l@example.org, smarthost: 'mail:587', auth_username: l, auth_password: p, headers: {X-Model: '{{ .CommonLabels.model }}'}}]",
    );
    check(
        "pagerduty",
        "pagerduty_configs: [{routing_key: k, class: model, details: {model: '{{ .CommonLabels.model }}'}, links: [{href: 'http://x', text: '{{ .Status }}'}]}]",
    );
    check(
        "opsgenie",
        "opsgenie_configs: [{api_key: k, priority: P1, tags: 'a,b', responders: [{name: ops, type: team}]}]",
    );
    check("msteamsv2", "msteamsv2_configs: [{webhook_url: 'http://x/'}]");
    check("msteams", "msteams_configs: [{webhook_url: 'http://x/'}]");
    check(
        "pushover",
        "pushover_configs: [{user_key: u, token: t, retry: 1m, sound: siren}]",
    );
    check(
        "victorops",
        "victorops_configs: [{api_key: k, routing_key: 'r-{{ .CommonLabels.model }}', custom_fields: {model: '{{ .CommonLabels.model }}'}}]",
    );
    check(
        "webex",
        "webex_configs: [{room_id: r, http_config: {authorization: {credentials: c}}}]",
    );
    check(
        "rocketchat",
        "rocketchat_configs: [{token: t, token_id: i, channel: '#ops', actions: [{type: button, text: '{{ .Status }}', msg: m}]}]",
    );
    check(
        "mattermost",
        "mattermost_configs: [{webhook_url: 'http://x/', channel: ops, attachments: [{title: '{{ .Status }}', short: true}]}]",
    );
    check(
        "mattermost_alone",
        "mattermost_configs: [{webhook_url: 'http://x/', type: custom, title: '{{ .Status }}', fields: [{title: a, value: '{{ .Status }}'}], props: {card: '{{ .Status }}'}, priority: {priority: Important, requested_ack: true, persistent_notifications: true}}]",
    );
    check(
        "opsgenie_updates",
        "opsgenie_configs: [{api_key: k, message: m, description: '{{ .Status }}', update_alerts: true}]",
    );
    check(
        "telegram_plain",
        "telegram_configs: [{bot_token: t, chat_id: -42, message: '<b>{{ .CommonAnnotations.none }}{{ (index .Alerts 0).Annotations.summary }}</b>'}]",
    );
    check(
        "webhook_payload",
        r#"webhook_configs: [{url: 'http://x/', payload: {'{{ .Status }}': ['{{ len .Alerts }}', 3, 'x: {{ .Status }}'], labels: '{{ .CommonLabels | toJson }}', word: '{{ .NotificationReason }}'}}]"#,
    );
    check(
        "email_headers",
        "email_configs: [{to: a@example.org, from: l@example.org, smarthost: 'mail:25', html: '', text: '{{ .Status }}', headers: {From: 'Ops <o@example.org>', To: 'undisclosed-recipients:;', Message-ID: '<x@y>'}, threading: {enabled: false}}]",
    );
    check(
        "incidentio",
        "incidentio_configs: [{url: 'http://x/', alert_source_token: t}]",
    );
    check(
        "discord",
        "discord_configs: [{webhook_url: 'http://x/', username: Lapwing}]",
    );
    check(
        "telegram",
        "telegram_configs: [{bot_token: t, chat_id: -42, parse_mode: HTML, message_thread_id: 7}]",
    );
    check(
        "ntfy",
        "ntfy_configs: [{url: 'http://ntfy/', topic: 'ops-{{ .CommonLabels.model }}', token: t}]",
    );
    check(
        "command",
        "command_configs: [{command: [/usr/bin/page, '--model={{ .CommonLabels.model }}']}]",
    );
    check("log", "log_configs: [{}]");
    check(
        "file",
        "file_configs: [{path: /tmp/pages.log, text: '{{ .Status }} {{ len .Alerts }}'}]",
    );
}

#[test]
fn without_an_address_of_its_own_no_page_has_half_a_link() {
    let (mut notification, templates) =
        notification("slack_configs: [{api_url: 'http://127.0.0.1:1/'}]", true);
    notification.external_url = String::new();
    let context = Context::new(&notification, &templates, &|_| Ok(String::new()));
    let said = shown(&notification.channel.build(&context).unwrap());
    assert!(
        !said.contains("title_link") && !said.contains("#/alerts") && !said.contains(" | "),
        "{said}"
    );
    assert_eq!(context.failures(), Vec::<String>::new());
}

#[test]
fn a_template_that_fails_still_makes_a_plain_page_that_says_so() {
    // Alertmanager drops such a notification.
    let channels = [
        "slack_configs: [{api_url: 'http://x/', text: '{{ .Nope.nope }}', channel: '{{ .Nope }}'}]",
        "email_configs: [{to: a@example.org, from: b@example.org, smarthost: 'm:25', text: '{{ index .Alerts 99 }}', html: '{{ .Nope }}'}]",
        "telegram_configs: [{bot_token: t, chat_id: 1, message: '{{ .Nope }}', parse_mode: MarkdownV2}]",
        "pagerduty_configs: [{routing_key: k, description: '{{ .Nope }}', severity: '{{ .Nope }}'}]",
        "log_configs: [{text: '{{ .Nope }}'}]",
    ];
    for channel in channels {
        let (notification, templates) = notification(channel, true);
        let context = Context::new(&notification, &templates, &|_| Ok(String::new()));
        let said = shown(&notification.channel.build(&context).unwrap());
        assert!(
            said.contains("HighErrors") && said.contains("failed"),
            "{channel}: {said}"
        );
        assert!(!context.failures().is_empty(), "and the decision record knows");
        assert!(!said.contains("parse_mode"), "plain text is no markup");
    }
}

/// A server that gives each connection the next answer and hands back what it heard.
async fn server(answers: Vec<&'static str>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let n = stream.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let complete = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head
                        .lines()
                        .find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                    length.is_none_or(|length: usize| body.len() >= length)
                });
                if n == 0 || complete {
                    break;
                }
            }
            heard.push(String::from_utf8_lossy(&bytes).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        heard
    });
    (url, heard)
}

#[tokio::test]
async fn what_a_server_answers_decides_what_happens_next() {
    let answers = vec![
        "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 4\r\nconnection: close\r\n\r\nslow",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "",
    ];
    let (url, heard) = server(answers).await;
    let (notification, templates) = notification(&format!("webhook_configs: [{{url: '{url}'}}]"), true);
    let transport = Transport::new();
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(transport.send(&notification, &templates).await.sent);
    }
    assert!(matches!(&sent[0], Sent::Delivered { detail } if detail == "HTTP 204"));
    let slow = Sent::Later {
        reason: "HTTP 429: slow".to_owned(),
        retry_after_ms: Some(7_000),
    };
    assert_eq!(sent[1], slow);
    assert!(matches!(&sent[2], Sent::Refused { .. }));
    assert!(
        matches!(&sent[3], Sent::Later { reason, .. } if !reason.contains(&url)),
        "no address in words"
    );
    let heard = heard.await.unwrap();
    assert!(heard[0].contains("webhook-id: 0199c1f0-aaaa-7000-8001-0123456789ab"));
    assert!(heard[0].contains("\"version\":\"4\""));
    assert!(
        matches!(
            transport.send(&notification, &templates).await.sent,
            Sent::Later { .. }
        ),
        "nobody listens"
    );
}

fn with_picture(notification: &mut Notification) {
    let picture = Picture {
        png: b"not a png".to_vec(),
        text: "HighErrors \"a\": 7.3 % against 5 %".to_owned(),
    };
    notification.picture = notification.is_firing().then(|| Arc::new(picture));
}

#[test]
fn a_picture_goes_where_the_channel_shows_it() {
    check_changed(
        "discord_picture",
        "discord_configs: [{webhook_url: 'http://d/'}]",
        &with_picture,
    );
    check_changed(
        "telegram_picture",
        "telegram_configs: [{bot_token: t, chat_id: -7}]",
        &with_picture,
    );
    check_changed(
        "email_picture",
        "email_configs: [{to: o@example.org, from: l@example.org, smarthost: 'mail:25', html: '<body>Hi</body>', text: Hi}]",
        &with_picture,
    );
}

#[test]
fn a_later_page_changes_the_message_and_says_what_is_new() {
    let channel =
        "slack_configs: [{bot_token: xoxb-1, channel: '#ops', send_resolved: true, update_message: true}]";
    let posted = Posted {
        place: "C1".to_owned(),
        id: "17.5".to_owned(),
    };
    check_changed("slack_update", channel, &|n| {
        n.continues = Some(Continued {
            posted: posted.clone(),
            has_news: true,
        });
    });
    let (mut notification, templates) = notification(channel, true);
    notification.continues = Some(Continued {
        posted,
        has_news: false,
    });
    let context = Context::new(&notification, &templates, &|_| Ok(String::new()));
    let Ok(Outgoing::Slack(talk)) = notification.channel.build(&context) else {
        panic!("a bot talks");
    };
    assert!(talk.edit.unwrap().note.is_none(), "nothing new, nothing said");
}

#[test]
fn only_a_bot_can_change_its_messages() {
    let refused = |channel: &str| {
        let yaml =
            format!("route: {{receiver: r}}\nreceivers:\n  - name: r\n    slack_configs: [{channel}]\n");
        lapwing_notify::config::load_notify_config(&yaml, &[], "").unwrap_err()[0]
            .reason
            .clone()
    };
    assert!(refused("{api_url: 'http://x/', update_message: true}").contains("needs a bot"));
    assert!(
        refused("{bot_token: t, app_url: 'http://x/', update_message: true}")
            .contains("ends in chat.postMessage")
    );
}

#[test]
fn slack_says_no_with_200() {
    let judge = |body: &str| Judge::Slack.judge(200, None, body);
    assert!(matches!(judge("ok"), Sent::Delivered { .. }));
    assert!(matches!(judge(r#"{"ok":true}"#), Sent::Delivered { .. }));
    assert!(matches!(
        judge(r#"{"ok":false,"error":"ratelimited"}"#),
        Sent::Later { .. }
    ));
    assert!(matches!(
        judge(r#"{"ok":false,"error":"channel_not_found"}"#),
        Sent::Refused { .. }
    ));
}

#[tokio::test]
async fn a_command_gets_the_payload_and_its_failure_is_retried() {
    let folder = std::env::temp_dir().join(format!("lapwing-notify-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let out = folder.join("page.json");
    let script = format!("cat > {}", out.display());
    let (ok, templates) = notification(
        &format!("command_configs: [{{command: [sh, -c, '{script}']}}]"),
        true,
    );
    let transport = Transport::new();
    assert!(matches!(
        transport.send(&ok, &templates).await.sent,
        Sent::Delivered { .. }
    ));
    assert!(std::fs::read_to_string(&out).unwrap().contains("HighErrors"));
    let (bad, templates) = notification(
        "command_configs: [{command: [sh, -c, 'echo no >&2; exit 3']}]",
        true,
    );
    let sent = transport.send(&bad, &templates).await.sent;
    assert!(
        matches!(&sent, Sent::Later { reason, .. } if reason.contains("no")),
        "{sent:?}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Speaks just enough SMTP; hands back what it heard.
async fn mail_server(refuse: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 here\r\n").await.unwrap();
        let (mut heard, mut buffer, mut in_data, mut at) = (String::new(), [0; 4096], false, 0);
        loop {
            let n = stream.read(&mut buffer).await.unwrap();
            heard.push_str(&String::from_utf8_lossy(&buffer[..n]));
            if n == 0 {
                return heard;
            }
            while let Some(end) = heard[at..].find("\r\n") {
                let line = heard[at..at + end].to_owned();
                at += end + 2;
                let answer = match line.split(' ').next().unwrap_or("") {
                    _ if in_data && line != "." => continue,
                    "." => "250 taken\r\n",
                    "EHLO" => "250-here\r\n250 8BITMIME\r\n",
                    "DATA" => "354 go on\r\n",
                    "RCPT" if !refuse.is_empty() => refuse,
                    "QUIT" => "221 bye\r\n",
                    _ => "250 ok\r\n",
                };
                in_data = line == "DATA";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (port, heard)
}

/// Three answers of a token's server and two of a receiver: the second token is for the page that the first did not carry.
#[tokio::test]
async fn a_page_carries_a_token_and_asks_for_a_new_one_when_that_is_withdrawn() {
    fn token(word: &str) -> &'static str {
        let body = format!(r#"{{"access_token":"{word}","token_type":"Bearer","expires_in":3600}}"#);
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").leak()
    }
    let no = "HTTP/1.1 401 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let yes = "HTTP/1.1 204 Yes\r\nconnection: close\r\n\r\n";
    // One that wants the secret in the body says no to the header first.
    let (tokens, asked) = server(vec![no, token("one"), no, token("two")]).await;
    let (url, heard) = server(vec![yes, no, yes]).await;
    let channel = format!(
        "webhook_configs: [{{url: '{url}', http_config: {{oauth2: {{client_id: 'a b', client_secret: 's&', token_url: '{tokens}', scopes: [x, y], endpoint_params: {{audience: z}}}}}}}}]"
    );
    let (notification, templates) = notification(&channel, true);
    let transport = Transport::new();
    for _ in 0..2 {
        let sent = transport.send(&notification, &templates).await.sent;
        assert!(matches!(sent, Sent::Delivered { .. }), "{sent:?}");
    }
    let tokens: Vec<String> = heard
        .await
        .unwrap()
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("authorization: ").map(str::to_owned))
        .collect();
    assert_eq!(tokens, ["Bearer one", "Bearer one", "Bearer two"]);
    let asked = asked.await.unwrap();
    assert!(asked[0].contains("authorization: Basic YStiOnMlMjY="), "a+b:s%26");
    let form = "grant_type=client_credentials&client_id=a+b&client_secret=s%26&scope=x+y&audience=z";
    assert!(
        asked[1].ends_with(form) && !asked[1].contains("authorization"),
        "{}",
        asked[1]
    );
}

#[tokio::test]
async fn mail_leaves_as_text_and_html_and_a_refusal_is_told_apart() {
    let answers = [
        ("", "delivered"),
        ("450 busy\r\n", "later"),
        ("550 nobody\r\n", "refused"),
    ];
    for (refuse, expect) in answers {
        let (port, heard) = mail_server(refuse).await;
        let channel = format!(
            "email_configs: [{{to: ops@example.org, from: l@example.org, smarthost: '127.0.0.1:{port}', require_tls: false}}]"
        );
        let (notification, templates) = notification(&channel, true);
        let sent = Transport::new().send(&notification, &templates).await.sent;
        let word = match &sent {
            Sent::Delivered { .. } => "delivered",
            Sent::Later { .. } => "later",
            Sent::Refused { .. } => "refused",
        };
        assert_eq!(word, expect, "{sent:?}");
        if refuse.is_empty() {
            let heard = heard.await.unwrap();
            for part in [
                "Subject: [FIRING:1] HighErrors (chat)",
                "text/plain",
                "text/html",
                "References: <",
            ] {
                assert!(heard.contains(part), "{part} is missing in {heard}");
            }
        }
    }
}

#[tokio::test]
async fn a_host_of_no_proxy_is_reached_without_the_proxy() {
    for (no_proxy, arrives) in [
        ("", false),
        (", no_proxy: '*'", true),
        (", no_proxy: '127.0.0.0/8'", true),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0u8; 16 * 1024];
            let _ = socket.read(&mut buffer).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            socket.write_all(answer).await.unwrap();
        });
        let (notification, templates) = notification(
            &format!(
                "webhook_configs: [{{url: 'http://{address}/', http_config: {{proxy_url: 'http://127.0.0.1:1'{no_proxy}}}}}]"
            ),
            true,
        );
        let sent = Transport::new().send(&notification, &templates).await.sent;
        assert_eq!(
            matches!(sent, Sent::Delivered { .. }),
            arrives,
            "{no_proxy}: {sent:?}"
        );
        server.abort();
    }
}

#[test]
fn texts_in_nested_details_are_templates() {
    let (notification, templates) = notification(
        "pagerduty_configs: [{routing_key: k, details: {a: {b: ['{{ .Status }}', 5]}}}]",
        true,
    );
    let read = |_: &str| Ok(String::new());
    let context = Context::new(&notification, &templates, &read);
    let words = notification.channel.build(&context).unwrap().words();
    assert!(words.contains(r#""a":{"b":["firing",5]}"#), "{words}");
    let bad = "route: {receiver: r}\nreceivers: [{name: r, pagerduty_configs: [{routing_key: k, details: {a: {b: '{{ .Status | nofunc }}'}}}]}]\n";
    assert!(lapwing_notify::config::load_notify_config(bad, &[], "").is_err());
}

#[test]
fn alerts_as_json_have_alertmanagers_names() {
    let (notification, templates) = notification("webhook_configs: [{url: 'http://a/'}]", true);
    let read = |_: &str| Ok(String::new());
    let context = Context::new(&notification, &templates, &read);
    let json = context.text("t", "{{ .Alerts.Firing | toJson }}");
    for wanted in [
        "\"status\":\"firing\"",
        "\"labels\":{\"alertname\":",
        "\"startsAt\":\"20",
        "\"generatorURL\":\"http",
        "\"endsAt\":\"0001-01-01T00:00:00Z\"",
    ] {
        assert!(json.contains(wanted), "no {wanted} in {json}");
    }
    assert_eq!(
        context.text("t", r#"{{ title "HighCPU load" }} {{ index "abc" 1 }}"#),
        "Highcpu Load 98"
    );
}
