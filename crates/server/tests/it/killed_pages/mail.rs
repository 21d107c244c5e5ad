//! A real SMTP server (aiosmtpd) with moods.

use super::world::{Line, Page};
use crate::support::now_ms;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Says its port first, and then each mail that it took, before it says so to the sender.
const SERVER: &str = r#"
import asyncio, json, random, sys
from email import message_from_bytes
from aiosmtpd.smtp import SMTP

dice = random.Random(int(sys.argv[1])) if sys.argv[1] else None
refused = 0

class Handler:
    async def handle_DATA(self, server, session, envelope):
        global refused
        fate = dice.random() if dice and refused < 2 else 1.0
        if fate < 0.45:
            refused += 1
        else:
            refused = 0
        if fate < 0.2:
            return "451 try again later"
        if fate < 0.3:
            return "421 going away"
        if fate < 0.4:
            server.transport.abort()
            return "421 gone"
        mail = message_from_bytes(envelope.content)
        unsure = fate < 0.45
        print(json.dumps({"id": mail["Message-ID"], "told": mail["X-Told"], "unsure": unsure}), flush=True)
        if unsure:
            server.transport.abort()
        return "250 taken"

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="mail.test"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

/// Ends with the test.
pub(super) struct Mail {
    pub(super) address: String,
    pages: Arc<Mutex<Vec<Page>>>,
    child: Child,
}

/// The interpreter in which the test command installed what the head of this test's file names.
pub(super) fn python(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("LAPWING_TEST_PYTHON").map(PathBuf::from);
    if found.is_none() {
        eprintln!("SKIPPED {test}: LAPWING_TEST_PYTHON names no Python with aiosmtpd");
    }
    found
}

impl Mail {
    /// Takes everything; with a seed, what it likes.
    pub(super) fn start(python: &Path, bad: Option<u64>) -> Mail {
        let seed = bad.map_or(String::new(), |seed| seed.to_string());
        let mut child = Command::new(python)
            .args(["-c", SERVER, &seed])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut said = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let port = said.next().expect("the server says its port").expect("a line");
        let pages = Arc::new(Mutex::new(Vec::new()));
        let shared = pages.clone();
        std::thread::spawn(move || {
            for line in said.map_while(Result::ok) {
                let mut pages = shared.lock().unwrap_or_else(PoisonError::into_inner);
                pages.push(page(&line));
            }
        });
        Mail {
            address: format!("127.0.0.1:{port}"),
            pages,
            child,
        }
    }

    pub(super) fn taken(&self) -> Vec<Page> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn page(line: &str) -> Page {
    let mail: serde_json::Value = serde_json::from_str(line).expect("a mail is said as JSON");
    let word = |name: &str| mail[name].as_str().unwrap_or_default();
    // `<delivery.attempt@lapwing>`.
    let delivery = word("id").trim_start_matches('<').split('.').next();
    let lines = word("told").split_whitespace().map(|text| {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Line {
            is_end: next() == "resolved",
            alert: next(),
            incident: next(),
        }
    });
    Page {
        delivery: delivery.unwrap_or_default().to_owned(),
        told: lines.collect(),
        unsure: mail["unsure"] == true,
        at_ms: now_ms(),
    }
}
