//! Metadata of what a request brought, and who has been told of it before.
//!
//! A sender repeats the description of every metric with every request. It is recognized by a hash of what it is made of; a
//! collision costs a help text.

use super::labels::push_part;
use super::model::{Data, Metric};
use super::names::unit_text;
use super::translate::OtlpOptions;
use lapwing_types::{Generations, Metadata, MetricKind};
use xxhash_rust::xxh3::xxh3_128;

/// Of one generation: some 3 MiB.
const TOLD_MAX: u64 = 1 << 16;

/// A metric that brought points.
#[derive(Clone, Copy, Debug)]
pub struct Family<'r> {
    metric: &'r Metric<'r>,
    kind: MetricKind,
    hash: u128,
}

impl<'r> Family<'r> {
    /// `scratch` is for its bytes.
    pub(super) fn of(
        metric: &'r Metric<'r>,
        data: &Data<'_>,
        options: &OtlpOptions,
        scratch: &mut Vec<u8>,
    ) -> Self {
        let kind = kind_of(data);
        scratch.clear();
        scratch.push(options.names as u8);
        scratch.extend_from_slice(kind.as_str().as_bytes());
        for part in [&metric.name, &metric.unit, &metric.description] {
            push_part(scratch, part);
        }
        Family {
            metric,
            kind,
            hash: xxh3_128(scratch),
        }
    }

    pub(super) fn is_same(&self, other: &Family<'_>) -> bool {
        self.hash == other.hash
    }

    /// Its name in Prometheus' words, and what is said about it. `None`: it has no name, nor has any series of it.
    pub fn metadata(&self, options: &OtlpOptions) -> Option<(String, Metadata)> {
        let metadata = Metadata {
            kind: self.kind,
            help: self.metric.description.as_ref().to_owned(),
            unit: unit_text(&self.metric.unit),
        };
        let name = options.names.metric_name(self.metric);
        (!name.is_empty()).then_some((name, metadata))
    }
}

/// Families whose metadata the store has; keep it from request to request.
#[derive(Debug)]
pub struct ToldFamilies {
    told: Generations<u128, ()>,
}

impl Default for ToldFamilies {
    fn default() -> Self {
        ToldFamilies {
            told: Generations::new(TOLD_MAX),
        }
    }
}

impl ToldFamilies {
    /// Leaves those of which nobody was told.
    pub fn retain_untold(&mut self, families: &mut Vec<Family<'_>>) {
        families.retain(|family| self.told.get(&family.hash).is_none());
    }

    /// Call once their metadata is kept.
    pub fn tell(&mut self, families: &[Family<'_>]) {
        for family in families {
            self.told.insert(family.hash, (), 1);
        }
    }
}

fn kind_of(data: &Data<'_>) -> MetricKind {
    match data {
        Data::Gauge { .. } => MetricKind::Gauge,
        Data::Sum { monotonic: true, .. } => MetricKind::Counter,
        Data::Sum { .. } => MetricKind::Gauge,
        Data::Histogram { .. } | Data::Exponential { .. } => MetricKind::Histogram,
        Data::Summary { .. } => MetricKind::Summary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn a_family_is_told_once_and_again_when_it_changes() {
        let mut metric = Metric {
            name: Cow::Borrowed("a.b"),
            unit: Cow::Borrowed("By"),
            description: Cow::Borrowed("help"),
            data: None,
        };
        let data = Data::Gauge { points: Vec::new() };
        let options = OtlpOptions::default();
        let mut told = ToldFamilies::default();
        let mut untold = |metric: &Metric<'_>| {
            let mut families = vec![Family::of(metric, &data, &options, &mut Vec::new())];
            told.retain_untold(&mut families);
            told.tell(&families);
            families.first().and_then(|f| f.metadata(&options))
        };
        let (name, metadata) = untold(&metric).unwrap();
        assert_eq!((name.as_str(), metadata.help.as_str()), ("a_b_bytes", "help"));
        assert_eq!(
            (metadata.kind, metadata.unit.as_str()),
            (MetricKind::Gauge, "bytes")
        );
        assert!(untold(&metric).is_none());
        metric.description = Cow::Borrowed("another");
        assert!(untold(&metric).is_some());
    }
}
