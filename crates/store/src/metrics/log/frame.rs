//! Records in a file: framed, checksummed, and found again behind damage.
//!
//! Layout of a frame, little endian:
//!
//! ```text
//! marker   2 bytes  "LW"
//! kind     1 byte   see [`Kind`]
//! version  1 byte   of the record's content
//! length   4 bytes  of the payload
//! crc32    4 bytes  over kind, version, length and payload
//! payload
//! ```
//!
//! A reader that meets bytes which are no whole frame moves on to the next marker behind which a checksum holds. What
//! lies between is reported as damage; damage up to the end of the file is a torn tail. A wrong frame inside another
//! one's payload cannot be mistaken for a record unless 32 bits of checksum collide, and only after damage.

use crate::metrics::vfs::VfsFile;
use std::io;

pub(crate) const HEADER_BYTES: usize = 12;
/// No request may be larger than this; a length above it is damage.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 256 << 20;
/// 2: chunks of a checkpoint are read from their end. 3: sealed ones are columns. 4: an open one may reach into two windows.
pub(crate) const VERSION: u8 = 5;
const MARKER: [u8; 2] = *b"LW";
const READ_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// First in every file.
    Header = 0,
    /// Series and the slots in which they live.
    Series = 1,
    /// What one request brought.
    Commit = 2,
    /// State of series in a checkpoint.
    State = 3,
    /// Last in a checkpoint.
    End = 4,
    /// Series that have left: no record behind this one speaks of them.
    Gone = 5,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        let all = [
            Kind::Header,
            Kind::Series,
            Kind::Commit,
            Kind::State,
            Kind::End,
            Kind::Gone,
        ];
        all.get(usize::from(byte)).copied()
    }
}

/// Starts a frame at the end of `out`; the payload follows, then [`finish`] with the returned position.
pub(crate) fn begin(out: &mut Vec<u8>, kind: Kind) -> usize {
    let at = out.len();
    out.extend_from_slice(&MARKER);
    out.push(kind as u8);
    out.push(VERSION);
    out.extend_from_slice(&[0; 8]);
    at
}

pub(crate) fn finish(out: &mut [u8], at: usize) {
    let length = (out.len() - at - HEADER_BYTES) as u32;
    out[at + 4..at + 8].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(&out[at + 2..at + 8], &out[at + HEADER_BYTES..]);
    out[at + 8..at + 12].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    Frame {
        kind: Kind,
        version: u8,
        payload: Vec<u8>,
    },
    /// Bytes from `start` to `end` are no record. `tail` when nothing follows.
    Damage { start: u64, end: u64, tail: bool },
}

/// Reads the frames of one file in order, holding one of them (and a read-ahead) in memory.
pub(crate) struct Scanner<'f> {
    file: &'f dyn VfsFile,
    file_len: u64,
    buffer: Vec<u8>,
    /// Offset in the file of the first byte of the buffer.
    base: u64,
    position: usize,
    /// A frame found behind damage, to be yielded next.
    after_damage: Option<Scanned>,
}

impl<'f> Scanner<'f> {
    pub(crate) fn new(file: &'f dyn VfsFile) -> io::Result<Self> {
        Ok(Scanner {
            file,
            file_len: file.size()?,
            buffer: Vec::new(),
            base: 0,
            position: 0,
            after_damage: None,
        })
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Scanned>> {
        if let Some(frame) = self.after_damage.take() {
            return Ok(Some(frame));
        }
        let start = self.offset();
        if start >= self.file_len {
            return Ok(None);
        }
        if let Some(frame) = self.try_frame()? {
            return Ok(Some(frame));
        }
        loop {
            self.position += 1;
            if !self.skip_to_marker()? {
                let end = self.file_len;
                self.base = end;
                self.position = 0;
                self.buffer.clear();
                return Ok(Some(Scanned::Damage {
                    start,
                    end,
                    tail: true,
                }));
            }
            let end = self.offset();
            if let Some(frame) = self.try_frame()? {
                self.after_damage = Some(frame);
                return Ok(Some(Scanned::Damage {
                    start,
                    end,
                    tail: false,
                }));
            }
        }
    }

    fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    /// Makes `wanted` bytes available from the position on; false when the file ends before.
    fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        if self.buffer.len() - self.position >= wanted {
            return Ok(true);
        }
        self.buffer.drain(..self.position);
        self.base += self.position as u64;
        self.position = 0;
        let have = self.buffer.len();
        let left = self.file_len.saturating_sub(self.base + have as u64);
        let more = (wanted.max(READ_BYTES) - have).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.buffer.resize(have + more, 0);
        let read = self
            .file
            .read_at(&mut self.buffer[have..], self.base + have as u64)?;
        self.buffer.truncate(have + read);
        Ok(self.buffer.len() >= wanted)
    }

