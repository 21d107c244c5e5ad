//! Quotes and angle brackets in the address of a request, as they are typed: `curl -g 'http://…/series?match[]=up{job="a"}'`.
//!
//! RFC 3986 has them escaped, Go's server takes them as they come, so that commands in the documentation of Prometheus have
//! them; our HTTP library answers such a line with 400 and not a word. So they are escaped before it reads them. Only in
//! the first line of a connection: where later ones begin is known to the library alone, and who keeps connections (browsers,
//! libraries) escapes by itself.

use super::through::writes_through;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// At most so much of the first line is read at once.
const CHUNK_BYTES: usize = 4096;

pub(crate) struct FirstLine<S> {
    stream: S,
    is_over: bool,
    /// Read and escaped, and not yet taken.
    pending: Vec<u8>,
}

impl<S> FirstLine<S> {
    pub(crate) fn new(stream: S) -> Self {
        FirstLine {
            stream,
            is_over: false,
            pending: Vec::new(),
        }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'"' => self.pending.extend(b"%22"),
                b'<' => self.pending.extend(b"%3C"),
                b'>' => self.pending.extend(b"%3E"),
                b'\n' => {
                    self.is_over = true;
                    self.pending.extend(&bytes[at..]);
                    return;
                }
                _ => self.pending.push(*byte),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstLine<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pending.is_empty() {
            if self.is_over {
                return Pin::new(&mut self.stream).poll_read(cx, buf);
            }
            let mut chunk = [0; CHUNK_BYTES];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            self.take_in(read.filled());
        }
        let bytes = self.pending.len().min(buf.remaining());
        buf.put_slice(&self.pending[..bytes]);
        self.pending.drain(..bytes);
        Poll::Ready(Ok(()))
    }
}

writes_through!(FirstLine);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What comes out of the other end when these pieces are sent, with so much room for each read.
    async fn passed(pieces: &[&[u8]], room: usize) -> String {
        let (mut client, server) = tokio::io::duplex(64 << 10);
        for piece in pieces {
            client.write_all(piece).await.unwrap();
        }
        drop(client);
        let (mut line, mut all) = (FirstLine::new(server), Vec::new());
        loop {
            let mut part = vec![0; room];
            match line.read(&mut part).await.unwrap() {
                0 => return String::from_utf8(all).unwrap(),
                bytes => all.extend(&part[..bytes]),
            }
        }
    }

    #[tokio::test]
    async fn the_first_line_alone_is_escaped() {
        let request = "POST /a?q={b=\"c\"}>1 HTTP/1.1\r\nx: \"<y>\"\r\n\r\n{\"a\": \"<b>\"}\n";
        let escaped = request.replacen("\"c\"}>1", "%22c%22}%3E1", 1);
        for room in [1, 7, 100_000] {
            assert_eq!(passed(&[request.as_bytes()], room).await, escaped, "{room}");
            let (begin, end) = request.as_bytes().split_at(13);
            assert_eq!(passed(&[begin, end], room).await, escaped, "{room}");
        }
        let long = format!("GET /?q={} HTTP/1.1\r\n\r\n", "\"".repeat(3 * CHUNK_BYTES));
        let whole = passed(&[long.as_bytes()], 1000).await;
        assert_eq!(whole, long.replace('"', "%22"));
    }
}
