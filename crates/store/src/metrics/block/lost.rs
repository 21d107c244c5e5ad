//! Who is lost with a damaged page of the index, told from what is left of it.
//!
//! The labels of a series stand twice: as pair numbers in its entry, and in that it is on the posting list of each of these
//! pairs. When the entry is lost, the lists still name it. When the value of a label is lost, its name and the other labels
//! still stand.

use super::error::BlockError;
use super::index::{PairCursor, SeriesCursor};
use super::reader::{Block, SeriesId, readable};
use super::walk::labels_of;
use hashbrown::HashMap;
use lapwing_types::Labels;
use std::collections::BTreeMap;

/// Labels of series whose entries cannot be read. None of them where a posting list or a value is damaged as well: a label set
/// that lacks a label would name another series.
pub(super) fn labels_by_postings(
    block: &Block,
    lost: &[SeriesId],
) -> Result<BTreeMap<SeriesId, Labels>, BlockError> {
    let mut pairs_of: HashMap<u32, Vec<u32>> = lost.iter().map(|id| (id.0, Vec::new())).collect();
    let mut cursor = PairCursor::new(&block.file, &block.index);
    let mut list = Vec::new();
    for pair in 0..block.pairs_len() as u32 {
        list.clear();
        if readable(cursor.postings(pair, block.index.series_len, &mut list))?.is_none() {
            return Ok(BTreeMap::new());
        }
        for id in &list {
            if let Some(pairs) = pairs_of.get_mut(id) {
                pairs.push(pair);
            }
        }
    }
    let mut text = String::new();
    let mut found = BTreeMap::new();
    for (id, pairs) in pairs_of {
        if let Some(labels) = readable(labels_of(block, &pairs, (&mut cursor, &mut text)))? {
            found.insert(SeriesId(id), labels);
        }
    }
    Ok(found)
}

/// Which labels of a series are lost and which are not; nothing when its entry is.
pub(super) fn what_remains(block: &Block, id: SeriesId) -> Result<Option<String>, BlockError> {
    let mut series = SeriesCursor::new(&block.file, &block.index);
    let Some((pairs, _)) = readable(series.get(id.0))? else {
        return Ok(None);
    };
    let mut cursor = PairCursor::new(&block.file, &block.index);
    let (mut lost, mut left) = (Vec::new(), Vec::new());
    for pair in pairs {
        let Some(name) = block.index.name_of(*pair) else {
            return Ok(None);
        };
        match readable(cursor.value(*pair))? {
            Some(value) => left.push(format!("{}={value:?}", name.text)),
            None => lost.push(&*name.text),
        }
    }
    Ok((!lost.is_empty()).then(|| {
        format!(
            "the value of label {} of {{{}}} cannot be read",
            lost.join(", "),
            left.join(", ")
        )
    }))
}
