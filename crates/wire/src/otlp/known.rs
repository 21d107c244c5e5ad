//! Label sets of delta points that came before: their running totals are found by labels, and making those anew (names made legal,
//! sorted, joined with those of the resource) is most of what taking such a point would cost.
//!
//! A label set is found by its whole key (see [`super::sink`]), compared byte by byte: a mere hash could add a delta to the total
//! of another series.

use lapwing_types::{Generations, Labels};

/// Of one generation: some 60 000 series of ten labels.
const GENERATION_BYTES_MAX: u64 = 32 << 20;
/// Of the table and the allocations of one entry, beside its bytes.
const ENTRY_BYTES: usize = 96;
/// A longer one is made anew each time.
const KEY_BYTES_MAX: usize = 4096;

/// Keep it from request to request.
#[derive(Debug)]
pub struct KnownLabels {
    labels: Generations<Box<[u8]>, Labels>,
}

impl Default for KnownLabels {
    fn default() -> Self {
        KnownLabels {
            labels: Generations::new(GENERATION_BYTES_MAX),
        }
    }
}

impl KnownLabels {
    /// What was made of this key, or what `make` makes of it. What cannot be made is not remembered.
    pub(super) fn find_or_make<E>(
        &mut self,
        key: &[u8],
        make: impl FnOnce() -> Result<Labels, E>,
    ) -> Result<Labels, E> {
        if let Some(labels) = self.labels.get(key) {
            return Ok(labels.clone());
        }
        let labels = make()?;
        if key.len() <= KEY_BYTES_MAX {
            // The text of a label set is about as long as its key.
            let size_bytes = 2 * key.len() + ENTRY_BYTES;
            self.labels.insert(key.into(), labels.clone(), size_bytes as u32);
        }
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_made_again() {
        let mut known = KnownLabels::default();
        let mut made = |key: &[u8]| {
            let mut is_made = false;
            let labels = known.find_or_make(key, || {
                is_made = true;
                Labels::from_pairs([("key", key.len().to_string())])
            });
            assert_eq!(labels.unwrap().get("key"), Some(&*key.len().to_string()));
            is_made
        };
        let long = vec![b'x'; KEY_BYTES_MAX + 1];
        assert!(made(b"a") && made(b"ab"));
        assert!(!made(b"a") && !made(b"ab"));
        assert!(made(&long) && made(&long), "too long to be remembered");
    }
}
