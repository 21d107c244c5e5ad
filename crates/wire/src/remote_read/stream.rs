//! `prometheus.ChunkedReadResponse` frames: the answer as a stream of XOR chunks.
//!
//! Frame: length of the message (varint), CRC-32C of the message (u32, big-endian), message. A message belongs to one
//! query; a series may go on in the next message, never after another series has begun.

use super::RemoteReadError;
use crate::chunk::{ChunkEncoding, ChunkError, decode_xor, encode_xor};
use crate::crc32c::crc32c;
use crate::protobuf::{Reader, Writer, push_varint};
use crate::remote_write::{encode_labels, label_set};
use lapwing_types::{Labels, Sample};

/// What Prometheus puts into a chunk.
pub const SAMPLES_PER_CHUNK: usize = 120;
/// Prometheus' own default for a frame it sends.
const FRAME_BYTES_TARGET: usize = 1 << 20;

/// Appends frames to a buffer that the server hands on as it fills.
#[derive(Debug, Default)]
pub struct StreamWriter {
    out: Vec<u8>,
}

impl StreamWriter {
    pub fn new() -> Self {
        StreamWriter::default()
    }

    /// One series with its samples in order of time, in as many frames as it takes.
    pub fn series(&mut self, query_index: usize, labels: &Labels, samples: &[Sample]) {
        let mut chunks = samples.chunks(SAMPLES_PER_CHUNK).peekable();
        while chunks.peek().is_some() {
            let mut message = Writer::new();
            message.message(1, |w| {
                encode_labels(w, labels);
                while w.as_bytes().len() < FRAME_BYTES_TARGET {
                    let Some(chunk) = chunks.next() else {
                        break;
                    };
                    w.message(2, |w| encode_chunk(w, chunk));
                }
            });
            message.int64(2, query_index as i64);
            self.frame(message.as_bytes());
        }
    }

    /// What has been written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn frame(&mut self, message: &[u8]) {
        push_varint(&mut self.out, message.len() as u64);
        self.out.extend_from_slice(&crc32c(message).to_be_bytes());
        self.out.extend_from_slice(message);
    }
}

fn encode_chunk(w: &mut Writer, samples: &[Sample]) {
    w.int64(1, samples.first().map_or(0, |s| s.t_ms));
    w.int64(2, samples.last().map_or(0, |s| s.t_ms));
    w.uint64(3, u64::from(ChunkEncoding::Xor.code()));
    w.bytes(4, &encode_xor(samples));
}

/// A part of one series' answer.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamedSeries {
    pub query_index: i64,
    pub labels: Labels,
    pub samples: Vec<Sample>,
}

/// Takes frames apart as their bytes arrive.
#[derive(Debug)]
pub struct StreamReader {
    pending: Vec<u8>,
    frame_bytes_max: usize,
}

impl StreamReader {
    pub fn new(frame_bytes_max: usize) -> Self {
        StreamReader {
            pending: Vec::new(),
            frame_bytes_max,
        }
    }

    /// Takes the next bytes of the body and returns the series of the frames that are now whole.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<StreamedSeries>, RemoteReadError> {
        self.pending.extend_from_slice(bytes);
        let mut series = Vec::new();
        let mut done = 0;
        while let Some((message, length)) = next_frame(&self.pending[done..], self.frame_bytes_max)? {
            decode_message(message, &mut series)?;
            done += length;
        }
        self.pending.drain(..done);
        Ok(series)
    }

    /// The body has ended: nothing may be left over.
    pub fn finish(self) -> Result<(), RemoteReadError> {
        if self.pending.is_empty() {
            Ok(())
        } else {
            Err(RemoteReadError::Truncated)
        }
    }
}

/// The message of the first frame and the length of the frame; `None` while it is not whole.
fn next_frame(bytes: &[u8], max_bytes: usize) -> Result<Option<(&[u8], usize)>, RemoteReadError> {
    const LENGTH_BYTES_MAX: usize = 10;
    let mut reader = Reader::new(bytes);
    let claimed = match reader.varint() {
        Ok(claimed) => claimed,
        Err(_) if bytes.len() < LENGTH_BYTES_MAX => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if claimed > max_bytes as u64 {
        return Err(RemoteReadError::FrameTooLarge {
            claimed_bytes: claimed,
            max_bytes,
        });
    }
    let rest = &bytes[reader.position()..];
    let Some((checksum, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let Some(message) = rest.get(..claimed as usize) else {
        return Ok(None);
    };
    let (found, expected) = (crc32c(message), u32::from_be_bytes(*checksum));
    if found != expected {
        return Err(RemoteReadError::Checksum { found, expected });
    }
    Ok(Some((message, reader.position() + 4 + message.len())))
}

fn decode_message(message: &[u8], out: &mut Vec<StreamedSeries>) -> Result<(), RemoteReadError> {
    let first = out.len();
    let mut query_index = 0;
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => out.push(decode_series(field.message()?)?),
            2 => query_index = field.int64()?,
            _ => {}
        }
    }
    for series in &mut out[first..] {
        series.query_index = query_index;
    }
    Ok(())
}

fn decode_series(reader: Reader<'_>) -> Result<StreamedSeries, RemoteReadError> {
    let labels = label_set(reader, 1)?;
    let mut samples = Vec::new();
    let mut fields = reader;
    while let Some(field) = fields.next_field()? {
        if field.number == 2 {
            decode_chunk(field.message()?, &labels, &mut samples)?;
        }
    }
    Ok(StreamedSeries {
        query_index: 0,
        labels,
        samples,
    })
}

fn decode_chunk(
    mut reader: Reader<'_>,
    labels: &Labels,
    samples: &mut Vec<Sample>,
) -> Result<(), RemoteReadError> {
    let (mut code, mut data) = (0, &[][..]);
    while let Some(field) = reader.next_field()? {
        match field.number {
            3 => code = field.uint64()?,
            4 => data = field.bytes()?,
            _ => {}
        }
    }
    let decoded = if code == u64::from(ChunkEncoding::Xor.code()) {
        decode_xor(data, samples)
    } else {
        Err(ChunkError::UnknownEncoding { code })
    };
    decoded.map_err(|source| RemoteReadError::Chunk {
        series: labels.to_string(),
        source,
    })
}
