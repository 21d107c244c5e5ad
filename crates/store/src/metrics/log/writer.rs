//! Appending to the log: segments, group commit, a full disk, a failed sync.
//!
//! Definitions of new series wait in memory until the next commit is written, and stand before it in the same write:
//! a reference may be used by another request at once, yet no record on disk ever speaks of a slot that was not defined
//! before it. A crash in between loses definitions that no sample depends on.
//!
//! What the head has learnt and will not say again (changes of starts and metadata, which sources repeat with every sample) waits
//! with the definitions when the request that brought it could not be written.
//!
//! A write that fails is cut off again (`set_len`), so that the file ends with a whole record; where even that fails the
//! cut is tried again before the next write. A full disk is therefore an error for the request only. A failed sync is
//! different: nobody knows what the device holds, so the log is poisoned until the store is opened again.
//!
//! With `Durability::Disk` each commit waits until a sync has covered it; whoever comes while a sync runs is covered by
//! the next one, which one of the waiters starts for all.

use super::frame::{self, Kind};
use super::segment_name;
use crate::bytes::{put_text, put_varint};
use crate::metrics::options::Durability;
use crate::metrics::refusal::{AppendError, is_disk_full};
use crate::metrics::vfs::{Vfs, VfsFile};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A new segment starts beyond this: it bounds how much longer the log is kept than it is needed.
const SEGMENT_BYTES_MAX: u64 = 32 << 20;
const FORMAT: &str = "lapwing-log";

pub(crate) struct Log {
    fs: Arc<dyn Vfs>,
    dir: PathBuf,
    durability: Durability,
    state: Mutex<State>,
    synced: Condvar,
}

struct State {
    file: Arc<dyn VfsFile>,
    segment: u64,
    /// Length of the segment up to its last whole record.
    offset: u64,
    /// Bytes may stand behind `offset`; they must go before the next write.
    dirty_tail: bool,
    /// Framed definitions, and what failed commits left, that wait for the next commit.
    pending: Vec<u8>,
    /// Bytes ever written and ever synced by this writer.
    written: u64,
    synced: u64,
    syncing: bool,
    poisoned: bool,
    /// The last attempt to write came to nothing.
    failing: bool,
    closed: bool,
    size_since_cut_bytes: u64,
}

/// What the log can say about itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogStatus {
    pub(crate) segment: u64,
    pub(crate) size_since_cut_bytes: u64,
    pub(crate) poisoned: bool,
    /// Nothing can be written: for now, for want of room say, or until the store is opened again.
    pub(crate) failing: bool,
}

impl Log {
    /// Continues with a fresh segment; `number` must not exist yet.
    pub(crate) fn start(
        fs: Arc<dyn Vfs>,
        dir: &Path,
        durability: Durability,
        number: u64,
    ) -> io::Result<Log> {
        fs.create_dir_all(dir)?;
        let (file, offset) = create_segment(&*fs, dir, number)?;
        Ok(Log {
            fs,
            dir: dir.to_owned(),
            durability,
            state: Mutex::new(State {
                file,
                segment: number,
                offset,
                dirty_tail: false,
                pending: Vec::new(),
                written: 0,
                synced: 0,
                syncing: false,
                poisoned: false,
                failing: false,
                closed: false,
                size_since_cut_bytes: 0,
            }),
            synced: Condvar::new(),
        })
    }

    /// Takes a framed record of definitions, or of what has left, that the next commit carries along.
    pub(crate) fn define(&self, framed: &[u8]) {
        self.state.lock().pending.extend_from_slice(framed);
    }

