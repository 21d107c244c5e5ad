//! What only some series have: late samples, histograms, exemplars, start times.
//!
//! Each entry remembers the commit that brought it, so that a snapshot sees exactly what was committed when it was
//! taken (in-order floats are isolated by their time instead, see `isolation`).

use super::ghost::{Deletion, Ghost};
use super::histogram_bytes::{put_histogram, take_histogram};
use super::series::NEVER_MS;
use crate::bytes::Reader;
use crate::metrics::starts::Starts;
use lapwing_types::{Exemplar, Histogram};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LateSample {
    pub(crate) t_ms: i64,
    pub(crate) value: f64,
    pub(crate) commit: u64,
    /// The flush that copied it, if any.
    pub(crate) flush: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct HistogramSample {
    pub(crate) t_ms: i64,
    pub(crate) commit: u64,
    pub(crate) flush: u32,
    bytes: Box<[u8]>,
}

impl HistogramSample {
    pub(crate) fn new(t_ms: i64, histogram: &Histogram, commit: u64) -> Self {
        let mut bytes = Vec::with_capacity(96);
        put_histogram(&mut bytes, histogram);
        HistogramSample {
            t_ms,
            commit,
            flush: 0,
            bytes: bytes.into_boxed_slice(),
        }
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes are our own, or were decoded once when they were read from disk.
    pub(crate) fn decode(&self) -> Option<Histogram> {
        take_histogram(&mut Reader::new(&self.bytes)).ok()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptExemplar {
    pub(crate) t_ms: i64,
    pub(crate) exemplar: Exemplar,
    pub(crate) commit: u64,
    pub(crate) flush: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// Ascending by time, none twice, none at a time of the in-order chunks.
    pub(crate) late: Vec<LateSample>,
    /// Ascending by time, none twice.
    pub(crate) histograms: Vec<HistogramSample>,
    /// Of the newest histogram that a flush took away.
    flushed_histogram_ms: Option<i64>,
    /// Ascending by arrival.
    pub(crate) exemplars: VecDeque<KeptExemplar>,
    /// When the counter began, as it was told.
    pub(crate) starts: Starts,
    /// What was deleted and someone may still look at.
    pub(crate) ghosts: Vec<Ghost>,
}

/// Whether something stood in the way of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    New,
    Identical,
    Conflict,
}

impl Extra {
    pub(crate) fn insert_late(&mut self, sample: LateSample) -> Inserted {
        match self.late.binary_search_by_key(&sample.t_ms, |s| s.t_ms) {
            Ok(at) if self.late[at].value.to_bits() == sample.value.to_bits() => Inserted::Identical,
            Ok(_) => Inserted::Conflict,
            Err(at) => {
                self.late.insert(at, sample);
                Inserted::New
            }
        }
    }

    pub(crate) fn insert_histogram(&mut self, sample: HistogramSample) -> Inserted {
        match self.histograms.binary_search_by_key(&sample.t_ms, |s| s.t_ms) {
            Ok(at) if self.histograms[at].bytes == sample.bytes => Inserted::Identical,
            Ok(_) => Inserted::Conflict,
            Err(at) => {
                self.histograms.insert(at, sample);
                Inserted::New
            }
        }
    }

    pub(crate) fn has_histogram_at(&self, t_ms: i64) -> bool {
        let is_newer = self.histograms.last().is_none_or(|last| last.t_ms < t_ms);
        !is_newer && self.histograms.binary_search_by_key(&t_ms, |h| h.t_ms).is_ok()
    }

    /// In memory, or flushed since the store was opened.
    pub(crate) fn last_histogram_ms(&self) -> i64 {
        self.newest_histogram_by(i64::MAX)
    }

    /// The same, of those that are not after this time.
    pub(crate) fn newest_histogram_by(&self, latest_ms: i64) -> i64 {
        let kept = self.histograms.iter().rev().map(|h| h.t_ms);
        let newest = kept
            .chain(self.flushed_histogram_ms)
            .find(|t_ms| *t_ms <= latest_ms);
        newest.unwrap_or(NEVER_MS)
    }

    /// A source repeats its exemplar with every scrape until there is a newer one.
    pub(crate) fn insert_exemplar(&mut self, kept: KeptExemplar, max: usize) -> Inserted {
        if self
            .exemplars
            .iter()
            .any(|e| e.t_ms == kept.t_ms && e.exemplar == kept.exemplar)
        {
            return Inserted::Identical;
        }
        if self.exemplars.len() >= max.max(1) {
            self.exemplars.pop_front();
        }
        self.exemplars.push_back(kept);
        Inserted::New
    }

    /// Moves what is deleted into a ghost.
    pub(crate) fn delete(&mut self, deletion: &Deletion, ghost: &mut Ghost) {
        let late = self.late.iter().copied();
        ghost.late.extend(late.filter(|s| deletion.covers(s.t_ms)));
        self.late.retain(|s| !deletion.covers(s.t_ms));
        let (gone, kept) = std::mem::take(&mut self.histograms)
            .into_iter()
            .partition(|h| deletion.covers(h.t_ms));
        (ghost.histograms, self.histograms) = (gone, kept);
        let exemplars = self.exemplars.iter().filter(|e| deletion.covers(e.t_ms));
        ghost.exemplars.extend(exemplars.cloned());
        self.exemplars.retain(|e| !deletion.covers(e.t_ms));
    }

    pub(crate) fn drop_flushed(&mut self, flush: u32) {
        self.late.retain(|s| s.flush != flush);
        self.late.shrink_to_fit();
        let flushed = self.histograms.iter().rev().find(|h| h.flush == flush);
        self.flushed_histogram_ms = self.flushed_histogram_ms.max(flushed.map(|h| h.t_ms));
        self.histograms.retain(|h| h.flush != flush);
        self.histograms.shrink_to_fit();
        self.exemplars.retain(|e| e.flush != flush);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.late.is_empty()
            && self.histograms.is_empty()
            && self.exemplars.is_empty()
            && self.ghosts.is_empty()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.late.capacity() * size_of::<LateSample>()
            + self.starts.heap_bytes()
            + self
                .ghosts
                .iter()
                .map(|g| g.heap_bytes() + size_of::<Ghost>())
                .sum::<usize>()
            + self
                .histograms
                .iter()
                .map(|h| h.bytes.len() + size_of::<HistogramSample>())
                .sum::<usize>()
            + self
                .exemplars
                .iter()
                .map(|e| e.exemplar.labels.size_bytes() + size_of::<KeptExemplar>())
                .sum::<usize>()
    }
}
