//! One series out of head and blocks: the same labels meet, and their samples are merged by time.
//!
//! Where two parts hold a sample of one time (a window that is in a block already and has not left the head, or a late
//! duplicate) the later part wins; parts are ordered: tiers, then blocks by their first time, the head last.

use super::block::{Block, BlockError, Found, SelectedChunk};
use super::blocks::LiveBlock;
use super::columns::SeriesColumns;
use super::core::Core;
use super::head::index::Index;
use super::head::ranks::Ranks;
use super::maintain::in_words;
use super::snapshot::HeadReader;
use super::starts;
use crate::source::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, UNKNOWN_START};
use lapwing_types::{Exemplar, Labels};
use parking_lot::RwLock;
use std::sync::Arc;

/// What was selected in blocks and head; the readers of all series share it.
#[derive(Default)]
struct Parts {
    blocks: Vec<(LiveBlock, Found)>,
    /// The part after the last block.
    head: Vec<HeadReader>,
}

/// One series of one part.
#[derive(Clone, Copy)]
struct Piece {
    part: u32,
    at: u32,
}

/// A piece whose series the head has ranked: its slot, and its place among all series.
struct Placed {
    place: u32,
    slot: u32,
    piece: Piece,
}

/// The series of tiers, blocks and head, ascending by labels, each once. `tiers` are so already.
///
/// Nearly all series of blocks are in the head too, and what the head has ranked is put together by numbers alone; labels
/// are written out once per series. The rest (it ended, or has no rank yet) is put in its places by its labels.
pub(crate) fn select(
    core: &Core,
    tiers: Vec<SelectedSeries>,
    head: Vec<HeadReader>,
    blocks: &[&LiveBlock],
    selection: &Selection,
) -> Result<Vec<SelectedSeries>, ReadError> {
    let ranks = core.ranks.read().clone();
    let mut parts = Parts::default();
    let mut placed: Vec<Placed> = Vec::new();
    let mut strangers: Vec<Piece> = Vec::new();
    for (part, live) in blocks.iter().enumerate() {
        let range = (selection.start_ms, selection.end_ms);
        let found = live.block.find(&selection.matchers, range);
        let found = found.map_err(|e| read_error(live, e))?;
        let slots = slots_of(&core.index, live, &found).map_err(|e| read_error(live, e))?;
        for (at, slot) in slots.into_iter().enumerate() {
            let piece = Piece {
                part: part as u32,
                at: at as u32,
            };
            match slot.and_then(|(slot, generation)| Some((ranks.place(slot, generation)?, slot))) {
                Some((place, slot)) => placed.push(Placed { place, slot, piece }),
                None => strangers.push(piece),
            }
        }
        parts.blocks.push(((*live).clone(), found));
    }
    parts.head = head;
    let parts = Arc::new(parts);
    let (newer, ranked) = {
        let index = core.index.read();
        let newer = parts.place_head(&index, &ranks, &mut placed);
        // Ascending runs, one per part: the sort merges them, and keeps the parts of one series in their order.
        placed.sort_by_key(|p| p.place);
        let ranked = parts.name_ranked(&index, &ranks, &placed, &mut strangers);
        (newer, ranked)
    };
    let mut loose = tiers;
    parts.name_strangers(&strangers, &mut loose)?;
    loose.extend(newer);
    Ok(merge_by_labels(loose, ranked))
}

impl Parts {
    fn head_part(&self) -> u32 {
        self.blocks.len() as u32
    }

    fn series(self: &Arc<Self>, labels: Labels, pieces: Box<[Piece]>) -> SelectedSeries {
        SelectedSeries {
            labels,
            reader: Box::new(PieceReader {
                parts: Arc::clone(self),
                pieces,
            }),
        }
    }

