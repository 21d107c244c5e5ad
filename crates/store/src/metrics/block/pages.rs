//! The file of a block: checksummed pages and a directory of them.
//!
//! Layout, little endian throughout:
//!
//! ```text
//! file       "LWPAGES" and the format version (u8)
//! page       length u32, number u32, kind u8, 3 zero bytes, crc32 u32 of number, kind and content; content
//! directory  a page (number u32::MAX, kind 255): pages varint, then per number: kind u8, offset varint, length varint, first id varint;
//!            format version u8
//! footer     offset of the directory u64, "LWPAGEND"
//! ```
//!
//! Pages carry their own length, number and kind, so the directory can be rebuilt by walking the file when it or the
//! footer is damaged (first ids are then read from the pages that have one at their front). Where it is whole, it says what
//! the first eight bytes should. A page without which nothing can be read, of names or the description, stands twice in
//! the file with the index between.
//!
//! Format 1 had these pages once, and no version in its directory. It is read as before.
//!
//! Crash argument: the file is written under a name that no manifest knows, front to back, and synced before anyone
//! learns of it. A torn file has no footer and is debris. After that it never changes; damage is found by checksum.

use super::cache::{Cached, Key, PageCache};
use super::error::BlockError;
use crate::bytes::{Reader, put_varint};
use crate::metrics::Malformed;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 7] = b"LWPAGES";
const END: &[u8; 8] = b"LWPAGEND";
pub(super) const VERSION: u8 = 2;
const HEADER_LEN: usize = 16;
const DIRECTORY: (u32, u8) = (u32::MAX, 255);
/// Content of a page may not be longer; a column of the greatest length fits.
pub(super) const PAGE_LEN_MAX: usize = 64 << 20;
/// A page is closed when it has this much: one read of a series costs one of these.
pub(super) const PAGE_LEN_TARGET: usize = 32 << 10;

/// Pages go to the file so much at a time. Samples of long ago may open a block for each two hours of them at once.
const WRITE_LEN: usize = 2 * PAGE_LEN_TARGET;

/// What a page holds. The numbers are the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum PageKind {
    Values = 0,
    Times = 1,
    TimeTable = 2,
    Series = 3,
    Pairs = 4,
    Postings = 5,
    Names = 6,
    Meta = 7,
}

impl PageKind {
    const ALL: [PageKind; 8] = [
        PageKind::Values,
        PageKind::Times,
        PageKind::TimeTable,
        PageKind::Series,
        PageKind::Pairs,
        PageKind::Postings,
        PageKind::Names,
        PageKind::Meta,
    ];

