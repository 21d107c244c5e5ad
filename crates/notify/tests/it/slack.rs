//! Slack's API, played: one message per trouble that is changed where it stands, notes in its thread, a picture after it; and
//! what happens when Slack says no.

use crate::channels::notification;
use crate::world::World;
use lapwing_notify::channels::{Attempt, Sent, Transport};
use lapwing_notify::message::{Continued, Picture, Posted};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A call that came: method and body.
type Calls = Arc<Mutex<Vec<(String, String)>>>;

struct Slack {
    url: String,
    calls: Calls,
}

/// Answers each method as told, `{"ok": true}` otherwise.
async fn slack(answers: &[(&str, Value)]) -> Slack {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/", listener.local_addr().unwrap());
    let upload = format!("{url}upload");
    let mut known: HashMap<String, Value> = HashMap::from([
        (
            "chat.postMessage".to_owned(),
            json!({ "ok": true, "channel": "C1", "ts": "17.5" }),
        ),
        (
            "files.getUploadURLExternal".to_owned(),
            json!({ "ok": true, "upload_url": upload, "file_id": "F1" }),
        ),
    ]);
    known.extend(
        answers
            .iter()
            .map(|(method, answer)| ((*method).to_owned(), answer.clone())),
    );
    let calls = Calls::default();
    let heard = calls.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            answer(stream, &known, &heard).await;
        }
    });
    Slack { url, calls }
}

async fn answer(mut stream: TcpStream, known: &HashMap<String, Value>, heard: &Calls) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let (head, body) = loop {
        let n = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse::<usize>()
                .ok()
        });
        if n == 0 || body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let method = head
        .split(' ')
        .nth(1)
        .unwrap_or("")
        .trim_start_matches("/api/")
        .to_owned();
    let token = head.contains("authorization: Bearer xoxb-1");
    assert_eq!(token, method != "upload", "the token goes to the API alone");
    let answer = known
        .get(&method)
        .cloned()
        .unwrap_or(json!({ "ok": true }))
        .to_string();
    heard.lock().unwrap().push((method, body));
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
}

impl Slack {
    async fn tell(&self, firing: bool, has_news: Option<bool>) -> Attempt {
        let url = &self.url;
        let channel = format!(
            "slack_configs: [{{bot_token: xoxb-1, channel: '#ops', send_resolved: true, update_message: true, app_url: '{url}chat.postMessage'}}]"
        );
        let (mut notification, templates) = notification(&channel, firing);
        let posted = Posted {
            place: "C1".to_owned(),
            id: "17.5".to_owned(),
        };
        notification.continues = has_news.map(|has_news| Continued { posted, has_news });
        Transport::new().send(&notification, &templates).await
    }

    fn methods(&self) -> Vec<String> {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .map(|(method, _)| method.clone())
            .collect()
    }

    fn body(&self, nth: usize) -> Value {
        serde_json::from_str(&self.calls.lock().unwrap()[nth].1).unwrap()
    }
}

#[tokio::test]
async fn the_first_page_posts_and_its_picture_follows() {
    let slack = slack(&[]).await;
    let attempt = slack.tell(true, None).await;
    assert!(matches!(attempt.sent, Sent::Delivered { .. }), "{attempt:?}");
    let posted = attempt.posted.unwrap();
    assert_eq!((posted.place.as_str(), posted.id.as_str()), ("C1", "17.5"));
    let picture = Picture {
        png: b"PNG".to_vec(),
        text: "7 % against 5 %".to_owned(),
    };
    Transport::new()
        .attach(&attempt.album.unwrap(), &picture)
        .await
        .unwrap();
    assert_eq!(
        slack.methods(),
        [
            "chat.postMessage",
            "files.getUploadURLExternal",
            "upload",
            "files.completeUploadExternal"
        ]
    );
    assert_eq!(slack.calls.lock().unwrap()[1].1, "filename=graph.png&length=3");
    assert_eq!(slack.calls.lock().unwrap()[2].1, "PNG");
    let shown = json!({ "files": [{ "id": "F1", "title": "7 % against 5 %" }], "channel_id": "C1", "thread_ts": "17.5" });
    assert_eq!(slack.body(3), shown);
}

#[tokio::test]
async fn later_pages_change_it_and_the_end_stands_in_the_thread() {
    let slack = slack(&[]).await;
    let attempt = slack.tell(true, Some(false)).await;
    assert!(attempt.album.is_none() && attempt.posted.is_some(), "{attempt:?}");
    slack.tell(true, Some(true)).await;
    slack.tell(false, Some(false)).await;
    assert_eq!(
        slack.methods(),
        [
            "chat.update",
            "chat.update",
            "chat.postMessage",
            "chat.update",
            "chat.postMessage"
        ]
    );
    assert_eq!(
        (&slack.body(0)["channel"], &slack.body(0)["ts"]),
        (&json!("C1"), &json!("17.5"))
    );
    assert_eq!(
        (&slack.body(2)["thread_ts"], &slack.body(2)["reply_broadcast"]),
        (&json!("17.5"), &json!(true))
    );
    let end = json!({ "channel": "C1", "thread_ts": "17.5", "text": "Resolved after 9m59s." });
    assert_eq!(slack.body(4), end);
}