    /// Adds what the head has ranked to `placed`; returns what it has not.
    fn place_head(
        self: &Arc<Self>,
        index: &Index,
        ranks: &Ranks,
        placed: &mut Vec<Placed>,
    ) -> Vec<SelectedSeries> {
        let mut newer = Vec::new();
        for (at, reader) in self.head.iter().enumerate() {
            let piece = Piece {
                part: self.head_part(),
                at: at as u32,
            };
            let slot = reader.slot();
            match ranks.place(slot, index.generation(slot)) {
                Some(place) => placed.push(Placed { place, slot, piece }),
                None => newer.push(self.series(index.labels(slot), Box::new([piece]))),
            }
        }
        newer
    }

    /// Of pieces that ascend by place, the series; what left the head since it was placed joins the strangers.
    fn name_ranked(
        self: &Arc<Self>,
        index: &Index,
        ranks: &Ranks,
        placed: &[Placed],
        strangers: &mut Vec<Piece>,
    ) -> Vec<SelectedSeries> {
        let mut named = Vec::with_capacity(placed.len());
        for same in placed.chunk_by(|a, b| a.place == b.place) {
            let Placed { place, slot, .. } = same[0];
            let pieces = same.iter().map(|p| p.piece);
            if ranks.place(slot, index.generation(slot)) == Some(place) {
                named.push(self.series(index.labels(slot), pieces.collect()));
            } else {
                strangers.extend(pieces.filter(|p| p.part != self.head_part()));
            }
        }
        named
    }

    /// Pieces of blocks by the labels that their block has for them.
    fn name_strangers(
        self: &Arc<Self>,
        strangers: &[Piece],
        loose: &mut Vec<SelectedSeries>,
    ) -> Result<(), ReadError> {
        for (part, (live, found)) in self.blocks.iter().enumerate() {
            let part = part as u32;
            let of = strangers.iter().filter(|p| p.part == part).map(|p| p.at);
            live.block
                .for_each_labels(found, of, |at, labels| {
                    loose.push(self.series(labels, Box::new([Piece { part, at }])));
                })
                .map_err(|e| read_error(live, e))?;
        }
        Ok(())
    }

    fn read_piece(
        &self,
        piece: Piece,
        (start_ms, end_ms): (i64, i64),
        out: &mut SeriesPoints,
    ) -> Result<(), ReadError> {
        match self.blocks.get(piece.part as usize) {
            Some((live, found)) => {
                let chunks = found.chunks(piece.at as usize);
                read_chunks(&live.block, chunks, (start_ms, end_ms), out).map_err(|e| read_error(live, e))
            }
            None => self.head[piece.at as usize].read(start_ms, end_ms, out),
        }
    }
}

/// By series of a block: its slot in the head and that slot's generation, if the head has it.
fn slots_of(
    index: &RwLock<Index>,
    live: &LiveBlock,
    found: &Found,
) -> Result<Vec<Option<(u32, u32)>>, BlockError> {
    loop {
        let numbers = live.numbers_of(index, found.all_pairs())?;
        let index = index.read();
        if index.epoch() != numbers.epoch() {
            continue;
        }
        let mut list: Vec<u32> = Vec::new();
        let slots = (0..found.len()).map(|at| {
            list.clear();
            for pair in found.pairs(at) {
                list.push(numbers.get(*pair)?);
            }
            let slot = index.find_list(&list)?;
            Some((slot, index.generation(slot)))
        });
        return Ok(slots.collect());
    }
}

/// Two lists, of which the second ascends and has each series once.
fn merge_by_labels(loose: Vec<SelectedSeries>, ranked: Vec<SelectedSeries>) -> Vec<SelectedSeries> {
    if loose.is_empty() {
        return ranked;
    }
    let mut all = loose;
    all.extend(ranked);
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut merged: Vec<SelectedSeries> = Vec::with_capacity(all.len());
    let mut parts: Vec<Box<dyn SeriesReader>> = Vec::new();
    let mut rest = all.into_iter().peekable();
    while let Some(first) = rest.next() {
        parts.push(first.reader);
        while let Some(same) = rest.next_if(|s| s.labels == first.labels) {
            parts.push(same.reader);
        }
        let reader = match parts.len() {
            1 => parts.remove(0),
            _ => Box::new(Chain {
                parts: std::mem::take(&mut parts),
            }),
        };
        merged.push(SelectedSeries {
            labels: first.labels,
            reader,
        });
    }
    merged
}

