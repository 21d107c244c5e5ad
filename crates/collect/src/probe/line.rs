//! Talking in lines and in counted bytes, as the small protocols do; everything that comes is bounded.

use super::dial::Stream;
use super::look::{Fault, Found};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LINE_BYTES_MAX: usize = 16 << 10;
/// The largest message of any of the small protocols that a probe needs to read.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

pub(super) struct Talk {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Talk {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Talk {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The connection itself, for TLS to begin on it. What was read ahead would have come before TLS and is an error.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, Fault> {
        if self.buffer.is_empty() {
            Ok(self.stream)
        } else {
            Err(Fault::protocol("the server spoke on before TLS began"))
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Found {
        self.stream.write_all(bytes).await.map_err(|e| Fault::of_io(&e))?;
        self.stream.flush().await.map_err(|e| Fault::of_io(&e))
    }

    /// Without its end of line.
    pub(super) async fn line(&mut self) -> Result<String, Fault> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(Fault::protocol(format!(
                    "a line of more than {LINE_BYTES_MAX} bytes"
                )));
            }
            self.fill().await?;
        }
    }

    pub(super) async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        if count > MESSAGE_BYTES_MAX {
            return Err(Fault::protocol(format!("a message of {count} bytes")));
        }
        while self.buffer.len() < count {
            self.fill().await?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    async fn fill(&mut self) -> Found {
        let mut piece = [0; 4096];
        let count = self.stream.read(&mut piece).await.map_err(|e| Fault::of_io(&e))?;
        if count == 0 {
            let reason = lapwing_types::ProbeReason::Closed;
            return Err(Fault::new(
                reason,
                "the server closed the connection before it had answered",
            ));
        }
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(())
    }
}
