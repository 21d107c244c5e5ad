//! When counters began: what the `_created` lines of a page say, for all series of one counter, histogram or summary.

use super::error::ParseError;
use super::parser::{RawSample, SampleRole};
use lapwing_types::{Labels, METRIC_NAME};
use std::collections::{BTreeSet, HashMap};

/// The starts that a page tells, in whatever order it does. A start is a time of its own: a sample belongs to the last one that is
/// not after it.
#[derive(Debug, Default)]
pub struct CreatedTimes {
    starts_ms: HashMap<StartKey, BTreeSet<i64>>,
}

/// The family and the labels that all series of one counter, histogram or summary share.
type StartKey = (String, Labels);

impl CreatedTimes {
    /// Takes up a `_created` line; any other is left alone.
    pub fn note(&mut self, sample: &RawSample<'_>) -> Result<(), ParseError> {
        if sample.role != SampleRole::Created || !sample.value.is_finite() {
            return Ok(());
        }
        if let Some(key) = start_key(&sample.labels()?, &["_created"]) {
            let start_ms = (sample.value * 1000.0).round() as i64;
            self.starts_ms.entry(key).or_default().insert(start_ms);
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.starts_ms.is_empty()
    }

    /// What was told of a series, ascending.
    pub fn of(&self, labels: &Labels) -> Option<&BTreeSet<i64>> {
        let key = start_key(labels, &["_total", "_bucket", "_count", "_sum"])?;
        self.starts_ms.get(&key)
    }
}

pub(super) fn start_key(labels: &Labels, suffixes: &[&str]) -> Option<StartKey> {
    let name = labels.metric_name()?;
    let family = suffixes.iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
    Some((family.to_owned(), labels.drop(&[METRIC_NAME, "le", "quantile"])))
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Format, Parser};
    use super::*;

    #[test]
    fn all_series_of_one_counter_share_its_starts() {
        let page = "# TYPE h histogram\nh_bucket{le=\"1\",q=\"a\"} 1\nh_bucket{le=\"+Inf\",q=\"a\"} 2\nh_count{q=\"a\"} 2\n\
                    h_sum{q=\"a\"} 3\nh_created{q=\"a\"} 5.25\nh_created{q=\"a\"} 2\nh_created{q=\"b\"} NaN\n\
                    # TYPE g gauge\ng_created{q=\"a\"} 7\n# EOF\n";
        let mut parser = Parser::new(page.as_bytes(), Format::OpenMetrics).unwrap();
        let mut created = CreatedTimes::default();
        while let Some(entry) = parser.next_entry().unwrap() {
            if let Entry::Sample(sample) = entry {
                created.note(&sample).unwrap();
            }
        }
        let of = |pairs: &[(&str, &str)]| {
            let labels = Labels::from_pairs(pairs.iter().copied()).unwrap();
            created.of(&labels).map(|starts| starts.iter().copied().collect())
        };
        for name in ["h_bucket", "h_count", "h_sum"] {
            assert_eq!(
                of(&[("__name__", name), ("le", "1"), ("q", "a")]),
                Some(vec![2_000, 5_250])
            );
            assert_eq!(of(&[("__name__", name), ("q", "b")]), None);
        }
        assert_eq!(of(&[("__name__", "g"), ("q", "a")]), None);
    }
}