pub(crate) fn add_exemplars(
    found: &mut Vec<(Labels, Vec<Exemplar>)>,
    blocks: &[&LiveBlock],
    selection: &Selection,
) -> Result<(), ReadError> {
    let range = (selection.start_ms, selection.end_ms);
    for live in blocks.iter().filter(|b| b.block.meta().exemplars > 0) {
        let series = live
            .block
            .select(&selection.matchers, range.0, range.1)
            .map_err(|e| read_error(live, e))?;
        for series in series {
            let mut columns = SeriesColumns::default();
            live.block
                .salvage(&series, range, &mut columns)
                .map_err(|e| read_error(live, e))?;
            if !columns.exemplars.is_empty() {
                let stamp = |(t_ms, e): (i64, Exemplar)| Exemplar {
                    t_ms: Some(t_ms),
                    ..e
                };
                found.push((series.labels, columns.exemplars.into_iter().map(stamp).collect()));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1.append(&mut later.1);
        }
        same
    });
    for (_, exemplars) in found {
        exemplars.sort_by_key(|e| e.t_ms);
        exemplars.dedup();
    }
    Ok(())
}

pub(crate) fn read_error(live: &LiveBlock, error: BlockError) -> ReadError {
    match error {
        BlockError::Io { path, source, .. } => ReadError::Io { path, source },
        other => ReadError::Damaged {
            start_ms: live.block.meta().min_ms,
            end_ms: live.block.meta().max_ms,
            reason: in_words(&other),
        },
    }
}

/// Appends the floats and histograms of chunks.
fn read_chunks(
    block: &Block,
    chunks: &[SelectedChunk],
    range: (i64, i64),
    out: &mut SeriesPoints,
) -> Result<(), BlockError> {
    // The columns of the caller are lent to the block, so that floats are decoded where they are wanted.
    let mut columns = SeriesColumns {
        times_ms: std::mem::take(&mut out.times_ms),
        values: std::mem::take(&mut out.values),
        ..SeriesColumns::default()
    };
    let first = (columns.times_ms.len(), out.histograms.len());
    let result = block.salvage_chunks(chunks, range, &mut columns);
    out.times_ms = columns.times_ms;
    out.values = columns.values;
    let histograms = columns.histograms.into_iter();
    out.histograms
        .extend(histograms.map(|(t, h)| (t, Arc::new(h.to_float()))));
    starts::tell(&columns.start_times_ms, first, out);
    result.map(drop)
}

/// A series that stands in blocks and head.
struct PieceReader {
    parts: Arc<Parts>,
    pieces: Box<[Piece]>,
}

impl SeriesReader for PieceReader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let one =
            |piece: Piece, out: &mut SeriesPoints| self.parts.read_piece(piece, (start_ms, end_ms), out);
        read_parts(self.pieces.iter().copied(), one, out)
    }

    fn read_last(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let one = |piece: Piece, out: &mut SeriesPoints| match self.parts.blocks.get(piece.part as usize) {
            Some(_) => {
                let mut all = SeriesPoints::default();
                self.parts.read_piece(piece, (start_ms, end_ms), &mut all)?;
                out.push_last_of(all);
                Ok(())
            }
            None => self.parts.head[piece.at as usize].read_last(start_ms, end_ms, out),
        };
        read_last_of_parts(self.pieces.iter().copied(), one, out)
    }
}

/// A series of which parts were found by its labels.
struct Chain {
    parts: Vec<Box<dyn SeriesReader>>,
}

impl Chain {
    fn readers(&self) -> impl Iterator<Item = &dyn SeriesReader> {
        self.parts.iter().map(AsRef::as_ref)
    }
}

