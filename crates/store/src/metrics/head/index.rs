//! The inverted index of the head: which label pairs there are, which series carry them, which slot holds which series.
//!
//! A pair's text stands here once, however many series carry it; a series is a list of pair numbers in the order of the
//! label names. The same list finds a series by its labels (hash of the numbers), so no label set is kept whole.

use super::postings::{Postings, intersect, subtract, union};
use crate::metrics::log::record::put_definition;
use hashbrown::{HashMap, HashSet, HashTable};
use lapwing_types::{Labels, Matcher};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Where an equality leaves no more series than this, they are counted in a few microseconds.
const COUNTED_MAX: usize = 2_000;

#[derive(Default)]
pub(crate) struct Index {
    names: Vec<Name>,
    name_numbers: HashMap<Box<str>, u32>,
    pairs: Vec<Pair>,
    pair_table: HashTable<u32>,
    free_pairs: Vec<u32>,
    series: Vec<Entry>,
    series_table: HashTable<u32>,
    free_slots: Vec<u32>,
    sources: Vec<Source>,
    source_numbers: HashMap<Box<str>, u32>,
    live: usize,
    /// Grows with every change of the set of series.
    version: u64,
    /// Grows when the number of a label pair may come to stand for another one.
    epoch: u64,
    /// Whether two slots ever had the same labels at once (see `maintain`).
    twins: bool,
    heap_bytes: usize,
}

struct Name {
    text: Box<str>,
    pairs: Vec<u32>,
}

struct Pair {
    name: u32,
    value: Box<str>,
    postings: Postings,
}

/// A slot; free when it has no pairs.
#[derive(Clone, Default)]
struct Entry {
    pairs: Box<[u32]>,
    generation: u32,
    source: u32,
}

struct Source {
    name: Box<str>,
    series: usize,
}

/// Label values and series counts, largest first.
pub type Cardinality = Vec<(String, u64)>;

fn pair_hash(name: u32, value: &str) -> u64 {
    xxh3_64_with_seed(value.as_bytes(), u64::from(name))
}

fn list_hash(pairs: &[u32]) -> u64 {
    let mut bytes = [0u8; 4 * 64];
    match bytes.get_mut(..pairs.len() * 4) {
        Some(space) => {
            for (chunk, pair) in space.chunks_exact_mut(4).zip(pairs) {
                chunk.copy_from_slice(&pair.to_le_bytes());
            }
            xxh3_64(space)
        }
        None => xxh3_64(&pairs.iter().flat_map(|p| p.to_le_bytes()).collect::<Vec<u8>>()),
    }
}

impl Index {
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn may_have_twins(&self) -> bool {
        self.twins
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// While this stays, the number of a label pair does.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn pair_list(&self, slot: u32) -> &[u32] {
        self.series.get(slot as usize).map_or(&[], |e| &e.pairs)
    }

    /// By number of pair: its place among all pairs, by name and then value.
    pub(crate) fn pair_ranks(&self) -> Vec<u32> {
        let text = |p: u32| {
            let pair = &self.pairs[p as usize];
            (&*self.names[pair.name as usize].text, &*pair.value)
        };
        let mut order: Vec<u32> = (0..self.pairs.len() as u32).collect();
        order.sort_unstable_by(|a, b| text(*a).cmp(&text(*b)));
        let mut ranks = vec![0; order.len()];
        for (rank, pair) in order.into_iter().enumerate() {
            ranks[pair as usize] = rank as u32;
        }
        ranks
    }

    /// One more than the highest slot ever used.
    pub(crate) fn slots(&self) -> usize {
        self.series.len()
    }

    pub(crate) fn generation(&self, slot: u32) -> u32 {
        self.series
            .get(slot as usize)
            .filter(|e| !e.pairs.is_empty())
            .map_or(0, |e| e.generation)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.heap_bytes
            + self.pairs.capacity() * size_of::<Pair>()
            + self.series.capacity() * size_of::<Entry>()
            + self.pair_table.allocation_size()
            + self.series_table.allocation_size()
    }

