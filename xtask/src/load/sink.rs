//! A webhook receiver that takes every page at once and counts what it was told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::clock;

/// What was told so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) pages: usize,
    pub(crate) firing: usize,
    pub(crate) resolved: usize,
    pub(crate) first: Option<Instant>,
    pub(crate) last: Option<Instant>,
}

pub(crate) struct Sink {
    pub(crate) url: String,
    told: Arc<Mutex<Told>>,
}

impl Sink {
    /// Serves until the process ends.
    pub(crate) fn serve() -> Result<Sink> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen for pages")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let told = Arc::new(Mutex::new(Told::default()));
        let shared = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let told = shared.clone();
                std::thread::spawn(move || take(stream, &told));
            }
        });
        Ok(Sink { url, told })
    }

    pub(crate) fn told(&self) -> Told {
        *lock(&self.told)
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection with as many pages as it likes. Ends with it.
fn take(stream: TcpStream, told: &Mutex<Told>) -> Option<()> {
    // An answer that waits for more to send would be measured as the sender's.
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            match reader.read_line(&mut line).ok()? {
                0 => return None,
                1 | 2 => break,
                _ => {}
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        reader.get_mut().write_all(answer).ok()?;
        let (firing, resolved) = counted(&String::from_utf8_lossy(&body));
        let now = clock::now();
        let mut told = lock(told);
        told.pages += 1;
        told.firing += firing;
        told.resolved += resolved;
        told.first.get_or_insert(now);
        told.last = Some(now);
    }
}

/// Alerts that fire and alerts that ended. The page has a status of its own: firing unless all ended.
fn counted(page: &str) -> (usize, usize) {
    let firing = page.matches("\"status\":\"firing\"").count();
    let resolved = page.matches("\"status\":\"resolved\"").count();
    if firing > 0 {
        (firing - 1, resolved)
    } else {
        (0, resolved.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(statuses: &[&str], page: &str, expect: (usize, usize)) {
        let alerts: Vec<String> = statuses
            .iter()
            .map(|s| format!("{{\"status\":\"{s}\"}}"))
            .collect();
        let text = format!("{{\"status\":\"{page}\",\"alerts\":[{}]}}", alerts.join(","));
        assert_eq!(counted(&text), expect, "{text}");
    }

    #[test]
    fn alerts_are_counted_and_not_the_page() {
        check(&["firing", "resolved", "firing"], "firing", (2, 1));
        check(&["resolved"], "resolved", (0, 1));
        check(&["firing"], "firing", (1, 0));
    }
}