impl SeriesReader for Chain {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let one = |part: &dyn SeriesReader, out: &mut SeriesPoints| part.read(start_ms, end_ms, out);
        read_parts(self.readers(), one, out)
    }

    fn read_last(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let one = |part: &dyn SeriesReader, out: &mut SeriesPoints| part.read_last(start_ms, end_ms, out);
        read_last_of_parts(self.readers(), one, out)
    }
}

fn read_parts<P>(
    parts: impl Iterator<Item = P>,
    read: impl Fn(P, &mut SeriesPoints) -> Result<(), ReadError>,
    out: &mut SeriesPoints,
) -> Result<(), ReadError> {
    let (floats, histograms) = (out.times_ms.len(), out.histograms.len());
    let (mut floats_ordered, mut histograms_ordered) = (true, true);
    for part in parts {
        let (f, h) = (out.times_ms.len(), out.histograms.len());
        read(part, out)?;
        floats_ordered &= f == floats || f == out.times_ms.len() || out.times_ms[f] > out.times_ms[f - 1];
        histograms_ordered &=
            h == histograms || h == out.histograms.len() || out.histograms[h].0 > out.histograms[h - 1].0;
    }
    if !floats_ordered {
        put_floats_in_order(floats, out);
    }
    if !histograms_ordered {
        put_histograms_in_order(histograms, out);
    }
    Ok(())
}

/// As [`read_parts`], of the newest sample alone.
fn read_last_of_parts<P>(
    parts: impl Iterator<Item = P>,
    read_last: impl Fn(P, &mut SeriesPoints) -> Result<(), ReadError>,
    out: &mut SeriesPoints,
) -> Result<(), ReadError> {
    let newest = |p: &SeriesPoints| p.times_ms.last().copied().max(p.histograms.last().map(|h| h.0));
    let mut all = SeriesPoints::default();
    for part in parts {
        let mut one = SeriesPoints::default();
        read_last(part, &mut one)?;
        if newest(&one) >= newest(&all) {
            all = one;
        }
    }
    out.push_last_of(all);
    Ok(())
}

/// The floats from `first` on, ascending, each time once.
fn put_floats_in_order(first: usize, out: &mut SeriesPoints) {
    let values = out.values.drain(first..);
    let floats = out.times_ms.drain(first..).zip(values).collect();
    let (times_ms, values): (Vec<i64>, Vec<f64>) = in_order(floats, first, &mut out.starts_ms).unzip();
    out.times_ms.extend(times_ms);
    out.values.extend(values);
}

/// The same of the histograms.
fn put_histograms_in_order(first: usize, out: &mut SeriesPoints) {
    let histograms = out.histograms.split_off(first);
    out.histograms
        .extend(in_order(histograms, first, &mut out.histogram_starts_ms));
}

/// Samples ascending, each time once, and with them their starts, which stand in `starts_ms` from `first` on, if any do.
fn in_order<T>(
    samples: Vec<(i64, T)>,
    first: usize,
    starts_ms: &mut Vec<i64>,
) -> impl Iterator<Item = (i64, T)> {
    let told = starts_ms.len() > first;
    starts_ms.resize(first + samples.len(), UNKNOWN_START);
    let mut all: Vec<(i64, (T, i64))> = samples
        .into_iter()
        .zip(starts_ms.drain(first..))
        .map(|((t_ms, sample), start_ms)| (t_ms, (sample, start_ms)))
        .collect();
    all.sort_by_key(|(t, _)| *t);
    keep_last(&mut all);
    if told {
        starts_ms.extend(all.iter().map(|(_, (_, start_ms))| *start_ms));
    }
    all.into_iter().map(|(t_ms, (sample, _))| (t_ms, sample))
}

/// Of entries with the same time, the last stays.
fn keep_last<T>(all: &mut Vec<(i64, T)>) {
    all.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}
