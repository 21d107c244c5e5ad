//! Big-endian numbers and varints of Prometheus' files.

use super::error::TsdbError;
use crate::crc32c::crc32c;
use crate::protobuf::{Reader, unzigzag};

#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Cursor { bytes, at: 0, what }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], TsdbError> {
        if length > self.left() as u64 {
            return Err(self.truncated());
        }
        let part = &self.bytes[self.at..self.at + length as usize];
        self.at += length as usize;
        Ok(part)
    }

    pub(super) fn u8(&mut self) -> Result<u8, TsdbError> {
        self.take(1).map(|b| b[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, TsdbError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, TsdbError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, TsdbError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, TsdbError> {
        self.u64().map(f64::from_bits)
    }

    pub(super) fn uvarint(&mut self) -> Result<u64, TsdbError> {
        let mut reader = Reader::new(&self.bytes[self.at..]);
        let value = reader.varint().map_err(|_| self.truncated())?;
        self.at += reader.position();
        Ok(value)
    }

    pub(super) fn varint(&mut self) -> Result<i64, TsdbError> {
        self.uvarint().map(unzigzag)
    }

    /// Text with its length before it.
    pub(super) fn text(&mut self) -> Result<&'a str, TsdbError> {
        let length = self.uvarint()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| TsdbError::NotUtf8 { what: self.what })
    }

    /// Checks the checksum that stands here against `covered`, which starts at `offset` of the file.
    pub(super) fn checksum(&mut self, covered: &[u8], offset: usize) -> Result<(), TsdbError> {
        if self.u32()? == crc32c(covered) {
            Ok(())
        } else {
            Err(TsdbError::Checksum {
                what: self.what,
                offset,
            })
        }
    }

    pub(super) fn magic(&mut self, expected: u32) -> Result<(), TsdbError> {
        let found = self.u32()?;
        if found == expected {
            Ok(())
        } else {
            Err(TsdbError::Magic {
                file: self.what,
                found,
                expected,
            })
        }
    }

    pub(super) fn version(&mut self, expected: u8) -> Result<(), TsdbError> {
        let version = self.u8()?;
        if version == expected {
            Ok(())
        } else {
            Err(TsdbError::Version {
                file: self.what,
                version,
            })
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TsdbError> {
        let part = self.bytes[self.at..].first_chunk::<N>();
        let array = *part.ok_or_else(|| self.truncated())?;
        self.at += N;
        Ok(array)
    }

    fn truncated(&self) -> TsdbError {
        TsdbError::Truncated { what: self.what }
    }
}
