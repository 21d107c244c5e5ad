//! A mail as a person gets it: text and HTML, the graph inside, the end in the same thread; by a real SMTP server.
//!
//! Needs: python:aiosmtpd

use crate::support::Server;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Says its port first, and then each mail: its head, and its parts in order.
const SERVER: &str = r#"
import asyncio, base64, json
from email import message_from_bytes
from aiosmtpd.smtp import SMTP

def parts(mail):
    for part in mail.walk():
        kind = part.get_content_type()
        body = part.get_payload(decode=True)
        yield {"kind": kind, "id": part.get("Content-ID"), "disposition": part.get_content_disposition(),
               "body": base64.b64encode(body).decode() if kind.startswith("image/") else (body or b"").decode()}

class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content)
        head = {name: mail[name] for name in ["Subject", "Message-ID", "References", "To", "X-Model"]}
        print(json.dumps({"head": head, "parts": list(parts(mail))}), flush=True)
        return "250 taken"

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="mail.test"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

struct Post {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    port: String,
}

impl Post {
    fn open(python: &Path) -> Post {
        let mut command = Command::new(python);
        let mut child = command
            .args(["-c", SERVER])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said.next().unwrap().unwrap();
        Post { child, said, port }
    }

    /// The next mail.
    fn next(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.said.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn push(server: &Server, value: f64) {
    let body = format!(r#"{{"name": "loss", "value": {value}, "labels": {{"model": "chat"}}}}"#);
    let json = [("Content-Type", "application/json")];
    assert_eq!(server.post("/api/v1/push", &json, body.as_bytes()).status, 200);
}

fn part<'a>(mail: &'a serde_json::Value, kind: &str) -> &'a serde_json::Value {
    let parts = mail["parts"].as_array().unwrap();
    let found = parts.iter().find(|p| p["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {mail}"))
}

#[test]
fn a_mail_has_its_graph_inside_and_its_end_in_the_same_thread() {
    let test = "a_mail_has_its_graph_inside_and_its_end_in_the_same_thread";
    let Some(python) = std::env::var_os("LAPWING_TEST_PYTHON") else {
        eprintln!("SKIPPED {test}: LAPWING_TEST_PYTHON names no Python with aiosmtpd");
        return;
    };
    let mut post = Post::open(Path::new(&python));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lapwing.yml");
    let config = format!(
        "host: {{ enabled: false }}\nglobal: {{ evaluation_interval: 1s }}\n\
         rules: [{{ name: loss_too_high, condition: loss > 0.5, severity: critical }}]\n\
         notify:\n  route: {{ receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s }}\n  \
         receivers: [{{ name: team, email: [{{ to: 'team@example.org', from: 'lapwing@example.org', smarthost: '127.0.0.1:{}', \
         require_tls: false, send_resolved: true, headers: {{ X-Model: '{{{{ .CommonLabels.model }}}}' }} }}] }}]\n",
        post.port
    );
    std::fs::write(&file, config).unwrap();
    let server = Server::start(
        &dir.path().join("data"),
        &[&format!("--config={}", file.display())],
    );
    push(&server, 0.9);
    let mail = post.next();
    let subject = mail["head"]["Subject"].as_str().unwrap();
    assert!(
        subject.contains("FIRING:1") && subject.contains("loss_too_high"),
        "{subject}"
    );
    assert_eq!(mail["head"]["To"], "team@example.org");
    assert_eq!(mail["head"]["X-Model"], "chat");
    let text = part(&mail, "text/plain")["body"].as_str().unwrap();
    assert!(text.contains("loss_too_high") && text.contains("0.9"), "{text}");
    let html = part(&mail, "text/html")["body"].as_str().unwrap();
    assert!(html.contains("cid:graph@lapwing"), "{html}");
    part(&mail, "multipart/related");
    let picture = part(&mail, "image/png");
    assert_eq!(
        (picture["id"].as_str(), picture["disposition"].as_str()),
        (Some("<graph@lapwing>"), Some("inline"))
    );
    // The first bytes of a PNG, in base64.
    assert!(picture["body"].as_str().unwrap().starts_with("iVBORw0KGgo"));

    push(&server, 0.1);
    let end = post.next();
    let subject = end["head"]["Subject"].as_str().unwrap();
    assert!(subject.contains("RESOLVED"), "{subject}");
    assert_eq!(end["head"]["References"], mail["head"]["References"]);
    assert_ne!(end["head"]["Message-ID"], mail["head"]["Message-ID"]);
}