    pub(crate) fn find(&self, labels: &Labels) -> Option<u32> {
        let mut list = [0u32; 64];
        let mut count = 0;
        for (name, value) in labels {
            let pair = self.find_pair(name, value)?;
            match list.get_mut(count) {
                Some(place) => *place = pair,
                None => return self.find_long(labels),
            }
            count += 1;
        }
        self.find_list(&list[..count])
    }

    fn find_long(&self, labels: &Labels) -> Option<u32> {
        let list: Option<Vec<u32>> = labels.iter().map(|(n, v)| self.find_pair(n, v)).collect();
        self.find_list(&list?)
    }

    /// The slot of the series that has these pairs, ordered by label name.
    pub(crate) fn find_list(&self, list: &[u32]) -> Option<u32> {
        self.series_table
            .find(list_hash(list), |s| *self.series[*s as usize].pairs == *list)
            .copied()
    }

    pub(crate) fn find_pair(&self, name: &str, value: &str) -> Option<u32> {
        let name = *self.name_numbers.get(name)?;
        let is_it = |p: &u32| {
            let pair = &self.pairs[*p as usize];
            pair.name == name && *pair.value == *value
        };
        self.pair_table.find(pair_hash(name, value), is_it).copied()
    }

    /// Gives a new series a slot: the lowest free one, or the next.
    pub(crate) fn create(&mut self, labels: &Labels, source: &str) -> (u32, u32) {
        let slot = self.free_slots.pop().unwrap_or(self.series.len() as u32);
        let generation = self.series.get(slot as usize).map_or(0, |e| e.generation) + 1;
        self.place(slot, generation, labels, source);
        (slot, generation)
    }

    /// Puts a series into the slot that a log or checkpoint names. Whatever stood there before is replaced.
    pub(crate) fn restore(&mut self, (slot, generation): (u32, u32), labels: &Labels, source: &str) {
        if self.generation(slot) != 0 {
            self.remove(&[slot]);
        }
        self.place(slot, generation, labels, source);
    }

    fn place(&mut self, slot: u32, generation: u32, labels: &Labels, source: &str) {
        let list: Box<[u32]> = labels.iter().map(|(n, v)| self.intern_pair(n, v)).collect();
        for pair in &list {
            let postings = &mut self.pairs[*pair as usize].postings;
            let before = postings.heap_bytes();
            postings.insert(slot);
            self.heap_bytes = self.heap_bytes + postings.heap_bytes() - before;
        }
        // A series that left the look-ups and came back has two slots until the first is empty; the newer one is found.
        while let Some(older) = self.find_list(&list) {
            self.twins = true;
            self.detach(&[older]);
        }
        let source = self.intern_source(source);
        self.sources[source as usize].series += 1;
        self.heap_bytes += list.len() * 4;
        let hash = list_hash(&list);
        if self.series.len() <= slot as usize {
            self.series.resize(slot as usize + 1, Entry::default());
        }
        self.series[slot as usize] = Entry {
            pairs: list,
            generation,
            source,
        };
        let series = &self.series;
        self.series_table
            .insert_unique(hash, slot, |s| list_hash(&series[*s as usize].pairs));
        self.live += 1;
        self.version += 1;
    }

    /// After a replay: slots that no series took may be given to new ones, except those that the log still speaks of.
    pub(crate) fn collect_free_slots(&mut self, unreleased: &[u32]) {
        let unreleased: HashSet<u32> = unreleased.iter().copied().collect();
        self.free_slots = (0..self.series.len() as u32)
            .rev()
            .filter(|s| self.series[*s as usize].pairs.is_empty() && !unreleased.contains(s))
            .collect();
    }

    /// Takes the way from labels to these slots away, so that the same labels would get a new one.
    pub(crate) fn detach(&mut self, slots: &[u32]) {
        for slot in slots {
            let hash = list_hash(&self.series[*slot as usize].pairs);
            if let Ok(entry) = self.series_table.find_entry(hash, |s| s == slot) {
                entry.remove();
            }
        }
    }

    /// Makes a detached series findable again, unless another took its labels meanwhile.
    pub(crate) fn attach(&mut self, slot: u32) {
        if self.find_list(&self.series[slot as usize].pairs).is_none() {
            let series = &self.series;
            let hash = list_hash(&series[slot as usize].pairs);
            self.series_table
                .insert_unique(hash, slot, |s| list_hash(&series[*s as usize].pairs));
        }
    }

