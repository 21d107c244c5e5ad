//! By which numbers the head knows the label pairs of a block.
//!
//! Head and blocks number their label pairs each for itself. Where the numbers of the head are known, a series of a block is
//! the same as one of the head when two short lists of numbers are equal, and no text is read, built or compared.
//!
//! Invariant: a number that stands here was the head's for the same text while it was in its epoch; the head gives a number
//! away only after the epoch moved on, and then all of them are forgotten.

use super::block::BlockError;
use super::blocks::LiveBlock;
use super::head::index::Index;
use parking_lot::{Mutex, RwLock};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// Pairs whose numbers are kept together: blocks of short-lived series have many pairs that nobody asks for.
const PIECE: usize = 1024;
const UNKNOWN: u32 = u32::MAX;

pub(crate) struct PairNumbers {
    pairs_len: usize,
    known: Mutex<Arc<Numbers>>,
}

/// The numbers of one epoch.
pub(crate) struct Numbers {
    epoch: u64,
    pieces: Box<[OnceLock<Box<[AtomicU32]>>]>,
}

impl PairNumbers {
    pub(crate) fn new(pairs_len: usize) -> Self {
        PairNumbers {
            pairs_len,
            known: Mutex::new(Arc::new(Numbers::new(0, pairs_len))),
        }
    }

    /// What is known in this epoch of the head.
    pub(crate) fn of(&self, epoch: u64) -> Arc<Numbers> {
        let mut known = self.known.lock();
        if known.epoch != epoch {
            *known = Arc::new(Numbers::new(epoch, self.pairs_len));
        }
        known.clone()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let known = self.known.lock();
        let filled = known.pieces.iter().filter(|p| p.get().is_some()).count();
        size_of_val(&*known.pieces) + filled * PIECE * size_of::<AtomicU32>()
    }
}

impl LiveBlock {
    /// The head's numbers of these pairs, as far as it has them; those that nobody asked for yet are looked up.
    pub(crate) fn numbers_of(
        &self,
        index: &RwLock<Index>,
        pairs: &[u32],
    ) -> Result<Arc<Numbers>, BlockError> {
        loop {
            let numbers = self.numbers.of(index.read().epoch());
            let unknown = pairs.iter().copied().filter(|pair| numbers.get(*pair).is_none());
            let mut unknown: Vec<u32> = unknown.collect();
            unknown.sort_unstable();
            unknown.dedup();
            let mut texts: Vec<(u32, String, String)> = Vec::with_capacity(unknown.len());
            self.block.for_each_pair(&unknown, |pair, name, value| {
                texts.push((pair, name.to_owned(), value.to_owned()));
            })?;
            // No page is read while the index is locked.
            let index = index.read();
            if index.epoch() == numbers.epoch {
                for (pair, name, value) in texts {
                    if let Some(number) = index.find_pair(&name, &value) {
                        numbers.set(pair, number);
                    }
                }
                return Ok(numbers);
            }
        }
    }
}

impl Numbers {
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    fn new(epoch: u64, pairs_len: usize) -> Self {
        Numbers {
            epoch,
            pieces: (0..pairs_len.div_ceil(PIECE)).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The head's number of a pair of the block.
    pub(crate) fn get(&self, pair: u32) -> Option<u32> {
        let piece = self.pieces.get(pair as usize / PIECE)?.get()?;
        let number = piece[pair as usize % PIECE].load(Ordering::Relaxed);
        (number != UNKNOWN).then_some(number)
    }

    pub(crate) fn set(&self, pair: u32, number: u32) {
        if let Some(piece) = self.pieces.get(pair as usize / PIECE) {
            let piece = piece.get_or_init(|| (0..PIECE).map(|_| AtomicU32::new(UNKNOWN)).collect());
            piece[pair as usize % PIECE].store(number, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_their_epoch() {
        let numbers = PairNumbers::new(3000);
        let first = numbers.of(7);
        assert_eq!(first.get(2500), None);
        first.set(2500, 4);
        first.set(3000 + PIECE as u32, 1);
        assert_eq!(numbers.of(7).get(2500), Some(4));
        assert_eq!(numbers.of(7).get(2501), None);
        assert_eq!(numbers.of(7).get(u32::MAX), None);
        assert_eq!(numbers.of(8).get(2500), None);
        assert_eq!(first.get(2500), Some(4), "who began in an epoch goes on in it");
    }
}
