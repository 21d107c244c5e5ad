//! A target: one page of many series whose values change with every scrape, on a free loopback port.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

pub(crate) struct Page {
    pub(crate) address: String,
    served: Arc<AtomicUsize>,
}

impl Page {
    /// Serves until the process ends.
    pub(crate) fn serve(series: usize) -> Result<Page> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen for scrapes")?;
        let address = listener.local_addr()?.to_string();
        let served = Arc::new(AtomicUsize::new(0));
        let count = served.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let count = count.clone();
                std::thread::spawn(move || answer(stream, series, &count));
            }
        });
        Ok(Page { address, served })
    }

    /// Pages that were written to their end.
    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

/// One connection with as many requests as it likes.
fn answer(stream: std::net::TcpStream, series: usize, served: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        match reader.read_line(&mut line) {
            Ok(n) if n > 2 => continue,
            Ok(2) => {}
            _ => return,
        }
        let body = text(series, served.load(Ordering::SeqCst));
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let stream = reader.get_mut();
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()))
            .is_err()
        {
            return;
        }
        served.fetch_add(1, Ordering::SeqCst);
    }
}

/// A hundred series to a family, as exporters of many devices have them.
fn text(series: usize, step: usize) -> String {
    let mut out = String::with_capacity(series * 90);
    for number in 0..series {
        let (family, device) = (number / 100, number % 100);
        if device == 0 {
            let _ = writeln!(out, "# HELP bench_family_{family}_total A counter of the bench.");
            let _ = writeln!(out, "# TYPE bench_family_{family}_total counter");
        }
        let value = step * (device + 1) + number;
        let _ = writeln!(
            out,
            "bench_family_{family}_total{{device=\"disk{device}\",zone=\"eu-{}\"}} {value}",
            device % 3
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_all_series_and_moves_on() {
        let first = text(250, 0);
        assert_eq!(first.lines().filter(|l| !l.starts_with('#')).count(), 250);
        assert_ne!(first, text(250, 1));
    }
}
