//! What a deletion took out of a series, for as long as someone looks who came before it.
//!
//! A deletion goes through shards and blocks one after the other, and is done for everybody at once when its mark is set: under
//! the lock of the list of blocks, so that a snapshot finds both as they were before, or neither. What was taken leaves memory
//! when the last of those who came before is gone.

use super::chunk::{NewestFirst, OpenChunk};
use super::extra::{HistogramSample, KeptExemplar, LateSample};
use super::isolation::View;
use super::sealed::SealedChunk;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One deletion, which all that it took refers to.
#[derive(Debug)]
pub(crate) struct Deletion {
    /// Both ends included.
    range: (i64, i64),
    /// Who came up to this mark does not know of it.
    mark: AtomicU64,
}

impl Deletion {
    pub(crate) fn new(range: (i64, i64)) -> Arc<Self> {
        Arc::new(Deletion {
            range,
            mark: AtomicU64::new(u64::MAX),
        })
    }

    pub(crate) fn range(&self) -> (i64, i64) {
        self.range
    }

    pub(crate) fn covers(&self, t_ms: i64) -> bool {
        (self.range.0..=self.range.1).contains(&t_ms)
    }

    /// From now on it is done for everybody who comes.
    pub(crate) fn end(&self, mark: u64) {
        self.mark.fetch_min(mark, Ordering::AcqRel);
    }

    pub(crate) fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }
}

/// What one deletion took out of one series.
#[derive(Clone, Debug)]
pub(crate) struct Ghost {
    pub(crate) deletion: Arc<Deletion>,
    /// As they were, with what remained.
    pub(crate) open: OpenChunk,
    pub(crate) last: (i64, f64),
    pub(crate) sealed: Vec<SealedChunk>,
    /// These went as a whole.
    pub(crate) late: Vec<LateSample>,
    pub(crate) histograms: Vec<HistogramSample>,
    pub(crate) exemplars: Vec<KeptExemplar>,
}

impl Ghost {
    pub(crate) fn of(deletion: &Arc<Deletion>) -> Self {
        Ghost {
            deletion: Arc::clone(deletion),
            open: OpenChunk::default(),
            last: (i64::MIN, 0.0),
            sealed: Vec::new(),
            late: Vec::new(),
            histograms: Vec::new(),
            exemplars: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let chunks = self.open.count() + self.sealed.len();
        chunks + self.late.len() + self.histograms.len() + self.exemplars.len() == 0
    }

    pub(crate) fn is_there_for(&self, view: &View) -> bool {
        view.came_before(self.deletion.mark())
    }

    /// Appends the floats in order that were taken.
    pub(crate) fn read(&self, range: (i64, i64), out: &mut Vec<(i64, f64)>) {
        let gone = self.deletion.range;
        let range = (range.0.max(gone.0), range.1.min(gone.1));
        if range.0 > range.1 {
            return;
        }
        let (mut times_ms, mut values) = (Vec::new(), Vec::new());
        for chunk in &self.sealed {
            if chunk.first_t_ms() <= range.1 && chunk.last_t_ms() >= range.0 {
                chunk.read(range, &mut times_ms, &mut values);
            }
        }
        self.newest_first().read(range, &mut times_ms, &mut values);
        out.extend(times_ms.into_iter().zip(values));
    }

    fn newest_first(&self) -> NewestFirst<'_> {
        self.open.newest_first(self.last)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let histograms = self.histograms.iter().map(|h| h.encoded().len());
        let exemplars = self.exemplars.iter().map(|e| e.exemplar.labels.size_bytes());
        let sealed = self.sealed.iter().map(SealedChunk::heap_bytes);
        self.open.heap_bytes()
            + sealed.sum::<usize>()
            + histograms.sum::<usize>()
            + exemplars.sum::<usize>()
            + self.sealed.len() * size_of::<SealedChunk>()
            + self.late.len() * size_of::<LateSample>()
            + self.histograms.len() * size_of::<HistogramSample>()
            + self.exemplars.len() * size_of::<KeptExemplar>()
    }
}