    /// Removes series; their slots are free only after [`Index::release`], once no log speaks of them any more.
    pub(crate) fn remove(&mut self, slots: &[u32]) {
        self.detach(slots);
        let mut gone = slots.to_vec();
        gone.sort_unstable();
        let mut touched: Vec<u32> = Vec::new();
        for slot in &gone {
            let entry = &mut self.series[*slot as usize];
            let pairs = std::mem::take(&mut entry.pairs);
            self.sources[entry.source as usize].series -= 1;
            self.heap_bytes -= pairs.len() * 4;
            touched.extend_from_slice(&pairs);
        }
        touched.sort_unstable();
        touched.dedup();
        for pair in touched {
            let postings = &mut self.pairs[pair as usize].postings;
            self.heap_bytes -= postings.heap_bytes();
            postings.remove_all(&gone);
            self.heap_bytes += postings.heap_bytes();
            if postings.len() == 0 {
                self.drop_pair(pair);
            }
        }
        self.live -= gone.len();
        self.version += 1;
    }

    pub(crate) fn release(&mut self, slots: &[u32]) {
        self.free_slots.extend_from_slice(slots);
        // The lowest is taken first, which keeps posting lists ascending for longer.
        self.free_slots.sort_unstable_by(|a, b| b.cmp(a));
    }

    fn drop_pair(&mut self, number: u32) {
        let pair = &mut self.pairs[number as usize];
        let hash = pair_hash(pair.name, &pair.value);
        self.heap_bytes -= pair.value.len();
        pair.value = Box::default();
        if let Ok(entry) = self.pair_table.find_entry(hash, |p| *p == number) {
            entry.remove();
        }
        let siblings = &mut self.names[pair.name as usize].pairs;
        if let Some(at) = siblings.iter().position(|p| *p == number) {
            siblings.swap_remove(at);
        }
        self.free_pairs.push(number);
        self.epoch += 1;
    }

    fn intern_pair(&mut self, name: &str, value: &str) -> u32 {
        if let Some(pair) = self.find_pair(name, value) {
            return pair;
        }
        let name = self.intern_name(name);
        let pair = Pair {
            name,
            value: Box::from(value),
            postings: Postings::Empty,
        };
        let number = match self.free_pairs.pop() {
            Some(free) => {
                self.pairs[free as usize] = pair;
                free
            }
            None => {
                self.pairs.push(pair);
                self.pairs.len() as u32 - 1
            }
        };
        let pairs = &self.pairs;
        let rehash = |p: &u32| pair_hash(pairs[*p as usize].name, &pairs[*p as usize].value);
        self.pair_table
            .insert_unique(pair_hash(name, value), number, rehash);
        self.names[name as usize].pairs.push(number);
        self.heap_bytes += value.len() + 4;
        number
    }

    fn intern_name(&mut self, text: &str) -> u32 {
        if let Some(number) = self.name_numbers.get(text) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(Name {
            text: Box::from(text),
            pairs: Vec::new(),
        });
        self.name_numbers.insert(Box::from(text), number);
        self.heap_bytes += 2 * text.len() + 80;
        number
    }

    fn intern_source(&mut self, name: &str) -> u32 {
        if let Some(number) = self.source_numbers.get(name) {
            return *number;
        }
        let number = self.sources.len() as u32;
        self.sources.push(Source {
            name: Box::from(name),
            series: 0,
        });
        self.source_numbers.insert(Box::from(name), number);
        number
    }

    pub(crate) fn source_series(&self, source: &str) -> usize {
        self.source_numbers
            .get(source)
            .map_or(0, |n| self.sources[*n as usize].series)
    }

    pub(crate) fn labels(&self, slot: u32) -> Labels {
        Labels::from_sorted(self.pairs_of(slot))
    }

