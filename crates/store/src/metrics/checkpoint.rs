//! The whole head in one file, so that the log before it can go.
//!
//! The file consists of the log's frames: definitions of all series, then the state of each (last sample, chunks as they are,
//! late samples, histograms, exemplars), then metadata, then an end record. It is written while appends go on, after a new
//! log segment was begun: what is appended meanwhile is in that segment, and perhaps in the checkpoint as well, where
//! replay finds it identical. Only a finished, synced checkpoint is ever named by the manifest.
//!
//! State of a series: slot, last time, last value, open chunk, sealed chunks, flags (bit 1: the last sample was deleted), and
//! with bit 0 set late samples, histograms, exemplars, start.

use super::commit::{put_exemplar, put_metadata};
use super::core::Core;
use super::head::SHARDS;
use super::head::chunk::OpenChunk;
use super::head::extra::{Extra, HistogramSample, KeptExemplar, LateSample};
use super::head::histogram_bytes::take_histogram;
use super::head::sealed::{SealedChunk, Sealer};
use super::head::series::Series;
use super::log::frame::{self, Kind};
use super::log::record::{SectionKind, begin_section, end_section};
use super::refusal::{OpenError, io_error};
use super::replay::take_exemplar;
use super::starts::Starts;
use super::vfs::{Vfs, VfsFile};
use crate::bytes::{Malformed, Reader, put_bytes, put_f64, put_varint, put_zigzag};
use std::io;
use std::path::{Path, PathBuf};

/// A frame is written once it is this large: it bounds the memory that writing and replay take.
const FRAME_BYTES: usize = 256 << 10;
/// Flags of a series.
const HAS_EXTRA: u8 = 1;
const LAST_IS_GONE: u8 = 2;
/// Slots whose definitions are encoded under one hold of the index.
const SLOTS_PER_HOLD: usize = 4096;

pub(crate) fn checkpoint_path(dir: &Path, number: u64) -> PathBuf {
    dir.join("checkpoint").join(format!("{number:08}.ckpt"))
}

/// Writes and syncs a checkpoint; returns its size.
pub(crate) fn write(core: &Core, fs: &dyn Vfs, dir: &Path, number: u64) -> Result<u64, OpenError> {
    let path = checkpoint_path(dir, number);
    let parent = dir.join("checkpoint");
    fs.create_dir_all(&parent)
        .map_err(io_error("creating", &parent))?;
    let file = fs.create(&path).map_err(io_error("creating", &path))?;
    let mut out = Output {
        file: &*file,
        offset: 0,
        buffer: Vec::with_capacity(FRAME_BYTES * 2),
        frame: None,
    };
    let written = definitions(core, &mut out)
        .and_then(|()| states(core, &mut out))
        .and_then(|()| metadata(core, &mut out))
        .and_then(|()| out.end());
    written.map_err(io_error("writing", &path))?;
    fs.sync_dir(&parent).map_err(io_error("syncing", &parent))?;
    Ok(out.offset)
}

struct Output<'f> {
    file: &'f dyn VfsFile,
    offset: u64,
    buffer: Vec<u8>,
    /// Where the frame begins that is being filled.
    frame: Option<usize>,
}

