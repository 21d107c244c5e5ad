//! A small file of records that are only ever added: state that changes with every request, and that one sync per change
//! would cost too much.
//!
//! Layout: per record a length (u32, little-endian), the CRC-32 of the payload (u32), the payload. A record is one write:
//! what a killed process had appended is with the kernel. A torn or damaged tail is cut off when the file is opened; where
//! damage has whole records behind it, these are read as well and the file stays as it is. [`Journal::replace`] writes a new file beside the old one, syncs it and renames it, so that
//! at every moment one of the two is there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Larger than anything that is written; a length beyond it is damage.
const RECORD_BYTES_MAX: usize = 1 << 30;
const HEAD_BYTES: usize = 8;

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    damaged: Vec<Range<u64>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{action} {path}")]
pub struct JournalError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Journal {
    /// Opens or creates it; what it holds comes with it, oldest first.
    pub fn open(path: &Path) -> Result<(Self, Vec<Vec<u8>>), JournalError> {
        let failed = |action: &'static str| {
            move |source| JournalError {
                action,
                path: path.to_owned(),
                source,
            }
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(failed("creating the folder of"))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .append(true)
            .open(path)
            .map_err(failed("opening"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("reading"))?;
        let found = read_records(&bytes);
        if found.end < bytes.len() {
            file.set_len(found.end as u64)
                .map_err(failed("cutting the tail off"))?;
        }
        let journal = Journal {
            path: path.to_owned(),
            file,
            size_bytes: found.end as u64,
            damaged: found.damaged,
        };
        Ok((journal, found.records))
    }

    /// The bytes that were no record when it was opened, without the torn tail that a killed process leaves.
    pub fn damaged(&self) -> &[Range<u64>] {
        &self.damaged
    }

    /// As [`Journal::damaged`], of a file that is only read.
    pub fn check(path: &Path) -> Result<Vec<Range<u64>>, JournalError> {
        let bytes = std::fs::read(path).map_err(|source| JournalError {
            action: "reading",
            path: path.to_owned(),
            source,
        })?;
        Ok(read_records(&bytes).damaged)
    }

    /// With the kernel when this returns. After an error the record may stand there in part and is cut off when the
    /// file is opened again; the next [`Journal::replace`] makes it whole.
    pub fn append(&mut self, payload: &[u8]) -> Result<(), JournalError> {
        let record = framed(payload);
        self.file
            .write_all(&record)
            .map_err(|source| self.error("appending to", source))?;
        self.size_bytes += record.len() as u64;
        Ok(())
    }

    /// Makes this record the only one; synced when this returns.
    pub fn replace(&mut self, payload: &[u8]) -> Result<(), JournalError> {
        let beside = self.path.with_extension("new");
        let record = framed(payload);
        let write = || -> std::io::Result<File> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&beside)?;
            file.write_all(&record)?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.path)?;
            if let Some(dir) = self.path.parent() {
                File::open(dir)?.sync_all()?;
            }
            OpenOptions::new().append(true).open(&self.path)
        };
        self.file = write().map_err(|source| self.error("replacing", source))?;
        self.size_bytes = record.len() as u64;
        Ok(())
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn error(&self, action: &'static str, source: std::io::Error) -> JournalError {
        JournalError {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD_BYTES + payload.len());
    record.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    record.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    record.extend_from_slice(payload);
    record
}

/// What the bytes of a journal hold.
#[derive(Default)]
struct Found {
    records: Vec<Vec<u8>>,
    /// Of the last whole record.
    end: usize,
    damaged: Vec<Range<u64>>,
}

fn read_records(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    while found.end < bytes.len() {
        if let Some(payload) = record_at(bytes, found.end) {
            found.records.push(payload.to_vec());
            found.end += HEAD_BYTES + payload.len();
            continue;
        }
        let start = found.end;
        // Eight zeros would pass for a record of nothing.
        let is_record = |at: &usize| record_at(bytes, *at).is_some_and(|payload| !payload.is_empty());
        let next = (start + 1..bytes.len()).find(is_record);
        if next.is_some() || !is_torn(bytes, start) {
            found
                .damaged
                .push(start as u64..next.unwrap_or(bytes.len()) as u64);
        }
        match next {
            Some(next) => found.end = next,
            None => break,
        }
    }
    found
}

fn record_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (length, checksum, rest) = head_at(bytes, at)?;
    let payload = rest.get(..length)?;
    (length <= RECORD_BYTES_MAX && crc32fast::hash(payload) == checksum).then_some(payload)
}

fn head_at(bytes: &[u8], at: usize) -> Option<(usize, u32, &[u8])> {
    let (head, rest) = bytes.get(at..)?.split_first_chunk::<HEAD_BYTES>()?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let checksum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    Some((length, checksum, rest))
}

/// Whether what begins here may be the beginning of a record that a killed process did not end. The first record is synced before
/// the file has its name, or small.
fn is_torn(bytes: &[u8], at: usize) -> bool {
    let is_short = |(length, _, rest): (usize, u32, &[u8])| length > rest.len() && length <= RECORD_BYTES_MAX;
    at > 0 && head_at(bytes, at).is_none_or(is_short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_there_again_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/journal");
        let (mut journal, records) = Journal::open(&path).unwrap();
        assert!(records.is_empty());
        journal.append(b"one").unwrap();
        journal.append(b"").unwrap();
        journal.append(b"three").unwrap();
        drop(journal);
        let (mut journal, records) = Journal::open(&path).unwrap();
        assert_eq!(records, [b"one".to_vec(), Vec::new(), b"three".to_vec()]);
        journal.replace(b"all").unwrap();
        journal.append(b"more").unwrap();
        assert_eq!(journal.size_bytes(), 2 * 8 + 3 + 4);
        drop(journal);
        assert_eq!(
            Journal::open(&path).unwrap().1,
            [b"all".to_vec(), b"more".to_vec()]
        );
    }

    /// Wherever a kill tears the file, what stands before the tear is read and what comes after it is appended behind.
    #[test]
    fn a_torn_tail_is_cut_off_wherever_it_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let whole = [framed(b"first"), framed(b"second")].concat();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, records) = Journal::open(&path).unwrap();
            assert_eq!(records.len(), usize::from(cut >= 13), "cut at {cut}");
            journal.append(b"next").unwrap();
            drop(journal);
            assert_eq!(Journal::open(&path).unwrap().1.last().unwrap(), b"next");
        }
        let mut damaged = whole.clone();
        damaged[whole.len() - 1] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, [b"first".to_vec()]);
    }

    /// A flipped bit costs the record that it hits, wherever it is, and is told; a torn tail is none.
    #[test]
    fn damage_costs_its_own_record_and_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let whole = [framed(b"first"), framed(b"second"), framed(b"third")].concat();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            let told = Journal::check(&path).unwrap();
            let (journal, records) = Journal::open(&path).unwrap();
            assert_eq!(records.len(), 2, "flip at {at}");
            assert_eq!(journal.damaged(), told);
            // A length that became longer than the file is how a torn tail looks.
            assert_eq!(told.len(), usize::from(!(27..31).contains(&at)), "flip at {at}");
        }
        for junk in [&b"no record at all"[..], &framed(b"only")[..6]] {
            std::fs::write(&path, junk).unwrap();
            let all = 0..junk.len() as u64;
            assert_eq!(Journal::check(&path).unwrap(), std::slice::from_ref(&all));
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(Journal::check(&path).unwrap(), []);
    }
}
