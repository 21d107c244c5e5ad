//! A receiver that takes what comes over HTTP, answers as it is told, and hands over what it heard.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

/// What came: the path, and the body.
pub(crate) struct Heard {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) struct Door {
    /// With a slash at its end.
    pub(crate) url: String,
    heard: mpsc::Receiver<Heard>,
}

impl Door {
    /// `answer` is asked with the path and the own address, and gives the body of a 200.
    pub(crate) fn open(answer: impl Fn(&str, &str) -> String + Send + 'static) -> Door {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let url = format!("http://{address}/");
        let (said, heard) = mpsc::channel();
        let own = url.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Some(one) = read(&mut stream) else { continue };
                let body = answer(&one.path, &own);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
                let _ = said.send(one);
            }
        });
        Door { url, heard }
    }

    /// What came since the last call.
    pub(crate) fn news(&self) -> Vec<Heard> {
        self.heard.try_iter().collect()
    }

    /// The next that comes to this path; what comes to others meanwhile is passed over.
    pub(crate) fn wait_for(&self, path: &str) -> Heard {
        loop {
            let heard = self.heard.recv_timeout(Duration::from_secs(120));
            let heard = heard.unwrap_or_else(|e| panic!("nothing came to {path}: {e}"));
            if heard.path == path {
                return heard;
            }
        }
    }
}

fn read(stream: &mut impl Read) -> Option<Heard> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut chunk).ok()?;
        bytes.extend_from_slice(&chunk[..n]);
        let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            if n == 0 {
                return None;
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let length = head
            .lines()
            .find_map(|l| {
                l.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse::<usize>()
                    .ok()
            })
            .unwrap_or(0);
        if n == 0 || bytes.len() - at - 4 >= length {
            let path = head.split(' ').nth(1).unwrap_or("").to_owned();
            let body = bytes[at + 4..].to_vec();
            return Some(Heard { path, body });
        }
    }
}