    /// Writes one framed record (and what waits before it); returns once it is as durable as was asked for. Should it fail, what
    /// `left` frames goes along with the next one.
    pub(crate) fn commit(&self, framed: &[u8], left: impl FnOnce() -> Vec<u8>) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        if let Err(error) = self.write(&mut state, framed) {
            state.pending.extend_from_slice(&left());
            return Err(error);
        }
        if self.durability == Durability::Process {
            return Ok(());
        }
        let target = state.written;
        while state.synced < target {
            if state.poisoned {
                return Err(AppendError::Poisoned);
            }
            if state.syncing {
                self.synced.wait(&mut state);
                continue;
            }
            state.syncing = true;
            let (file, covers) = (state.file.clone(), state.written);
            let result = parking_lot::MutexGuard::unlocked(&mut state, || file.sync());
            state.syncing = false;
            match result {
                Ok(()) => state.synced = state.synced.max(covers),
                Err(_) => state.poisoned = true,
            }
            self.synced.notify_all();
        }
        Ok(())
    }

    /// Ends the current segment; every later record is in the one whose number is returned. What waits is written before: behind
    /// the cut it could speak of a series that the checkpoint has not any more.
    pub(crate) fn cut(&self) -> Result<u64, AppendError> {
        let mut state = self.state.lock();
        self.usable(&state)?;
        if !state.pending.is_empty() {
            self.write(&mut state, &[])?;
        }
        self.rotate(&mut state).map_err(|e| self.error(&state, e))?;
        state.size_since_cut_bytes = 0;
        Ok(state.segment)
    }

    /// Writes what waits, syncs, and refuses everything from now on.
    pub(crate) fn close(&self) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        if state.closed {
            return Ok(());
        }
        let result = match self.write(&mut state, &[]) {
            Ok(()) => state.file.sync().map_err(|e| self.error(&state, e)),
            Err(e) => Err(e),
        };
        state.closed = true;
        result
    }

    pub(crate) fn status(&self) -> LogStatus {
        let state = self.state.lock();
        LogStatus {
            segment: state.segment,
            size_since_cut_bytes: state.size_since_cut_bytes,
            poisoned: state.poisoned,
            failing: state.failing || state.poisoned,
        }
    }

    fn usable(&self, state: &State) -> Result<(), AppendError> {
        match (state.closed, state.poisoned) {
            (true, _) => Err(AppendError::Closed),
            (_, true) => Err(AppendError::Poisoned),
            _ => Ok(()),
        }
    }

    fn write(&self, state: &mut State, framed: &[u8]) -> Result<(), AppendError> {
        self.usable(state)?;
        let result = self.write_usable(state, framed);
        state.failing = result.is_err();
        result
    }

    fn write_usable(&self, state: &mut State, framed: &[u8]) -> Result<(), AppendError> {
        if state.offset > SEGMENT_BYTES_MAX {
            // Without room for another segment this one grows on.
            match self.rotate(state) {
                Ok(()) => {}
                Err(_) if !state.poisoned => {}
                Err(_) => return Err(AppendError::Poisoned),
            }
        }
        if state.dirty_tail {
            state
                .file
                .set_len(state.offset)
                .map_err(|e| self.error(state, e))?;
            state.dirty_tail = false;
        }
        let definitions = state.pending.len();
        let result = if definitions == 0 {
            state.file.write_at(framed, state.offset)
        } else {
            state.pending.extend_from_slice(framed);
            state.file.write_at(&state.pending, state.offset)
        };
        if let Err(error) = result {
            state.pending.truncate(definitions);
            state.dirty_tail = state.file.set_len(state.offset).is_err();
            return Err(self.error(state, error));
        }
        let written = (definitions + framed.len()) as u64;
        state.pending.clear();
        state.pending.shrink_to(64 << 10);
        state.offset += written;
        state.written += written;
        state.size_since_cut_bytes += written;
        Ok(())
    }

    fn rotate(&self, state: &mut State) -> io::Result<()> {
        if let Err(error) = state.file.sync() {
            state.poisoned = true;
            return Err(error);
        }
        state.synced = state.written;
        self.synced.notify_all();
        let (file, offset) = create_segment(&*self.fs, &self.dir, state.segment + 1)?;
        state.file = file;
        state.segment += 1;
        state.offset = offset;
        state.dirty_tail = false;
        Ok(())
    }

    fn error(&self, state: &State, source: io::Error) -> AppendError {
        match () {
            () if state.poisoned => AppendError::Poisoned,
            () if is_disk_full(&source) => AppendError::DiskFull,
            () => AppendError::Io {
                path: self.dir.join(segment_name(state.segment)),
                source,
            },
        }
    }
}

/// The file appears under its name only for as long as it is wanted: a failed attempt leaves nothing behind.
fn create_segment(fs: &dyn Vfs, dir: &Path, number: u64) -> io::Result<(Arc<dyn VfsFile>, u64)> {
    let path = dir.join(segment_name(number));
    let mut header = Vec::new();
    let at = frame::begin(&mut header, Kind::Header);
    put_text(&mut header, FORMAT);
    put_varint(&mut header, number);
    frame::finish(&mut header, at);
    let file = fs.create(&path)?;
    let prepared = file
        .write_at(&header, 0)
        .and_then(|()| file.sync())
        .and_then(|()| fs.sync_dir(dir));
    if let Err(error) = prepared {
        // The next attempt creates it anew; should this removal fail, replay sees an empty segment.
        let _ = fs.remove_file(&path);
        return Err(error);
    }
    Ok((Arc::from(file), header.len() as u64))
}