#[tokio::test]
async fn a_message_that_is_gone_is_posted_anew() {
    let slack = slack(&[(
        "chat.update",
        json!({ "ok": false, "error": "message_not_found" }),
    )])
    .await;
    let attempt = slack.tell(true, Some(false)).await;
    assert!(
        matches!(&attempt.sent, Sent::Delivered { detail } if detail.contains("message_not_found")),
        "{attempt:?}"
    );
    assert_eq!(slack.methods(), ["chat.update", "chat.postMessage"]);
    assert!(attempt.posted.is_some());
}

#[tokio::test]
async fn what_slack_refuses_is_no_delivery_and_what_passes_is_tried_again() {
    let limited = slack(&[("chat.update", json!({ "ok": false, "error": "ratelimited" }))]).await;
    let attempt = limited.tell(true, Some(true)).await;
    assert!(matches!(attempt.sent, Sent::Later { .. }), "{attempt:?}");
    assert_eq!(limited.methods(), ["chat.update"]);
    // News that no thread took has woken nobody.
    let archived = slack(&[("chat.postMessage", json!({ "ok": false, "error": "is_archived" }))]).await;
    let attempt = archived.tell(true, Some(true)).await;
    assert!(
        matches!(attempt.sent, Sent::Refused { .. }) && attempt.posted.is_none(),
        "{attempt:?}"
    );
    // The end is said by the change itself.
    let attempt = archived.tell(false, Some(false)).await;
    assert!(matches!(attempt.sent, Sent::Delivered { .. }), "{attempt:?}");
}

#[tokio::test]
async fn a_picture_that_is_not_taken_says_why() {
    let slack = slack(&[(
        "files.getUploadURLExternal",
        json!({ "ok": false, "error": "missing_scope" }),
    )])
    .await;
    let album = slack.tell(true, None).await.album.unwrap();
    let picture = Picture {
        png: vec![1],
        text: String::new(),
    };
    let reason = Transport::new().attach(&album, &picture).await.unwrap_err();
    assert_eq!(reason, "asking where to upload: missing_scope");
}

const YAML: &str = "route: {receiver: r, group_by: [team], group_wait: 1s, group_interval: 5s, repeat_interval: 1h}\n\
    receivers: [{name: r, slack_configs: [{bot_token: t, channel: c, send_resolved: true, update_message: true}]}]\n";

/// What each page continues, as `new`, `same` or `news`.
fn told(world: &mut World, seconds: i64) -> Vec<&'static str> {
    let mut said = Vec::new();
    for _ in 0..seconds {
        world.now_ms += 1_000;
        let due = world.dispatcher.due(world.now_ms);
        world.commit();
        for n in due {
            said.push(match &n.continues {
                None => "new",
                Some(c) if c.has_news => "news",
                Some(_) => "same",
            });
            let posted = Posted {
                place: "C1".to_owned(),
                id: n.id.clone(),
            };
            world.dispatcher.posted(&n.id, posted, world.now_ms);
            let sent = world.receive(&n);
            world.dispatcher.outcome(&n.id, sent, &[], world.now_ms);
        }
        world.commit();
    }
    said
}

#[test]
fn a_message_is_continued_over_a_kill_and_only_while_its_alerts_last() {
    let mut world = World::new(YAML);
    let (a, b) = (
        [("alertname", "a"), ("team", "x")],
        [("alertname", "b"), ("team", "x")],
    );
    world.fire(&a);
    assert_eq!(told(&mut world, 10), ["new"]);
    world.kill();
    world.fire(&b);
    assert_eq!(told(&mut world, 10), ["news"]);
    world.resolve(&a);
    assert_eq!(told(&mut world, 10), ["same"]);
    world.resolve(&b);
    assert_eq!(told(&mut world, 10), ["same"]);
    // Over: the next trouble of the same group is a new message.
    world.fire(&a);
    assert_eq!(told(&mut world, 10), ["new"]);
    // Still there after an hour: the reminder is news, or nobody would see it.
    assert_eq!(told(&mut world, 3_610), ["news"]);
}

#[test]
fn a_row_left_behind_never_swallows_a_page() {
    let mut world = World::new(&YAML.replace("send_resolved: true", "send_resolved: false"));
    let a = [("alertname", "a"), ("team", "x")];
    world.fire(&a);
    assert_eq!(told(&mut world, 10), ["new"]);
    world.resolve(&a);
    assert_eq!(told(&mut world, 10), Vec::<&str>::new());
    world.fire(&a);
    assert_eq!(
        told(&mut world, 10),
        ["new"],
        "an edit of the old message would wake nobody"
    );
}