    fn try_frame(&mut self) -> io::Result<Option<Scanned>> {
        if !self.fill(HEADER_BYTES)? {
            return Ok(None);
        }
        let header = &self.buffer[self.position..self.position + HEADER_BYTES];
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let (Some(kind), version) = (Kind::from_byte(header[2]), header[3]) else {
            return Ok(None);
        };
        let fits = self.offset() + (HEADER_BYTES + length) as u64 <= self.file_len;
        if header[..2] != MARKER || length > PAYLOAD_BYTES_MAX || !fits {
            return Ok(None);
        }
        let expect = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        if !self.fill(HEADER_BYTES + length)? {
            return Ok(None);
        }
        let frame = &self.buffer[self.position..self.position + HEADER_BYTES + length];
        if checksum(&frame[2..8], &frame[HEADER_BYTES..]) != expect {
            return Ok(None);
        }
        let payload = frame[HEADER_BYTES..].to_vec();
        self.position += HEADER_BYTES + length;
        Ok(Some(Scanned::Frame {
            kind,
            version,
            payload,
        }))
    }

    fn skip_to_marker(&mut self) -> io::Result<bool> {
        loop {
            if !self.fill(HEADER_BYTES)? {
                return Ok(false);
            }
            let rest = &self.buffer[self.position..];
            match rest.windows(2).position(|w| w == MARKER) {
                Some(found) => {
                    self.position += found;
                    return Ok(true);
                }
                None => self.position = self.buffer.len() - 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::vfs::{RealFs, Vfs};
    use proptest::prelude::*;

    fn scan(bytes: &[u8]) -> Vec<Scanned> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        let file = RealFs.open(&path).unwrap();
        let mut scanner = Scanner::new(&*file).unwrap();
        std::iter::from_fn(|| scanner.next().unwrap()).collect()
    }

    fn file_of(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut out, mut starts) = (Vec::new(), Vec::new());
        for payload in payloads {
            let at = begin(&mut out, Kind::Commit);
            out.extend_from_slice(payload);
            finish(&mut out, at);
            starts.push(at);
        }
        (out, starts)
    }

    fn frame(payload: &[u8]) -> Scanned {
        Scanned::Frame {
            kind: Kind::Commit,
            version: VERSION,
            payload: payload.to_vec(),
        }
    }

    proptest! {
        #[test]
        fn a_cut_loses_only_what_it_cuts(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..6), cut in 0usize..400) {
            let (bytes, starts) = file_of(&payloads);
            let cut = cut.min(bytes.len());
            let whole = starts.iter().zip(&payloads).filter(|(at, p)| **at + HEADER_BYTES + p.len() <= cut).count();
            let found = scan(&bytes[..cut]);
            let expect: Vec<Scanned> = payloads[..whole].iter().map(|p| frame(p)).collect();
            prop_assert_eq!(&found[..whole], &expect[..]);
            let torn = found[whole..].iter().all(|s| matches!(s, Scanned::Damage { tail: true, .. }));
            prop_assert!(torn && found.len() <= whole + 1);
        }

        #[test]
        fn a_flipped_bit_loses_one_record(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 2..6), at: usize, bit in 0u8..8) {
            let (mut bytes, starts) = file_of(&payloads);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let hit = starts.iter().rposition(|s| *s <= at).unwrap();
            let found: Vec<Scanned> = scan(&bytes).into_iter().filter(|s| matches!(s, Scanned::Frame { .. })).collect();
            let expect: Vec<Scanned> =
                payloads.iter().enumerate().filter(|(i, _)| *i != hit).map(|(_, p)| frame(p)).collect();
            prop_assert_eq!(found, expect);
        }
    }
}