    fn pairs_of(&self, slot: u32) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.series[slot as usize].pairs.iter().map(|p| {
            let pair = &self.pairs[*p as usize];
            (&*self.names[pair.name as usize].text, &*pair.value)
        })
    }

    /// Writes what the log must know about a series before anything speaks of its slot.
    pub(crate) fn put_definition(&self, out: &mut Vec<u8>, slot: u32) {
        let entry = &self.series[slot as usize];
        let source = &self.sources[entry.source as usize].name;
        put_definition(out, (slot, entry.generation), source, self.pairs_of(slot));
    }

    pub(crate) fn all(&self) -> Vec<u32> {
        (0..self.series.len() as u32)
            .filter(|s| !self.series[*s as usize].pairs.is_empty())
            .collect()
    }

    /// Slots of the series that satisfy every matcher, ascending.
    pub(crate) fn select(&self, matchers: &[Matcher]) -> Vec<u32> {
        // Cheap and narrow conditions first: an equality is one look-up.
        let mut order: Vec<&Matcher> = matchers.iter().collect();
        order.sort_by_cached_key(|m| {
            (
                m.matches(""),
                m.op != lapwing_types::MatchOp::Equal,
                self.equal_count(m),
            )
        });
        let mut found: Option<Vec<u32>> = None;
        for matcher in order {
            let next = match found {
                Some(slots) if slots.is_empty() => return slots,
                Some(slots) => self.narrow(slots, matcher),
                None if matcher.matches("") => self.narrow(self.all(), matcher),
                None => self.slots_where(&matcher.name, |value| matcher.matches(value), matcher),
            };
            found = Some(next);
        }
        found.unwrap_or_else(|| self.all())
    }

    /// No more series than this satisfy the matchers, as far as equalities tell.
    pub(crate) fn count_at_most(&self, matchers: &[Matcher]) -> usize {
        let equal = |m: &&Matcher| m.op == lapwing_types::MatchOp::Equal && !m.value.is_empty();
        let equal: Vec<Matcher> = matchers.iter().filter(equal).cloned().collect();
        match equal.iter().map(|m| self.equal_count(m)).min() {
            None => self.live,
            // What two of them have in common is soon found.
            Some(fewest) if fewest <= COUNTED_MAX && equal.len() > 1 => self.select(&equal).len(),
            Some(fewest) => fewest,
        }
    }

    /// How many values a label has.
    pub(crate) fn values_len(&self, name: &str) -> usize {
        let number = self.name_numbers.get(name);
        number.map_or(0, |n| self.names[*n as usize].pairs.len())
    }

    fn equal_count(&self, matcher: &Matcher) -> usize {
        match matcher.op {
            lapwing_types::MatchOp::Equal => self
                .find_pair(&matcher.name, &matcher.value)
                .map_or(0, |p| self.pairs[p as usize].postings.len()),
            _ => self
                .name_numbers
                .get(&*matcher.name)
                .map_or(0, |n| self.names[*n as usize].pairs.len()),
        }
    }

    fn narrow(&self, slots: Vec<u32>, matcher: &Matcher) -> Vec<u32> {
        let accepts_absent = matcher.matches("");
        let Some(name) = self.name_numbers.get(&*matcher.name).copied() else {
            return if accepts_absent { slots } else { Vec::new() };
        };
        if slots.len() < self.names[name as usize].pairs.len() / 4 {
            return self.narrow_one_by_one(slots, name, matcher);
        }
        if accepts_absent {
            let excluded = self.slots_where(&matcher.name, |value| !matcher.matches(value), matcher);
            subtract(&slots, &excluded)
        } else {
            let wanted = self.slots_where(&matcher.name, |value| matcher.matches(value), matcher);
            intersect(&slots, &wanted)
        }
    }

    /// Fewer series are left than the name has values: asking the series is cheaper than asking the values.
    fn narrow_one_by_one(&self, mut slots: Vec<u32>, name: u32, matcher: &Matcher) -> Vec<u32> {
        slots.retain(|slot| {
            let mut pairs = self.series[*slot as usize]
                .pairs
                .iter()
                .map(|p| &self.pairs[*p as usize]);
            matcher.matches(pairs.find(|p| p.name == name).map_or("", |p| &p.value))
        });
        slots
    }

    /// Slots whose value of a label (which they have) satisfies the condition. Finite sets of values are looked up.
    fn slots_where(&self, name: &str, condition: impl Fn(&str) -> bool, matcher: &Matcher) -> Vec<u32> {
        let equal = matches!(
            matcher.op,
            lapwing_types::MatchOp::Equal | lapwing_types::MatchOp::NotEqual
        );
        let looked_up: Option<Vec<u32>> = if equal {
            Some(self.find_pair(name, &matcher.value).into_iter().collect())
        } else {
            let literals = matcher.literals();
            literals.map(|l| l.iter().filter_map(|value| self.find_pair(name, value)).collect())
        };
        let lists: Vec<&[u32]> = match looked_up {
            // The condition is "one of these", or its complement when the matcher accepts the absent label too.
            Some(pairs)
                if pairs.iter().all(|p| condition(&self.pairs[*p as usize].value))
                    && !complement(matcher) =>
            {
                pairs
                    .iter()
                    .map(|p| self.pairs[*p as usize].postings.as_slice())
                    .collect()
            }
            _ => {
                let Some(name) = self.name_numbers.get(name) else {
                    return Vec::new();
                };
                let pairs = self.names[*name as usize]
                    .pairs
                    .iter()
                    .map(|p| &self.pairs[*p as usize]);
                pairs
                    .filter(|p| condition(&p.value))
                    .map(|p| p.postings.as_slice())
                    .collect()
            }
        };
        union(&lists)
    }

    pub(crate) fn label_names(&self, slots: Option<&[u32]>) -> Vec<String> {
        let mut names: Vec<&str> = match slots {
            None => self
                .names
                .iter()
                .filter(|n| !n.pairs.is_empty())
                .map(|n| &*n.text)
                .collect(),
            Some(slots) => {
                let mut seen = vec![false; self.names.len()];
                for slot in slots {
                    for pair in &self.series[*slot as usize].pairs {
                        seen[self.pairs[*pair as usize].name as usize] = true;
                    }
                }
                self.names
                    .iter()
                    .zip(seen)
                    .filter(|(_, s)| *s)
                    .map(|(n, _)| &*n.text)
                    .collect()
            }
        };
        names.sort_unstable();
        names.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn label_values(&self, name: &str, slots: Option<&[u32]>) -> Vec<String> {
        let Some(number) = self.name_numbers.get(name) else {
            return Vec::new();
        };
        let all = &self.names[*number as usize].pairs;
        let mut chosen: Vec<u32> = match slots {
            None => all.clone(),
            Some(slots) => slots
                .iter()
                .filter_map(|s| {
                    let pairs = &self.series[*s as usize].pairs;
                    pairs
                        .iter()
                        .find(|p| self.pairs[**p as usize].name == *number)
                        .copied()
                })
                .collect(),
        };
        chosen.sort_unstable();
        chosen.dedup();
        let mut values: Vec<&str> = chosen.iter().map(|p| &*self.pairs[*p as usize].value).collect();
        values.sort_unstable();
        values.into_iter().map(str::to_owned).collect()
    }

    /// Label names by number of values.
    pub(crate) fn top_names(&self, count: usize) -> Cardinality {
        top(self.names.iter().map(|n| (n.pairs.len() as u64, n)), count, |n| {
            n.text.to_string()
        })
    }

    /// Values of one label by number of series.
    pub(crate) fn top_values_of(&self, name: &str, count: usize) -> Cardinality {
        let Some(number) = self.name_numbers.get(name) else {
            return Vec::new();
        };
        let pairs = self.names[*number as usize]
            .pairs
            .iter()
            .map(|p| &self.pairs[*p as usize]);
        top(pairs.map(|p| (p.postings.len() as u64, p)), count, |p| {
            p.value.to_string()
        })
    }

    /// Label names by the bytes that their values take.
    pub(crate) fn top_names_by_bytes(&self, count: usize) -> Cardinality {
        let bytes = |n: &Name| {
            n.pairs
                .iter()
                .map(|p| self.pairs[*p as usize].value.len() as u64)
                .sum()
        };
        top(self.names.iter().map(|n| (bytes(n), n)), count, |n| {
            n.text.to_string()
        })
    }

    /// Number of label pairs in use.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs.len() - self.free_pairs.len()
    }

    /// Label pairs (`name=value`) by number of series.
    pub(crate) fn top_pairs(&self, count: usize) -> Cardinality {
        top(
            self.pairs.iter().map(|p| (p.postings.len() as u64, p)),
            count,
            |p| format!("{}={}", self.names[p.name as usize].text, p.value),
        )
    }

    /// Sources by number of series.
    pub(crate) fn top_sources(&self, count: usize) -> Cardinality {
        top(self.sources.iter().map(|s| (s.series as u64, s)), count, |s| {
            s.name.to_string()
        })
    }
}

