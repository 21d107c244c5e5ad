//! A model server that can be slow, wrong, empty, broken, hung, on old weights or gone. It speaks OpenAI's protocol, KServe v2
//! (Triton's too) and TorchServe's, and counts how often it was restarted (`POST /restart`, which makes it well again).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub(crate) enum Mood {
    Well,
    Wrong,
    Empty,
    Broken,
    Hung,
    OldWeights,
    Slow,
    /// Nobody listens any more.
    Gone,
}

/// How long a slow one takes: a second more than the tests' `degraded_above`, and three less than their timeouts, so that no
/// hiccup of a busy machine makes the one or the other of it.
const SLOW: Duration = Duration::from_secs(2);
/// Nobody forgets a restart for longer than a test waits.
const HELD_MAX: Duration = Duration::from_secs(180);

pub(crate) struct Model {
    pub(crate) url: String,
    mood: Arc<AtomicU8>,
    restarts: Arc<AtomicU32>,
    held: Arc<Held>,
    in_hand: Arc<AtomicU32>,
}

/// Restarts that do not begin before the test says so.
#[derive(Default)]
struct Held {
    is_held: Mutex<bool>,
    released: Condvar,
}

impl Held {
    fn wait(&self) {
        let held = self.is_held.lock().unwrap();
        let _ = self
            .released
            .wait_timeout_while(held, HELD_MAX, |held| *held)
            .unwrap();
    }

    fn set(&self, is_held: bool) {
        *self.is_held.lock().unwrap() = is_held;
        self.released.notify_all();
    }
}

impl Model {
    pub(crate) fn start() -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (mood, restarts) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicU32::new(0)));
        let (held, in_hand) = (Arc::new(Held::default()), Arc::new(AtomicU32::new(0)));
        let (of, count, holding) = (mood.clone(), restarts.clone(), held.clone());
        let slow = in_hand.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of.load(Ordering::SeqCst) == Mood::Gone as u8 {
                    return;
                }
                let (of, count, holding) = (of.clone(), count.clone(), holding.clone());
                let slow = slow.clone();
                std::thread::spawn(move || answer(stream, (&of, &slow), (&count, &holding)));
            }
        });
        Model {
            url,
            mood,
            restarts,
            held,
            in_hand,
        }
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
        if mood == Mood::Gone {
            // Whoever waits for the next caller learns that there is none to come.
            let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        }
    }

    pub(crate) fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap_or("")
    }

    /// A restart that is asked for now waits for [`Model::let_restart`]: what is told meanwhile is told of a model that fails.
    pub(crate) fn hold_restarts(&self) {
        self.held.set(true);
    }

    pub(crate) fn let_restart(&self) {
        self.held.set(false);
    }

    /// Until it has begun with a request that it is slow about.
    pub(crate) fn wait_until_asked(&self) {
        let watch = lapwing::clock::Stopwatch::start();
        while self.in_hand.load(Ordering::SeqCst) == 0 {
            assert!(watch.elapsed() < HELD_MAX, "nobody asks the model");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::SeqCst)
    }
}

fn answer(
    stream: TcpStream,
    (mood, in_hand): (&AtomicU8, &AtomicU32),
    (restarts, held): (&AtomicU32, &Held),
) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    if reader.read_line(&mut first).is_err() {
        return;
    }
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    if first.contains("/restart") {
        restarts.fetch_add(1, Ordering::SeqCst);
        held.wait();
        mood.store(Mood::Well as u8, Ordering::SeqCst);
    }
    let mood = mood.load(Ordering::SeqCst);
    let is = |wanted: Mood| mood == wanted as u8;
    if is(Mood::Hung) {
        // Until the other side gives up.
        let _ = reader.read(&mut [0; 1]);
        return;
    }
    if is(Mood::Slow) {
        // A read that nobody answers is a pause that ends early when the asker leaves.
        let _ = reader.get_ref().set_read_timeout(Some(SLOW));
        in_hand.fetch_add(1, Ordering::SeqCst);
        let _ = reader.read(&mut [0; 1]);
        in_hand.fetch_sub(1, Ordering::SeqCst);
    }
    let path = first.split(' ').nth(1).unwrap_or("/");
    let (kind, body) = said(path, mood);
    let status = if is(Mood::Broken) { "500 Broken" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = reader.get_mut().write_all(format!("{head}{body}").as_bytes());
}

fn said(path: &str, mood: u8) -> (&'static str, String) {
    let is = |wanted: Mood| mood == wanted as u8;
    let version = if is(Mood::OldWeights) { "v1" } else { "v2" };
    let text = match mood {
        _ if is(Mood::Wrong) => "5",
        _ if is(Mood::Empty) => "",
        _ => "4",
    };
    let json = |value: serde_json::Value| ("application/json", value.to_string());
    if path.contains("/v1/chat/completions") {
        let piece = serde_json::json!({ "model": "chat", "choices": [{ "delta": { "content": text } }] });
        ("text/event-stream", format!("data: {piece}\n\ndata: [DONE]\n\n"))
    } else if path.ends_with("/infer") {
        let data: Vec<f64> = text.parse().into_iter().collect();
        json(serde_json::json!({
            "model_name": "sum", "model_version": version,
            "outputs": [{ "name": "total", "datatype": "FP64", "shape": [1], "data": data }],
        }))
    } else if path.starts_with("/predictions/") {
        ("application/json", text.to_owned())
    } else if path.starts_with("/v2/models/") && !path.ends_with("/ready") {
        json(serde_json::json!({ "name": "sum", "versions": [version], "platform": "fake" }))
    } else if path == "/metrics" {
        // What it would be known by, if somebody looked.
        let page = "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name=\"org/chat-7b\"} 0\n";
        ("text/plain", page.to_owned())
    } else if path == "/ping" {
        json(serde_json::json!({ "status": "Healthy" }))
    } else {
        json(serde_json::json!({ "version": version }))
    }
}
