//! The series of classic histograms on their way into a cold block.
//!
//! In label order the buckets of one histogram need not be neighbours (labels that sort after `le` come between), but all
//! lie among the series that are equal up to `le`. Those are held until the first that differs, sorted into histograms,
//! and each histogram's window becomes one column group if its members have equal times; otherwise ordinary columns.
//!
//! Member 0 of a group is the bucket with the greatest `le`, as it is: the `_count` series has the same content and refers to
//! it, and it is read at the cost of one column. The members after it ascend by `le`, each minus the one before it; what
//! they cost is read only by who asks for them.

use super::columns_writer::{ColumnsWriter, Values};
use super::entry::{ChunkKind, ChunkRef};
use super::error::BlockError;
use super::index_writer::IndexWriter;
use super::pages::PageWriter;
use crate::metrics::codec::cold;
use hashbrown::HashMap;
use lapwing_types::Labels;
use std::ops::Range;

/// Samples that wait for the end of their histograms: 64 MiB. Beyond it what has gathered is written.
const SAMPLES_MAX: usize = 4 << 20;

pub(super) struct PendingSeries {
    pub(super) labels: Labels,
    pub(super) times_ms: Vec<i64>,
    pub(super) values: Vec<f64>,
    pub(super) windows: Vec<Range<usize>>,
    /// Chunks that are written already.
    pub(super) plain: Vec<ChunkRef>,
}

#[derive(Default)]
pub(super) struct Pending {
    series: Vec<PendingSeries>,
    samples_len: usize,
}

impl Pending {
    /// Whether a series is equal to those gathered up to `le`, and there is room for it.
    pub(super) fn belongs(&self, labels: &Labels) -> bool {
        let before = |labels: &Labels| -> Vec<(String, String)> {
            let before = labels.iter().take_while(|(name, _)| *name < "le");
            before.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
        };
        match self.series.first() {
            None => true,
            Some(first) => {
                self.samples_len < SAMPLES_MAX
                    && labels.get("le").is_some()
                    && before(&first.labels) == before(labels)
            }
        }
    }

    pub(super) fn push(&mut self, series: PendingSeries) {
        self.samples_len += series.times_ms.len();
        self.series.push(series);
    }

    pub(super) fn write(
        self,
        columns: &mut ColumnsWriter,
        index: &mut IndexWriter,
        pages: &mut PageWriter,
    ) -> Result<(), BlockError> {
        let mut placed: HashMap<(usize, usize), Values> = HashMap::new();
        for members in self.histograms() {
            self.write_groups(&members, (columns, pages), &mut placed)?;
        }
        for (at, series) in self.series.iter().enumerate() {
            let mut chunks = Vec::with_capacity(series.windows.len() + series.plain.len());
            for window in &series.windows {
                let times = columns.times(&series.times_ms[window.clone()], pages)?;
                let (place, member) = match placed.get(&(at, window.start)) {
                    Some(values) => *values,
                    None => columns.values(&series.values[window.clone()], pages)?,
                };
                chunks.push(ChunkRef {
                    kind: ChunkKind::Floats,
                    times,
                    place,
                    member,
                });
            }
            chunks.extend_from_slice(&series.plain);
            index.add(&series.labels, &chunks)?;
        }
        Ok(())
    }

    /// Members of each histogram: the greatest `le` first, then ascending.
    fn histograms(&self) -> Vec<Vec<usize>> {
        let mut by_rest: HashMap<Labels, Vec<(f64, usize)>> = HashMap::new();
        let mut order = Vec::new();
        for (at, series) in self.series.iter().enumerate() {
            let bound = series.labels.get("le").and_then(|le| le.parse::<f64>().ok());
            let Some(bound) = bound.filter(|b| !b.is_nan()) else {
                continue;
            };
            let rest = series.labels.drop(&["le"]);
            by_rest
                .entry(rest.clone())
                .or_insert_with(|| {
                    order.push(rest);
                    Vec::new()
                })
                .push((bound, at));
        }
        let mut histograms = Vec::new();
        for rest in order {
            let Some(mut members) = by_rest.remove(&rest) else {
                continue;
            };
            members.sort_by(|a, b| a.0.total_cmp(&b.0));
            members.rotate_right(1);
            histograms.push(members.into_iter().map(|(_, at)| at).collect());
        }
        histograms
    }

    /// Groups the windows that the members share; where each chunk went is noted by series and start of its window.
    fn write_groups(
        &self,
        members: &[usize],
        (columns, pages): (&mut ColumnsWriter, &mut PageWriter),
        placed: &mut HashMap<(usize, usize), Values>,
    ) -> Result<(), BlockError> {
        let Some(total) = members.first().map(|at| &self.series[*at]) else {
            return Ok(());
        };
        for window in &total.windows {
            let times = &total.times_ms[window.clone()];
            let mut shared: Vec<(usize, Range<usize>)> = Vec::with_capacity(members.len());
            for at in members {
                let series = &self.series[*at];
                let own = series
                    .windows
                    .iter()
                    .find(|w| series.times_ms[(*w).clone()] == *times);
                shared.extend(own.map(|own| (*at, own.clone())));
            }
            if shared.len() < 2 || shared.len() > cold::GROUP_MEMBERS_MAX {
                continue;
            }
            let values: Vec<&[f64]> = shared
                .iter()
                .map(|(at, own)| &self.series[*at].values[own.clone()])
                .collect();
            let mut encoded = Vec::new();
            if !cold::encode_buckets(&values, &mut encoded) {
                continue;
            }
            let place = columns.group(&encoded, times.len(), pages)?;
            for (member, ((at, own), values)) in shared.iter().zip(&values).enumerate() {
                let values_at = (place, Some(member as u32));
                placed.insert((*at, own.start), values_at);
                if member == 0 {
                    columns.know(values, values_at);
                }
            }
        }
        Ok(())
    }
}
