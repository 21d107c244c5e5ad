//! Sets of slots as ascending lists, and the operations that matchers need.

/// The series that carry one label pair. Most pairs of a fleet (pod, instance, path) are carried by few series, so one
/// slot costs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Postings {
    #[default]
    Empty,
    One(u32),
    Many(Vec<u32>),
}

impl Postings {
    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Postings::Empty => &[],
            Postings::One(slot) => std::slice::from_ref(slot),
            Postings::Many(slots) => slots,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Slots mostly come in ascending order; one that is used again finds its place.
    pub(crate) fn insert(&mut self, slot: u32) {
        match self {
            Postings::Empty => *self = Postings::One(slot),
            Postings::One(other) if *other == slot => {}
            Postings::One(other) => *self = Postings::Many(vec![slot.min(*other), slot.max(*other)]),
            Postings::Many(slots) => match slots.last() {
                Some(last) if *last < slot => {
                    // An eighth of slack instead of doubling: these lists are the bulk of the index.
                    if slots.len() == slots.capacity() {
                        slots.reserve_exact(slots.len() / 8 + 2);
                    }
                    slots.push(slot);
                }
                _ => {
                    if let Err(at) = slots.binary_search(&slot) {
                        slots.insert(at, slot);
                    }
                }
            },
        }
    }

    /// Removes an ascending list of slots.
    pub(crate) fn remove_all(&mut self, gone: &[u32]) {
        let kept = subtract(self.as_slice(), gone);
        *self = match kept.as_slice() {
            [] => Postings::Empty,
            [one] => Postings::One(*one),
            _ => Postings::Many(kept),
        };
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Postings::Many(slots) => slots.capacity() * 4,
            _ => 0,
        }
    }
}

/// Slots in both lists. The shorter one leads; the longer is searched by doubling steps.
pub(crate) fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (short, mut long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut out = Vec::with_capacity(short.len());
    for slot in short {
        let at = gallop(long, *slot);
        long = &long[at..];
        match long.first() {
            Some(found) if found == slot => out.push(*slot),
            Some(_) => {}
            None => break,
        }
    }
    out
}

/// Slots of `a` that are not in `b`.
pub(crate) fn subtract(a: &[u32], mut b: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(a.len());
    for slot in a {
        let at = gallop(b, *slot);
        b = &b[at..];
        if b.first() != Some(slot) {
            out.push(*slot);
        }
    }
    out
}

/// Slots in any of the lists.
pub(crate) fn union(lists: &[&[u32]]) -> Vec<u32> {
    match lists {
        [] => Vec::new(),
        [one] => one.to_vec(),
        _ => {
            let mut out = Vec::with_capacity(lists.iter().map(|l| l.len()).sum());
            for list in lists {
                out.extend_from_slice(list);
            }
            // The sort recognises ascending runs, so this is a merge.
            out.sort();
            out.dedup();
            out
        }
    }
}

/// Position of the first element that is not below `slot`.
fn gallop(list: &[u32], slot: u32) -> usize {
    let mut step = 1;
    while step <= list.len() && list[step - 1] < slot {
        step *= 2;
    }
    let low = step / 2;
    let high = (step - 1).min(list.len());
    low + list[low..high].partition_point(|s| *s < slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_sets(a: BTreeSet<u8>, b: BTreeSet<u8>, c: BTreeSet<u8>) {
            let list = |s: &BTreeSet<u8>| s.iter().map(|x| u32::from(*x)).collect::<Vec<u32>>();
            let (la, lb, lc) = (list(&a), list(&b), list(&c));
            prop_assert_eq!(intersect(&la, &lb), list(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(subtract(&la, &lb), list(&a.difference(&b).copied().collect()));
            let all: BTreeSet<u8> = a.iter().chain(&b).chain(&c).copied().collect();
            prop_assert_eq!(union(&[&la, &lb, &lc]), list(&all));
        }

        #[test]
        fn keeps_order_whatever_comes(slots in proptest::collection::vec(0u32..50, 0..40), gone: BTreeSet<u8>) {
            let mut postings = Postings::default();
            for slot in &slots {
                postings.insert(*slot);
            }
            let mut expect: BTreeSet<u32> = slots.iter().copied().collect();
            prop_assert_eq!(postings.as_slice(), &expect.iter().copied().collect::<Vec<_>>()[..]);
            let gone: Vec<u32> = gone.iter().map(|g| u32::from(*g)).collect();
            postings.remove_all(&gone);
            expect.retain(|s| !gone.contains(s));
            prop_assert_eq!(postings.as_slice(), &expect.iter().copied().collect::<Vec<_>>()[..]);
        }
    }
}
