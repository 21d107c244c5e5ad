//! A webhook receiver with moods.

use super::world::{Line, Page};
use crate::support::now_ms;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After so many refusals a delivery is taken: the time of the test is bounded, and a delivery's wait doubles each time.
const REFUSALS_MAX: u32 = 2;
/// Longer than the sender waits; and that is so long that no busy machine makes a hang of a page that is taken.
const HANG: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
enum Mood {
    Take,
    TakeAndHangUp,
    Answer(&'static str),
    Hang,
    HangUp,
}

const MOODS: [Mood; 6] = [
    Mood::TakeAndHangUp,
    Mood::Answer("500 Internal Server Error"),
    Mood::Answer("503 Service Unavailable"),
    Mood::Answer("429 Too Many Requests\r\nretry-after: 1"),
    Mood::Hang,
    Mood::HangUp,
];

pub(super) struct Hook {
    pub(super) url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    pages: Vec<Page>,
    /// Attempts by delivery.
    attempts: HashMap<String, u32>,
    dice: Option<SmallRng>,
}

impl Hook {
    /// Takes everything; with a seed, what it likes.
    pub(super) fn start(bad: Option<u64>) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/page", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Seen {
            dice: bad.map(|seed| SmallRng::seed_from_u64(seed ^ 1)),
            ..Seen::default()
        }));
        let shared = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = shared.clone();
                std::thread::spawn(move || serve(stream, &seen));
            }
        });
        Hook { url, seen }
    }

    pub(super) fn taken(&self) -> Vec<Page> {
        lock(&self.seen).pages.clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request. What the sender sent only in part, because it was killed, was never sent.
fn serve(stream: TcpStream, seen: &Mutex<Seen>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut delivery, mut line) = (0, String::new(), String::new());
    loop {
        match reader.read_line(&mut line).ok()? {
            0 => return None,
            1 | 2 => break,
            _ => {}
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "webhook-id" => value.trim().clone_into(&mut delivery),
            _ => {}
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mood = lock(seen).mood(&delivery);
    if matches!(mood, Mood::Take | Mood::TakeAndHangUp) {
        let page = Page {
            told: told(&body),
            delivery,
            unsure: matches!(mood, Mood::TakeAndHangUp),
            at_ms: now_ms(),
        };
        lock(seen).pages.push(page);
    }
    let status = match mood {
        Mood::Take => "200 OK",
        Mood::Answer(status) => status,
        Mood::TakeAndHangUp | Mood::HangUp => return None,
        Mood::Hang => {
            std::thread::park_timeout(HANG);
            return None;
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes()).ok()
}

impl Seen {
    fn mood(&mut self, delivery: &str) -> Mood {
        let attempts = self.attempts.entry(delivery.to_owned()).or_default();
        *attempts += 1;
        let may_refuse = *attempts <= REFUSALS_MAX;
        let Some(dice) = self.dice.as_mut().filter(|_| may_refuse) else {
            return Mood::Take;
        };
        if dice.random_bool(0.5) {
            MOODS[dice.random_range(0..MOODS.len())]
        } else {
            Mood::Take
        }
    }
}

fn told(body: &[u8]) -> Vec<Line> {
    let page: serde_json::Value = serde_json::from_slice(body).expect("a page is JSON");
    let alerts = page["alerts"].as_array().expect("a page has alerts");
    let line = |alert: &serde_json::Value| Line {
        alert: alert["labels"]["alertname"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        incident: alert["labels"]["incident"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        is_end: alert["status"] == "resolved",
    };
    alerts.iter().map(line).collect()
}