impl Output<'_> {
    /// The buffer with an open frame of this kind.
    fn frame(&mut self, kind: Kind) -> &mut Vec<u8> {
        if self.frame.is_none() {
            self.frame = Some(frame::begin(&mut self.buffer, kind));
        }
        &mut self.buffer
    }

    fn write_if_large(&mut self) -> io::Result<()> {
        if self.buffer.len() >= FRAME_BYTES {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> io::Result<()> {
        if let Some(at) = self.frame.take() {
            frame::finish(&mut self.buffer, at);
        }
        self.file.write_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.frame(Kind::End);
        self.write()?;
        self.file.sync()
    }
}

fn definitions(core: &Core, out: &mut Output<'_>) -> io::Result<()> {
    let mut from = 0;
    loop {
        {
            let index = core.index.read();
            let to = index.slots().min(from + SLOTS_PER_HOLD);
            if from >= to {
                break;
            }
            for slot in (from..to).map(|s| s as u32).filter(|s| index.generation(*s) != 0) {
                index.put_definition(out.frame(Kind::Series), slot);
            }
            from = to;
        }
        out.write_if_large()?;
    }
    out.write()
}

fn states(core: &Core, out: &mut Output<'_>) -> io::Result<()> {
    for number in 0..SHARDS {
        {
            let shard = core.shards[number].lock();
            for (slot, series) in shard.iter(number) {
                let fresh = out.frame.is_none();
                let buffer = out.frame(Kind::State);
                if fresh {
                    buffer.push(number as u8);
                }
                put_series(buffer, slot, series);
                if buffer.len() >= FRAME_BYTES {
                    // Written with the shard locked: a few milliseconds for 6 000 series, and the kernel buffers it.
                    out.write()?;
                }
            }
        }
        out.write()?;
    }
    Ok(())
}

fn metadata(core: &Core, out: &mut Output<'_>) -> io::Result<()> {
    let known = core.metadata.read();
    let buffer = out.frame(Kind::Commit);
    let section = begin_section(buffer, SectionKind::Metadata, 0);
    for (family, metadata) in known.iter() {
        put_metadata(buffer, family, metadata);
    }
    end_section(buffer, section);
    out.write()
}

fn put_series(out: &mut Vec<u8>, slot: u32, series: &Series) {
    put_varint(out, u64::from(slot));
    put_zigzag(out, series.last_t_ms);
    put_f64(out, series.last_value);
    series.open.write_to(out);
    put_varint(out, series.sealed.len() as u64);
    for chunk in &series.sealed {
        chunk.write_to(out);
    }
    let flags = if series.is_last_gone { LAST_IS_GONE } else { 0 };
    let Some(extra) = &series.extra else {
        out.push(flags);
        return;
    };
    out.push(flags | HAS_EXTRA);
    put_varint(out, extra.late.len() as u64);
    for late in &extra.late {
        put_zigzag(out, late.t_ms);
        put_f64(out, late.value);
    }
    put_varint(out, extra.histograms.len() as u64);
    for histogram in &extra.histograms {
        put_zigzag(out, histogram.t_ms);
        put_bytes(out, histogram.encoded());
    }
    put_varint(out, extra.exemplars.len() as u64);
    for kept in &extra.exemplars {
        put_zigzag(out, kept.t_ms);
        put_exemplar(out, &kept.exemplar);
    }
    put_varint(out, extra.starts.changes().len() as u64);
    for (t_ms, start_ms) in extra.starts.changes() {
        put_zigzag(out, *t_ms);
        put_zigzag(out, *start_ms);
    }
}

/// Which shard a state record is about.
pub(crate) fn take_shard(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let shard = usize::from(reader.u8()?);
    if shard < SHARDS {
        Ok(shard)
    } else {
        Err(Malformed { what: "shard" })
    }
}

/// One series' slot and state; its generation is the definition's matter.
pub(crate) fn take_series(reader: &mut Reader<'_>, sealer: &mut Sealer) -> Result<(u32, Series), Malformed> {
    let slot = reader.varint_u32()?;
    let mut series = Series::new(0);
    series.last_t_ms = reader.zigzag()?;
    series.last_value = reader.f64()?;
    series.open = OpenChunk::read_from(reader)?;
    let pieces = reader.count(4)?;
    series.sealed.reserve_exact(pieces);
    for _ in 0..pieces {
        series.sealed.push(SealedChunk::read_from(reader, sealer)?);
    }
    let flags = reader.u8()?;
    series.is_last_gone = flags & LAST_IS_GONE != 0;
    if flags & HAS_EXTRA == 0 {
        return Ok((slot, series));
    }
    let mut extra = Extra::default();
    for _ in 0..reader.count(9)? {
        extra.late.push(LateSample {
            t_ms: reader.zigzag()?,
            value: reader.f64()?,
            commit: 0,
            flush: 0,
        });
    }
    for _ in 0..reader.count(10)? {
        let t_ms = reader.zigzag()?;
        let histogram = take_histogram(&mut Reader::new(reader.bytes()?))?;
        extra.histograms.push(HistogramSample::new(t_ms, &histogram, 0));
    }
    for _ in 0..reader.count(10)? {
        let t_ms = reader.zigzag()?;
        extra.exemplars.push_back(KeptExemplar {
            t_ms,
            exemplar: take_exemplar(reader)?,
            commit: 0,
            flush: 0,
        });
    }
    let mut changes = Vec::new();
    for _ in 0..reader.count(2)? {
        changes.push((reader.zigzag()?, reader.zigzag()?));
    }
    extra.starts = Starts::kept(changes);
    series.extra = Some(Box::new(extra));
    Ok((slot, series))
}
