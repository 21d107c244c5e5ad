//! Label sets of points that came before: an SDK sends the same series every few seconds, and making their labels anew (names made
//! legal, sorted, joined with those of the resource) is most of what taking a point costs.
//!
//! A label set is found by everything that it is made of (what the resource and the scope say, the metric's name, `le` or `quantile`,
//! the attributes in their order), compared byte by byte: a mere hash could give a point the labels of another. Other wishes of the
//! configuration make other labels, so they empty it.
//!
//! Bound: two generations of at most [`GENERATION_BYTES_MAX`]. When the young one is full it becomes the old one, and what is not asked
//! for again before the next time is forgotten; a crowd of series that are seen once pushes out no more than that.

use super::translate::OtlpOptions;
use hashbrown::HashMap;
use lapwing_types::Labels;

/// Some 60 000 series of ten labels in each.
const GENERATION_BYTES_MAX: usize = 32 << 20;
/// Of the table and the allocations of one entry, beside its bytes.
const ENTRY_BYTES: usize = 96;
/// A longer one is made anew each time.
const KEY_BYTES_MAX: usize = 4096;

/// Keep it from request to request.
#[derive(Debug, Default)]
pub struct KnownLabels {
    options: OtlpOptions,
    young: Generation,
    old: Generation,
    key: Vec<u8>,
}

#[derive(Debug, Default)]
struct Generation {
    labels: HashMap<Box<[u8]>, Labels>,
    size_bytes: usize,
}

impl KnownLabels {
    pub(super) fn begin(&mut self, options: &OtlpOptions) {
        if self.options != *options {
            *self = KnownLabels {
                options: options.clone(),
                ..KnownLabels::default()
            };
        }
    }

    /// What was made of this key, or what `make` makes of it. What cannot be made is not remembered.
    pub(super) fn find_or_make<E>(
        &mut self,
        write_key: impl FnOnce(&mut Vec<u8>),
        make: impl FnOnce() -> Result<Labels, E>,
    ) -> Result<Labels, E> {
        self.key.clear();
        write_key(&mut self.key);
        if let Some(labels) = self.young.labels.get(self.key.as_slice()) {
            return Ok(labels.clone());
        }
        if self.key.len() > KEY_BYTES_MAX {
            return make();
        }
        let labels = match self.old.labels.get(self.key.as_slice()) {
            Some(labels) => labels.clone(),
            None => make()?,
        };
        self.keep(labels.clone());
        Ok(labels)
    }

    fn keep(&mut self, labels: Labels) {
        // The text of a label set is about as long as its key.
        let size_bytes = 2 * self.key.len() + ENTRY_BYTES;
        if self.young.size_bytes + size_bytes > GENERATION_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.size_bytes += size_bytes;
        self.young.labels.insert(self.key.as_slice().into(), labels);
    }
}

/// One part of a key; with its length, so that no two lists of parts look alike.
pub(super) fn push_part(key: &mut Vec<u8>, part: &str) {
    key.extend_from_slice(&(part.len() as u32).to_le_bytes());
    key.extend_from_slice(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(known: &mut KnownLabels, parts: &[&str]) -> (Labels, bool) {
        let mut is_made = false;
        let found = known.find_or_make(
            |key| parts.iter().for_each(|part| push_part(key, part)),
            || {
                is_made = true;
                Labels::from_pairs([("name", parts.join(","))])
            },
        );
        (found.unwrap(), is_made)
    }

    #[test]
    fn what_is_known_is_not_made_again_and_nothing_is_mistaken_for_another() {
        let mut known = KnownLabels::default();
        let (first, is_made) = ask(&mut known, &["ab", "c"]);
        assert!(is_made);
        assert_eq!(ask(&mut known, &["ab", "c"]), (first.clone(), false));
        let (other, is_made) = ask(&mut known, &["a", "bc"]);
        assert!(is_made && other != first);
        let long = "x".repeat(KEY_BYTES_MAX);
        assert!(ask(&mut known, &[&long]).1 && ask(&mut known, &[&long]).1);
        known.begin(&OtlpOptions {
            scope_labels: true,
            ..OtlpOptions::default()
        });
        assert!(ask(&mut known, &["ab", "c"]).1, "other wishes, other labels");
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_bounded() {
        let mut known = KnownLabels::default();
        let filler = "y".repeat(KEY_BYTES_MAX / 2);
        ask(&mut known, &["faithful"]);
        let mut made = 0;
        for n in 0..20_000 {
            ask(&mut known, &[&filler, &n.to_string()]);
            made += u32::from(n % 1000 == 0 && ask(&mut known, &["faithful"]).1);
            assert!(known.young.size_bytes.max(known.old.size_bytes) <= GENERATION_BYTES_MAX);
        }
        assert_eq!(made, 0, "who comes again and again is known");
        assert!(ask(&mut known, &[&filler, "0"]).1, "who came once is forgotten");
    }
}
