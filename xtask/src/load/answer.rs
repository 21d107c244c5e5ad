//! A server that answers every request at once with 200 and closes: something to look at. It notes when each path was asked.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::clock;

/// Several ports, so that a thousand new connections a second do not use up the numbers of the other side.
const PORTS: usize = 8;
/// A request comes at once; one that does not must not hold its thread.
const PATIENCE: Duration = Duration::from_secs(1);
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\nconnection: close\r\n\r\n{\"status\": \"ok\"}";

pub(crate) struct Answering {
    ports: Vec<u16>,
    asked: Arc<Mutex<Vec<Vec<Instant>>>>,
}

impl Answering {
    /// Answers until the process ends.
    pub(crate) fn serve(paths: usize) -> Result<Answering> {
        let asked = Arc::new(Mutex::new(vec![Vec::new(); paths]));
        let mut ports = Vec::new();
        for _ in 0..PORTS {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            ports.push(listener.local_addr()?.port());
            let asked = asked.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    // One that breaks off is the other side's finding.
                    let _ = answer(stream, &asked);
                }
            });
        }
        Ok(Answering { ports, asked })
    }

    /// Where path number `i` is.
    pub(crate) fn url(&self, i: usize) -> String {
        format!("http://127.0.0.1:{}/{i}", self.ports[i % self.ports.len()])
    }

    /// When each path was asked since the last call.
    pub(crate) fn take(&self) -> Vec<Vec<Instant>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = vec![Vec::new(); asked.len()];
        std::mem::replace(&mut *asked, empty)
    }
}

fn answer(mut stream: TcpStream, asked: &Mutex<Vec<Vec<Instant>>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut buffer, mut length) = ([0; 2048], 0);
    while length < buffer.len() && !buffer[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer[length..])? {
            0 => return Ok(()),
            n => length += n,
        }
    }
    let text = String::from_utf8_lossy(&buffer[..length]);
    let number = text
        .split(' ')
        .nth(1)
        .and_then(|path| path.strip_prefix('/')?.parse::<usize>().ok());
    if let Some(number) = number {
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = asked.get_mut(number) {
            times.push(clock::now());
        }
    }
    stream.write_all(ANSWER)?;
    stream.shutdown(Shutdown::Write)
}
