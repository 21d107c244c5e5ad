//! Reading segments back in order, with a report of every range that could not be read.

use super::frame::{Kind, Scanned, Scanner, VERSION};
use super::record::{SampleDeltas, SectionKind, next_section};
use super::{segment_name, segment_number};
use crate::bytes::Reader;
use crate::metrics::refusal::{OpenError, io_error};
use crate::metrics::vfs::Vfs;
use std::path::{Path, PathBuf};

/// A range of a file that holds no record where one should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    pub path: PathBuf,
    pub start: u64,
    pub end: u64,
    /// Newest sample read before the damage and oldest read after it, where known: what was lost lies near.
    pub lost_from_ms: Option<i64>,
    pub lost_to_ms: Option<i64>,
}

impl DamagedRange {
    /// A whole file that should be there.
    fn missing(path: PathBuf) -> Self {
        DamagedRange {
            path,
            start: 0,
            end: 0,
            lost_from_ms: None,
            lost_to_ms: None,
        }
    }
}

/// What reading one file found besides its records.
#[derive(Debug, Default)]
pub(crate) struct FileReport {
    pub(crate) damaged: Vec<DamagedRange>,
    /// Where the last whole record ends, when something follows it.
    pub(crate) torn_at: Option<u64>,
}

/// Numbers of the segments in a directory, ascending.
pub(crate) fn segments(fs: &dyn Vfs, dir: &Path) -> Result<Vec<u64>, OpenError> {
    let names = fs.list(dir).map_err(io_error("listing", dir))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| segment_number(n)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Hands the records of one file to `apply`, which says which times it saw. A torn tail of the last file is how a
/// crash looks and no damage: it is reported in `torn_at` alone when `tail_is_fine`.
pub(crate) fn read_file(
    fs: &dyn Vfs,
    path: &Path,
    tail_is_fine: bool,
    apply: &mut dyn FnMut(Kind, Vec<u8>) -> Option<(i64, i64)>,
) -> Result<FileReport, OpenError> {
    let file = fs.open(path).map_err(io_error("opening", path))?;
    let mut scanner = Scanner::new(&*file).map_err(io_error("reading", path))?;
    let mut report = FileReport::default();
    let mut newest_ms = None;
    let mut await_next = false;
    while let Some(scanned) = scanner.next().map_err(io_error("reading", path))? {
        match scanned {
            Scanned::Frame { version, .. } if version != VERSION => {
                return Err(OpenError::Version {
                    path: path.to_owned(),
                    found: u32::from(version),
                    known: u32::from(VERSION),
                });
            }
            Scanned::Frame {
                kind: Kind::Header, ..
            } => {}
            Scanned::Frame { kind, payload, .. } => {
                if let Some((first, last)) = apply(kind, payload) {
                    if await_next && let Some(range) = report.damaged.last_mut() {
                        range.lost_to_ms = Some(first);
                    }
                    await_next = false;
                    newest_ms = newest_ms.max(Some(last));
                }
            }
            Scanned::Damage {
                start, tail: true, ..
            } if tail_is_fine => report.torn_at = Some(start),
            Scanned::Damage { start, end, .. } => {
                let path = path.to_owned();
                report.damaged.push(DamagedRange {
                    path,
                    start,
                    end,
                    lost_from_ms: newest_ms,
                    lost_to_ms: None,
                });
                await_next = true;
            }
        }
    }
    Ok(report)
}

/// What reading a row of segments found besides its records.
#[derive(Debug, Default)]
pub(crate) struct LogReport {
    pub(crate) files: usize,
    pub(crate) damaged: Vec<DamagedRange>,
    pub(crate) last: Option<u64>,
    /// Where the last whole record of the last segment ends, when something follows it.
    pub(crate) torn: Option<(PathBuf, u64)>,
}

/// As [`read_file`], for the segments from `first` on. Their numbers have no gaps: one that is missing was taken away later. Whether
/// the first was ever written is known where a checkpoint stands for what was before it.
pub(crate) fn read_segments(
    fs: &dyn Vfs,
    dir: &Path,
    (first, has_first): (u64, bool),
    apply: &mut dyn FnMut(Kind, Vec<u8>) -> Option<(i64, i64)>,
) -> Result<LogReport, OpenError> {
    let numbers: Vec<u64> = segments(fs, dir)?.into_iter().filter(|n| *n >= first).collect();
    let mut report = LogReport {
        files: numbers.len(),
        last: numbers.last().copied(),
        ..LogReport::default()
    };
    let mut next = has_first.then_some(first);
    let mut newest_ms = None;
    for number in numbers {
        let path = segment_path(dir, number);
        let mut oldest_ms = None;
        let newest_before_ms = newest_ms;
        // The segment that is being written ends wherever it does.
        let tail_is_fine = Some(number) == report.last;
        let read = read_file(fs, &path, tail_is_fine, &mut |kind, payload| {
            let span = apply(kind, payload);
            oldest_ms = oldest_ms.or(span.map(|(first_ms, _)| first_ms));
            newest_ms = newest_ms.max(span.map(|(_, last_ms)| last_ms));
            span
        })?;
        if let Some(missing) = next.filter(|next| *next < number) {
            report.damaged.push(DamagedRange {
                lost_from_ms: newest_before_ms,
                lost_to_ms: oldest_ms,
                ..DamagedRange::missing(segment_path(dir, missing))
            });
        }
        report.damaged.extend(read.damaged);
        report.torn = read.torn_at.map(|torn_at| (path, torn_at));
        next = Some(number + 1);
    }
    Ok(report)
}

/// As [`read_file`], for a checkpoint. The manifest names only finished ones: one without its end was cut later, one that is not there
/// was taken away.
pub(crate) fn read_checkpoint(
    fs: &dyn Vfs,
    path: &Path,
    apply: &mut dyn FnMut(Kind, Vec<u8>) -> Option<(i64, i64)>,
) -> Result<FileReport, OpenError> {
    let is_missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    if fs.open(path).err().as_ref().is_some_and(is_missing) {
        return Ok(FileReport {
            damaged: vec![DamagedRange::missing(path.to_owned())],
            torn_at: None,
        });
    }
    let (mut has_end, mut newest_ms) = (false, None);
    let mut report = read_file(fs, path, false, &mut |kind, payload| {
        has_end |= kind == Kind::End;
        let span = apply(kind, payload);
        newest_ms = newest_ms.max(span.map(|(_, last_ms)| last_ms));
        span
    })?;
    if !has_end && report.damaged.is_empty() {
        let end = fs
            .open(path)
            .and_then(|file| file.size())
            .map_err(io_error("reading", path))?;
        report.damaged.push(DamagedRange {
            path: path.to_owned(),
            start: end,
            end,
            lost_from_ms: newest_ms,
            lost_to_ms: None,
        });
    }
    Ok(report)
}

/// Times of the first sample of a commit, or of the last one of the first series in a piece of a checkpoint: good enough to say
/// near what time damage lies.
pub(crate) fn time_span(kind: Kind, payload: &[u8]) -> Option<(i64, i64)> {
    let mut reader = Reader::new(payload);
    let t_ms = match kind {
        Kind::Commit => {
            let mut section = next_section(&mut reader).ok().flatten()?;
            if section.kind != SectionKind::Samples {
                return None;
            }
            SampleDeltas::default().take(&mut section.body).ok()?.1
        }
        Kind::State => {
            let _shard = reader.u8().ok()?;
            let _slot = reader.varint_u32().ok()?;
            reader.zigzag().ok()?
        }
        _ => return None,
    };
    (t_ms > i64::MIN).then_some((t_ms, t_ms))
}

/// Where nothing that is read tells where damage begins, blocks do: what is in them is not lost with log or checkpoint.
pub(crate) fn begin_behind_blocks(damaged: &mut [DamagedRange], blocks_newest_ms: Option<i64>) {
    for range in damaged.iter_mut().filter(|r| r.lost_from_ms.is_none()) {
        range.lost_from_ms = blocks_newest_ms.filter(|t_ms| range.lost_to_ms.is_none_or(|to| to >= *t_ms));
    }
}

pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(segment_name(number))
}
