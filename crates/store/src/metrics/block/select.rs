//! Which series of a block satisfy a list of matchers.
//!
//! 1. A matcher that the empty value fails names a set of pairs; their posting lists are united, and the sets of all such
//!    matchers intersected. `=` and alternations of literals are looked up; a pattern with a literal prefix scans only the
//!    values that begin with it.
//! 2. A matcher that the empty value satisfies (`!=`, `!~`, `=""`) takes away the series of the pairs that fail it.
//! 3. Where few candidates are left, the remaining patterns are tried on their labels instead of on all values.

use super::error::BlockError;
use super::index::{Index, Name, PairCursor, SeriesCursor};
use super::pages::PageFile;
use hashbrown::HashMap;
use lapwing_types::{MatchOp, Matcher};

/// A pattern is tried on single series while these are at most this part of the values that it would have to scan.
const FEW: usize = 4;

/// Numbers of the series that satisfy all matchers, ascending.
pub(super) fn select(file: &PageFile, index: &Index, matchers: &[Matcher]) -> Result<Vec<u32>, BlockError> {
    let mut pairs = PairCursor::new(file, index);
    let mut ordered: Vec<&Matcher> = matchers.iter().collect();
    ordered.sort_by_key(|m| cost(m));
    // `None` stands for all series while nothing has narrowed them.
    let mut found: Option<Vec<u32>> = None;
    for matcher in ordered {
        if found.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let Some(name) = index.name(&matcher.name) else {
            if matcher.matches("") {
                continue;
            }
            return Ok(Vec::new());
        };
        let scanned = name.pairs.len();
        match &mut found {
            Some(found) if is_scan(matcher) && found.len() < scanned / FEW => {
                filter_by_labels(file, index, (matcher, name), found)?;
            }
            _ => {
                let optional = matcher.matches("");
                let hits = matching_pairs(&mut pairs, name, matcher, !optional)?;
                let series = union(&mut pairs, &hits, index.series_len)?;
                found = Some(match (found, optional) {
                    (None, false) => series,
                    (Some(found), false) => intersect(&found, &series),
                    (None, true) => subtract(&(0..index.series_len).collect::<Vec<_>>(), &series),
                    (Some(found), true) => subtract(&found, &series),
                });
            }
        }
    }
    Ok(found.unwrap_or_else(|| (0..index.series_len).collect()))
}

/// Look-ups first, scans last; what only takes away after what narrows.
fn cost(matcher: &Matcher) -> u8 {
    u8::from(is_scan(matcher)) * 2 + u8::from(matcher.matches(""))
}

fn is_scan(matcher: &Matcher) -> bool {
    matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex) && matcher.literals().is_none()
}

/// Pairs of the name whose value satisfies the matcher (`wanted`) or fails it.
fn matching_pairs(
    pairs: &mut PairCursor<'_>,
    name: &Name,
    matcher: &Matcher,
    wanted: bool,
) -> Result<Vec<u32>, BlockError> {
    // A matcher and its negation name the same values; one of the two is asked for with `wanted` false.
    let positive = matches!(matcher.op, MatchOp::Equal | MatchOp::Regex);
    let mut hits = Vec::new();
    if positive == wanted {
        let literals = match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => Some(std::slice::from_ref(&matcher.value)),
            _ => matcher.literals(),
        };
        if let Some(literals) = literals {
            for literal in literals.iter().filter(|l| !l.is_empty()) {
                hits.extend(pairs.find(name, literal)?);
            }
            hits.sort_unstable();
            hits.dedup();
            return Ok(hits);
        }
        let prefix = matcher.literal_prefix();
        let mut pair = pairs.lower_bound(name, prefix)?;
        while pair < name.pairs.end {
            let value = pairs.value(pair)?;
            if !value.starts_with(prefix) {
                break;
            }
            if matcher.matches(value) == wanted {
                hits.push(pair);
            }
            pair += 1;
        }
        return Ok(hits);
    }
    for pair in name.pairs.clone() {
        if matcher.matches(pairs.value(pair)?) == wanted {
            hits.push(pair);
        }
    }
    Ok(hits)
}

fn filter_by_labels(
    file: &PageFile,
    index: &Index,
    (matcher, name): (&Matcher, &Name),
    found: &mut Vec<u32>,
) -> Result<(), BlockError> {
    let mut pairs = PairCursor::new(file, index);
    let mut series = SeriesCursor::new(file, index);
    let absent = matcher.matches("");
    let mut known: HashMap<u32, bool> = HashMap::new();
    let mut kept = Vec::with_capacity(found.len());
    for id in found.iter() {
        let (own, _) = series.get(*id)?;
        let matches = match own.iter().find(|p| name.pairs.contains(p)) {
            None => absent,
            Some(pair) => match known.get(pair) {
                Some(matches) => *matches,
                None => {
                    let matches = matcher.matches(pairs.value(*pair)?);
                    known.insert(*pair, matches);
                    matches
                }
            },
        };
        if matches {
            kept.push(*id);
        }
    }
    *found = kept;
    Ok(())
}

/// Series of any of the pairs, ascending. A series has one pair per name, so lists of one name share none.
fn union(pairs: &mut PairCursor<'_>, hits: &[u32], series_len: u32) -> Result<Vec<u32>, BlockError> {
    let mut out = Vec::new();
    for pair in hits {
        pairs.postings(*pair, series_len, &mut out)?;
    }
    if hits.len() > 1 {
        out.sort_unstable();
    }
    Ok(out)
}

fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut rest = many;
    let mut out = Vec::new();
    for id in few {
        rest = gallop(rest, *id);
        if rest.first() == Some(id) {
            out.push(*id);
        }
    }
    out
}

fn subtract(from: &[u32], what: &[u32]) -> Vec<u32> {
    let mut rest = what;
    let mut out = Vec::with_capacity(from.len());
    for id in from {
        rest = gallop(rest, *id);
        if rest.first() != Some(id) {
            out.push(*id);
        }
    }
    out
}

/// Drops what is less than `id` from the front, in steps that double.
fn gallop(list: &[u32], id: u32) -> &[u32] {
    let mut step = 1;
    while step < list.len() && list[step] < id {
        step *= 2;
    }
    let (low, high) = (step / 2, (step + 1).min(list.len()));
    &list[low + list[low..high].partition_point(|x| *x < id)..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn sets_are_sets(a in proptest::collection::btree_set(0u32..60, 0..40), b in proptest::collection::btree_set(0u32..60, 0..40)) {
            let list = |s: &BTreeSet<u32>| s.iter().copied().collect::<Vec<_>>();
            let (x, y) = (list(&a), list(&b));
            prop_assert_eq!(intersect(&x, &y), a.intersection(&b).copied().collect::<Vec<_>>());
            prop_assert_eq!(subtract(&x, &y), a.difference(&b).copied().collect::<Vec<_>>());
        }
    }
}
