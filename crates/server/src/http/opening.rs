//! The first bytes of a connection, which must come in time.
//!
//! Before it is known whether a client speaks HTTP/1.1 or HTTP/2, no timeout of either protocol runs: who sent nothing, or a
//! piece of HTTP/2's preface, would hold a connection for ever, and a few thousand of those all that there are. So reading
//! fails after the time for a head, until the bytes are the whole preface or can no longer become it.

use super::through::writes_through;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) struct Opening<S> {
    stream: S,
    /// Bytes of the preface that came, as long as nothing else did.
    matched: usize,
    /// `None` once the protocol is known.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S> Opening<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        Opening {
            stream,
            matched: 0,
            limit: Some(Box::pin(tokio::time::sleep(limit))),
        }
    }

    fn saw(&mut self, bytes: &[u8]) {
        let rest = &PREFACE[self.matched..];
        let length = bytes.len().min(rest.len());
        self.matched += length;
        let is_over = bytes.is_empty() || bytes[..length] != rest[..length];
        if is_over || self.matched == PREFACE.len() {
            self.limit = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(limit) = &mut self.limit else {
            return read;
        };
        if read.is_pending() {
            return limit
                .as_mut()
                .poll(cx)
                .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "no request came in time")));
        }
        self.saw(&buf.filled()[before..]);
        read
    }
}

writes_through!(Opening);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: Duration = Duration::from_millis(20);

    /// Whether reading on still waits after the limit, when these came first.
    async fn goes_on_after(pieces: &[&[u8]], wait: Duration) -> bool {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut opening = Opening::new(server, LIMIT);
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            let mut came = vec![0; piece.len()];
            opening.read_exact(&mut came).await.unwrap();
            assert_eq!(came, *piece);
        }
        let more = tokio::time::timeout(wait, opening.read_u8()).await;
        more.is_err()
    }

    #[tokio::test]
    async fn only_a_known_protocol_may_wait() {
        let silent: [&[&[u8]]; 4] = [&[], &[b"P"], &[b"PRI * HTTP/2.0\r\n", b"\r\n"], &[&PREFACE[..23]]];
        for pieces in silent {
            assert!(
                !goes_on_after(pieces, Duration::from_secs(60)).await,
                "{pieces:?}"
            );
        }
        let known: [&[&[u8]]; 4] = [&[b"G"], &[b"P", b"O"], &[PREFACE], &[b"PRI", &PREFACE[3..]]];
        for pieces in known {
            assert!(goes_on_after(pieces, 3 * LIMIT).await, "{pieces:?}");
        }
    }
}
