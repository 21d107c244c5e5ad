//! `prometheus.ChunkedReadResponse` frames: the answer as a stream of chunks, of floats and of native histograms.
//!
//! Frame: length of the message (varint), CRC-32C of the message (u32, big-endian), message. A message belongs to one
//! query; a series may go on in the next message, never after another series has begun.

use super::RemoteReadError;
use crate::chunk::{
    self, ChunkEncoding, ChunkError, ChunkSamples, encode_histograms, encode_xor, split_histograms,
};
use crate::crc32c::crc32c;
use crate::protobuf::{Reader, Writer, push_varint};
use crate::remote_write::{encode_labels, label_set};
use lapwing_types::{Histogram, Labels, Sample, SeriesWrite};

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

    /// One series with its points in order of time, in as many frames as it takes. Exemplars and start times have no
    /// place here.
    pub fn series(&mut self, query_index: usize, series: &SeriesWrite) {
        let floats = series.samples.chunks(SAMPLES_PER_CHUNK).map(Run::Floats);
        let histograms = split_histograms(&series.histograms, SAMPLES_PER_CHUNK);
        let mut runs: Vec<Run<'_>> = floats
            .chain(histograms.into_iter().map(Run::Histograms))
            .collect();
        runs.sort_by_key(Run::min_ms);
        let mut runs = runs.into_iter().peekable();
        while runs.peek().is_some() {
            let mut message = Writer::new();
            message.message(1, |w| {
                encode_labels(w, &series.labels);
                while w.as_bytes().len() < FRAME_BYTES_TARGET {
                    let Some(run) = runs.next() else {
                        break;
                    };
                    w.message(2, |w| run.encode(w));
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

/// What becomes one chunk.
enum Run<'a> {
    Floats(&'a [Sample]),
    Histograms(&'a [(i64, Histogram)]),
}

impl Run<'_> {
    fn min_ms(&self) -> i64 {
        match self {
            Run::Floats(run) => run.first().map_or(0, |s| s.t_ms),
            Run::Histograms(run) => run.first().map_or(0, |(t_ms, _)| *t_ms),
        }
    }

    fn max_ms(&self) -> i64 {
        match self {
            Run::Floats(run) => run.last().map_or(0, |s| s.t_ms),
            Run::Histograms(run) => run.last().map_or(0, |(t_ms, _)| *t_ms),
        }
    }

    fn encode(&self, w: &mut Writer) {
        let (encoding, data) = match self {
            Run::Floats(run) => (ChunkEncoding::Xor, encode_xor(run)),
            Run::Histograms(run) => encode_histograms(run),
        };
        w.int64(1, self.min_ms());
        w.int64(2, self.max_ms());
        w.uint64(3, u64::from(encoding.code()));
        w.bytes(4, &data);
    }
}

/// A part of one series' answer.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamedSeries {
    pub query_index: i64,
    pub labels: Labels,
    pub samples: ChunkSamples,
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
    let mut samples = ChunkSamples::default();
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
    samples: &mut ChunkSamples,
) -> Result<(), RemoteReadError> {
    let (mut code, mut data) = (0, &[][..]);
    while let Some(field) = reader.next_field()? {
        match field.number {
            3 => code = field.uint64()?,
            4 => data = field.bytes()?,
            _ => {}
        }
    }
    let decoded = match u8::try_from(code) {
        Ok(code) => chunk::decode(code, data, samples),
        Err(_) => Err(ChunkError::UnknownEncoding { code }),
    };
    decoded.map_err(|source| RemoteReadError::Chunk {
        series: labels.to_string(),
        source,
    })
}