    /// Pages of these kinds begin with the first id that they hold, u32.
    fn has_first_id(self) -> bool {
        matches!(self, PageKind::Series | PageKind::Pairs | PageKind::TimeTable)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PageSlot {
    offset: u64,
    len: u32,
    pub(super) kind: PageKind,
    pub(super) first_id: u32,
}

pub(super) struct PageWriter {
    path: PathBuf,
    file: BufWriter<File>,
    offset: u64,
    slots: Vec<Option<PageSlot>>,
}

impl PageWriter {
    pub(super) fn create(path: &Path) -> Result<Self, BlockError> {
        let file = File::create_new(path).map_err(BlockError::io("creating", path))?;
        let mut writer = PageWriter {
            path: path.to_owned(),
            file: BufWriter::with_capacity(WRITE_LEN, file),
            offset: 0,
            slots: Vec::new(),
        };
        writer.put(MAGIC)?;
        writer.put(&[VERSION])?;
        Ok(writer)
    }

    /// A number for a page that will be written later.
    pub(super) fn reserve(&mut self) -> u32 {
        self.slots.push(None);
        (self.slots.len() - 1) as u32
    }

    pub(super) fn write(&mut self, number: u32, kind: PageKind, content: &[u8]) -> Result<(), BlockError> {
        if content.len() > PAGE_LEN_MAX {
            return Err(BlockError::TooLarge {
                what: "bytes in one page",
                max: PAGE_LEN_MAX as u64,
            });
        }
        let first_id = if kind.has_first_id() {
            first_id_of(content)
        } else {
            0
        };
        self.slots[number as usize] = Some(PageSlot {
            offset: self.offset,
            len: content.len() as u32,
            kind,
            first_id,
        });
        self.put_page(number, kind as u8, content)
    }

    /// Writes directory and footer and waits until all of it is on the device. Returns the length of the file.
    pub(super) fn finish(mut self) -> Result<u64, BlockError> {
        let mut directory = Vec::with_capacity(self.slots.len() * 10);
        put_varint(&mut directory, self.slots.len() as u64);
        for slot in &self.slots {
            // A reserved page that was never written is a page without content.
            let slot = slot.unwrap_or(PageSlot {
                offset: 0,
                len: 0,
                kind: PageKind::Values,
                first_id: 0,
            });
            directory.push(slot.kind as u8);
            put_varint(&mut directory, slot.offset);
            put_varint(&mut directory, u64::from(slot.len));
            put_varint(&mut directory, u64::from(slot.first_id));
        }
        directory.push(VERSION);
        let at = self.offset;
        self.put_page(DIRECTORY.0, DIRECTORY.1, &directory)?;
        self.put(&at.to_le_bytes())?;
        self.put(END)?;
        let io = BlockError::io("syncing", &self.path);
        self.file
            .into_inner()
            .map_err(|e| e.into_error())
            .and_then(|file| file.sync_all())
            .map_err(io)?;
        Ok(self.offset)
    }

    fn put_page(&mut self, number: u32, kind: u8, content: &[u8]) -> Result<(), BlockError> {
        let header = header(number, kind, content);
        self.put(&header)?;
        self.put(content)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BlockError> {
        self.file
            .write_all(bytes)
            .map_err(BlockError::io("writing", &self.path))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// Reads pages through the cache and verifies each.
pub(super) struct PageFile {
    path: PathBuf,
    file: Arc<File>,
    slots: Arc<[PageSlot]>,
    cache: Arc<PageCache>,
    block: u64,
    /// Pages found damaged, and why: they are not read again.
    quarantine: Arc<Mutex<BTreeMap<u32, &'static str>>>,
    /// These and the pages whose content makes no sense though their checksum holds: parts of those may serve.
    faults: Arc<Mutex<BTreeMap<u32, &'static str>>>,
    pub(super) size_bytes: u64,
    /// The directory was damaged and has been rebuilt from the pages themselves, or the first bytes were and it stood in for them.
    pub(super) frame_damaged: bool,
}

impl PageFile {
    pub(super) fn open(path: &Path, cache: &Arc<PageCache>) -> Result<Self, BlockError> {
        let file = File::open(path).map_err(BlockError::io("opening", path))?;
        let size_bytes = file.metadata().map_err(BlockError::io("opening", path))?.len();
        let mut start = [0u8; 8];
        if size_bytes >= 8 {
            file.read_exact_at(&mut start, 0)
                .map_err(BlockError::io("reading", path))?;
        }
        let directory = read_directory(&file, size_bytes);
        let version = match &directory {
            Some(Directory {
                version: Some(version),
                ..
            }) => *version,
            _ if start.starts_with(MAGIC) => start[7],
            _ => {
                return Err(BlockError::NotABlock {
                    path: path.to_owned(),
                    reason: "it does not begin like one",
                });
            }
        };
        if !(1..=VERSION).contains(&version) {
            return Err(BlockError::Version {
                path: path.to_owned(),
                found: version,
                known: VERSION,
            });
        }
        let begins_well = start.starts_with(MAGIC) && start[7] == version;
        let frame_damaged = directory.is_none() || !begins_well;
        let slots = match directory {
            Some(directory) => directory.slots,
            None => walk(&file, size_bytes),
        };
        Ok(PageFile {
            path: path.to_owned(),
            file: Arc::new(file),
            slots: slots.into(),
            cache: Arc::clone(cache),
            block: cache.register(),
            quarantine: Arc::default(),
            faults: Arc::default(),
            size_bytes,
            frame_damaged,
        })
    }

    /// The same pages through another cache; what is found damaged is known to both.
    pub(super) fn through(&self, cache: &Arc<PageCache>) -> Self {
        PageFile {
            path: self.path.clone(),
            file: Arc::clone(&self.file),
            slots: Arc::clone(&self.slots),
            cache: Arc::clone(cache),
            block: cache.register(),
            quarantine: Arc::clone(&self.quarantine),
            faults: Arc::clone(&self.faults),
            ..*self
        }
    }

    pub(super) fn pages_len(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn slot(&self, number: u32) -> Option<&PageSlot> {
        self.slots.get(number as usize)
    }

    /// Numbers and first ids of the pages of one kind, ascending by first id.
    pub(super) fn of_kind(&self, kind: PageKind) -> Vec<(u32, u32)> {
        let numbered = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, s)| s.kind == kind && s.len > 0);
        let mut pages: Vec<(u32, u32)> = numbered.map(|(i, s)| (s.first_id, i as u32)).collect();
        pages.sort_unstable();
        pages
    }

    pub(super) fn quarantined(&self) -> Vec<(u32, &'static str)> {
        self.faults
            .lock()
            .iter()
            .map(|(page, why)| (*page, *why))
            .collect()
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.lock().is_empty()
    }

    pub(super) fn read(&self, number: u32) -> Result<Arc<[u8]>, BlockError> {
        let key = Key {
            block: self.block,
            page: number,
            offset: None,
        };
        if let Some(Cached::Page(bytes)) = self.cache.get(key) {
            return Ok(bytes);
        }
        let bytes = self.read_uncached(number)?;
        self.cache.insert(key, Cached::Page(Arc::clone(&bytes)));
        Ok(bytes)
    }

    /// From the device, past the cache: what a scrub wants.
    pub(super) fn read_uncached(&self, number: u32) -> Result<Arc<[u8]>, BlockError> {
        if let Some(reason) = self.quarantine.lock().get(&number).copied() {
            return Err(self.damaged(number, reason));
        }
        let slot = self
            .slot(number)
            .ok_or_else(|| self.damaged(number, "no such page"))?;
        match read_page(
            &self.file,
            slot.offset,
            slot.len as usize,
            (number, slot.kind as u8),
        ) {
            Ok(bytes) => Ok(Arc::from(bytes)),
            Err(PageFault::Io(source)) => Err(BlockError::io("reading", &self.path)(source)),
            Err(PageFault::Damaged(reason)) => {
                self.quarantine.lock().insert(number, reason);
                Err(self.damaged(number, reason))
            }
        }
    }

    /// The first whole one of the pages of a kind that stand for each other, and its number.
    pub(super) fn read_either(&self, kind: PageKind) -> Result<(u32, Arc<[u8]>), BlockError> {
        let mut failure = BlockError::NotABlock {
            path: self.path.clone(),
            reason: "a page is not there that all others depend on",
        };
        for (_, page) in self.of_kind(kind) {
            match self.read_uncached(page) {
                Ok(bytes) => return Ok((page, bytes)),
                Err(error @ BlockError::Damaged { .. }) => failure = error,
                Err(other) => return Err(other),
            }
        }
        Err(failure)
    }

    pub(super) fn cached_group(&self, page: u32, offset: u32) -> Option<Arc<[f64]>> {
        match self.cache.get(self.decoded_key(page, offset)) {
            Some(Cached::Group(values)) => Some(values),
            _ => None,
        }
    }

    pub(super) fn keep_group(&self, page: u32, offset: u32, values: &Arc<[f64]>) {
        self.cache
            .insert(self.decoded_key(page, offset), Cached::Group(Arc::clone(values)));
    }

    pub(super) fn cached_times(&self, page: u32, offset: u32) -> Option<Arc<[i64]>> {
        match self.cache.get(self.decoded_key(page, offset)) {
            Some(Cached::Times(times_ms)) => Some(times_ms),
            _ => None,
        }
    }

    pub(super) fn keep_times(&self, page: u32, offset: u32, times_ms: &Arc<[i64]>) {
        self.cache.insert(
            self.decoded_key(page, offset),
            Cached::Times(Arc::clone(times_ms)),
        );
    }

    pub(super) fn damaged(&self, page: u32, reason: &'static str) -> BlockError {
        self.faults.lock().entry(page).or_insert(reason);
        BlockError::Damaged {
            path: self.path.clone(),
            page,
            reason,
        }
    }

    pub(super) fn malformed(&self, page: u32) -> impl FnOnce(Malformed) -> BlockError + '_ {
        move |malformed| self.damaged(page, malformed.what)
    }

    fn decoded_key(&self, page: u32, offset: u32) -> Key {
        Key {
            block: self.block,
            page,
            offset: Some(offset),
        }
    }
}

impl Drop for PageFile {
    fn drop(&mut self) {
        self.cache.forget(self.block);
    }
}

enum PageFault {
    Io(std::io::Error),
    Damaged(&'static str),
}

fn header(number: u32, kind: u8, content: &[u8]) -> [u8; HEADER_LEN] {
    let mut header = [0u8; HEADER_LEN];
    header[..4].copy_from_slice(&(content.len() as u32).to_le_bytes());
    header[4..8].copy_from_slice(&number.to_le_bytes());
    header[8] = kind;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header[4..12]);
    crc.update(content);
    header[12..].copy_from_slice(&crc.finalize().to_le_bytes());
    header
}

fn read_page(file: &File, offset: u64, len: usize, (number, kind): (u32, u8)) -> Result<Vec<u8>, PageFault> {
    if len > PAGE_LEN_MAX {
        return Err(PageFault::Damaged("page length"));
    }
    let mut bytes = vec![0u8; HEADER_LEN + len];
    file.read_exact_at(&mut bytes, offset)
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => PageFault::Damaged("the file ends before it"),
            _ => PageFault::Io(e),
        })?;
    if bytes[..HEADER_LEN] != header(number, kind, &bytes[HEADER_LEN..]) {
        return Err(PageFault::Damaged("checksum"));
    }
    bytes.drain(..HEADER_LEN);
    Ok(bytes)
}

fn first_id_of(content: &[u8]) -> u32 {
    content
        .first_chunk::<4>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

struct Directory {
    slots: Vec<PageSlot>,
    /// Since format 2.
    version: Option<u8>,
}

fn read_directory(file: &File, size_bytes: u64) -> Option<Directory> {
    let mut footer = [0u8; 16];
    file.read_exact_at(&mut footer, size_bytes.checked_sub(16)?)
        .ok()?;
    if &footer[8..] != END {
        return None;
    }
    let mut offset = [0u8; 8];
    offset.copy_from_slice(&footer[..8]);
    let offset = u64::from_le_bytes(offset);
    let len = size_bytes
        .checked_sub(offset)?
        .checked_sub((16 + HEADER_LEN) as u64)?;
    let content = read_page(file, offset, usize::try_from(len).ok()?, DIRECTORY).ok()?;
    parse_directory(&content, size_bytes).ok()
}

fn parse_directory(content: &[u8], size_bytes: u64) -> Result<Directory, Malformed> {
    let mut reader = Reader::new(content);
    let count = reader.count(4)?;
    let mut slots = Vec::with_capacity(count);
    for _ in 0..count {
        let slot = PageSlot {
            kind: kind_of(reader.u8()?).ok_or(Malformed { what: "page kind" })?,
            offset: reader.varint()?,
            len: reader.varint_u32()?,
            first_id: reader.varint_u32()?,
        };
        if slot.offset.saturating_add(u64::from(slot.len)) > size_bytes {
            return Err(Malformed { what: "page slot" });
        }
        slots.push(slot);
    }
    Ok(Directory {
        slots,
        version: reader.rest().first().copied(),
    })
}

fn kind_of(byte: u8) -> Option<PageKind> {
    PageKind::ALL.into_iter().find(|kind| *kind as u8 == byte)
}

/// Finds the pages by their own headers, as far as those are whole. A page with a damaged length ends the walk.
fn walk(file: &File, size_bytes: u64) -> Vec<PageSlot> {
    let mut found: BTreeMap<u32, PageSlot> = BTreeMap::new();
    let mut offset = 8u64;
    let mut head = [0u8; HEADER_LEN + 4];
    while offset + head.len() as u64 <= size_bytes && file.read_exact_at(&mut head, offset).is_ok() {
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (len, number) = (word(0), word(4));
        let Some(kind) = kind_of(head[8]) else { break };
        // Numbers are given in sequence, so none can be much greater than the count of pages that fit the file.
        if u64::from(number) > size_bytes / HEADER_LEN as u64 {
            break;
        }
        let first_id = if kind.has_first_id() { word(HEADER_LEN) } else { 0 };
        found.insert(
            number,
            PageSlot {
                offset,
                len,
                kind,
                first_id,
            },
        );
        offset += HEADER_LEN as u64 + u64::from(len);
    }
    let count = found.keys().next_back().map_or(0, |last| last + 1);
    let empty = PageSlot {
        offset: 0,
        len: 0,
        kind: PageKind::Values,
        first_id: 0,
    };
    (0..count)
        .map(|number| found.get(&number).copied().unwrap_or(empty))
        .collect()
}