/// Whether what `slots_where` was asked for is everything but the values that the matcher spells out.
fn complement(matcher: &Matcher) -> bool {
    use lapwing_types::MatchOp::{Equal, NotEqual, NotRegex, Regex};
    match matcher.op {
        Equal | Regex => matcher.matches(""),
        NotEqual | NotRegex => !matcher.matches(""),
    }
}

fn top<T>(items: impl Iterator<Item = (u64, T)>, count: usize, text: impl Fn(T) -> String) -> Cardinality {
    let mut items: Vec<(u64, T)> = items.filter(|(n, _)| *n > 0).collect();
    if items.len() > count {
        items.select_nth_unstable_by(count, |a, b| b.0.cmp(&a.0));
        items.truncate(count);
    }
    items.sort_by_key(|item| std::cmp::Reverse(item.0));
    items.into_iter().map(|(n, item)| (text(item), n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::MatchOp;
    use proptest::prelude::*;

    fn matcher() -> impl Strategy<Value = Matcher> {
        let op = prop_oneof![
            Just(MatchOp::Equal),
            Just(MatchOp::NotEqual),
            Just(MatchOp::Regex),
            Just(MatchOp::NotRegex)
        ];
        (
            op,
            "[abc]",
            "(x|y|z|x\\|y|\\|z|x\\|y\\|z|\\.\\*|\\.\\+|[xy]\\.\\*|)",
        )
            .prop_map(|(op, name, value)| Matcher::new(op, name, value).unwrap())
    }

    proptest! {
        #[test]
        fn selects_what_the_matchers_say(
            sets in proptest::collection::vec(proptest::collection::btree_map("[abc]", "[xyz]{1,2}", 1..4), 1..30),
            matchers in proptest::collection::vec(matcher(), 0..4),
            gone in proptest::collection::btree_set(0usize..30, 0..10),
        ) {
            let mut index = Index::default();
            let mut model: Vec<(u32, Labels)> = Vec::new();
            for set in &sets {
                let labels = Labels::from_pairs(set).unwrap();
                if index.find(&labels).is_none() {
                    let (slot, _) = index.create(&labels, "test");
                    model.push((slot, labels));
                }
            }
            let removed: Vec<u32> = gone.iter().filter_map(|g| model.get(*g)).map(|(s, _)| *s).collect();
            index.remove(&removed);
            model.retain(|(s, _)| !removed.contains(s));
            for (slot, labels) in &model {
                prop_assert_eq!(index.find(labels), Some(*slot));
                prop_assert_eq!(&index.labels(*slot), labels);
            }
            let expect: Vec<u32> = model
                .iter()
                .filter(|(_, l)| matchers.iter().all(|m| m.matches_labels(l)))
                .map(|(s, _)| *s)
                .collect();
            prop_assert!(index.count_at_most(&matchers) >= expect.len());
            prop_assert_eq!(index.select(&matchers), expect);
            prop_assert_eq!(index.live(), model.len());
            model.sort_by(|a, b| a.1.cmp(&b.1));
            let order: Vec<u32> = model.iter().map(|(s, _)| *s).collect();
            let ranks = crate::metrics::head::ranks::Unranked::of(&index).rank();
            prop_assert_eq!(ranks.order(), &order[..]);
        }
    }

    #[test]
    fn equalities_are_counted_together() {
        let mut index = Index::default();
        for i in 0..100u32 {
            let pairs = [("a", (i % 10).to_string()), ("b", (i / 10).to_string())];
            index.create(&Labels::from_pairs(pairs).unwrap(), "test");
        }
        let (a, b) = (Matcher::equal("a", "3"), Matcher::equal("b", "7"));
        assert_eq!(index.count_at_most(&[]), 100);
        assert_eq!(index.count_at_most(std::slice::from_ref(&a)), 10);
        assert_eq!(index.count_at_most(&[a, b]), 1);
    }
}
