//! A bounded memory of what was seen lately: two generations of a map.
//!
//! 1. What is new goes into the young generation.
//! 2. When the young one has no room for the next entry, it becomes the old one, and what was old is forgotten.
//! 3. What is found in the old one moves to the young one, so that who is asked for again and again stays.
//!
//! So an entry is remembered at least until others of one generation's weight were added or asked for after it, and a crowd that is
//! seen once pushes out nobody who keeps coming. Compared with a least-recently-used list: no links to mend at every look, and
//! forgetting is one drop of a map.
//!
//! Bound: twice `weight_max`. What an entry weighs is the caller's to say: 1 where entries are counted, bytes where they differ.

use hashbrown::{Equivalent, HashMap};
use std::hash::Hash;

/// A map that forgets; see the head of this file.
#[derive(Debug)]
pub struct Generations<K, V> {
    young: HashMap<K, (V, u32)>,
    young_weight: u64,
    old: HashMap<K, (V, u32)>,
    weight_max: u64,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    /// `weight_max` is of one generation.
    pub fn new(weight_max: u64) -> Self {
        Generations {
            young: HashMap::new(),
            young_weight: 0,
            old: HashMap::new(),
            weight_max,
        }
    }

    /// What is remembered of this key, which is young again by it.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> Option<&V> {
        // Asked twice, for a borrow that is returned in one branch would hold in the other.
        if !self.young.contains_key(key) {
            let (key, (value, weight)) = self.old.remove_entry(key)?;
            self.insert(key, value, weight);
        }
        self.young.get(key).map(|(value, _)| value)
    }

    /// Remembers it in place of what was remembered of this key. What alone weighs more than a generation is not.
    pub fn insert(&mut self, key: K, value: V, weight: u32) {
        if u64::from(weight) > self.weight_max {
            return;
        }
        if self.young_weight + u64::from(weight) > self.weight_max {
            std::mem::swap(&mut self.young, &mut self.old);
            // Not dropped: the next generation will be as large.
            self.young.clear();
            self.young_weight = 0;
        }
        self.young_weight += u64::from(weight);
        if let Some((_, before)) = self.young.insert(key, (value, weight)) {
            self.young_weight -= u64::from(before);
        }
    }

    pub fn clear(&mut self) {
        *self = Generations::new(self.weight_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_comes_again_stays_and_who_came_once_is_forgotten() {
        let mut known = Generations::new(10);
        known.insert("faithful", 0, 1);
        for n in 0..1000 {
            known.insert(["a", "b", "c", "d", "e", "f", "g"][n % 7], n, 2);
            assert!(known.young_weight <= 10);
            assert_eq!(known.get("faithful"), Some(&0), "after {n}");
        }
        known.insert("once", 1, 1);
        for n in 0..30 {
            known.insert(["a", "b", "c", "d", "e", "f", "g"][n % 7], n, 2);
        }
        assert_eq!(known.get("once"), None);
    }

    #[test]
    fn what_is_heavier_than_a_generation_is_not_kept() {
        let mut known = Generations::new(10);
        known.insert("light", 1, 10);
        known.insert("heavy", 2, 11);
        assert_eq!(known.get("light"), Some(&1));
        assert_eq!(known.get("heavy"), None);
        known.clear();
        assert_eq!(known.get("light"), None);
    }

    proptest! {
        /// Never wrong, never over its bound, and nothing is lost before a generation's weight came after it.
        #[test]
        fn remembers_the_latest_of_one_generation(steps in proptest::collection::vec((0u8..20, 1u32..5, any::<bool>()), 0..200)) {
            let mut known = Generations::new(12);
            // Newest last: key, value, weight.
            let mut model: Vec<(u8, usize, u32)> = Vec::new();
            for (at, (key, weight, is_insert)) in steps.into_iter().enumerate() {
                let before = model.iter().position(|(k, _, _)| *k == key);
                if is_insert {
                    known.insert(key, at, weight);
                    model.retain(|(k, _, _)| *k != key);
                    model.push((key, at, weight));
                } else {
                    let found = known.get(&key).copied();
                    let expect = before.map(|i| model[i]);
                    prop_assert!(found.is_none() || found == expect.map(|e| e.1));
                    if let (Some(i), Some(entry)) = (before, expect) {
                        let later: u32 = model[i..].iter().map(|e| e.2).sum();
                        prop_assert!(found.is_some() || later > 12 - 4, "{key} was forgotten too early");
                        model.remove(i);
                        if found.is_some() {
                            model.push(entry);
                        }
                    }
                }
                prop_assert!(known.young_weight <= 12);
                let weight: u64 = known.young.values().map(|(_, w)| u64::from(*w)).sum();
                prop_assert_eq!(weight, known.young_weight);
            }
        }
    }
}
