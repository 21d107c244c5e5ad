//! Names, labels and handles.
//!
//! Asking for a metric that is there returns it; asking for it with another type, other labels or other buckets is an error that
//! says where it was made. A value is at most 1024 bytes long, the rest of it is cut. Label sets per metric are bounded: beyond the bound all further ones share one series, whose label
//! values are all `_other_`, so that a user id in a label cannot fill the memory.

use super::bounds::{LABEL_BYTES_MAX, cut};
use super::cells::{Counter, Gauge, Histogram, Summary};
use lapwing_types::{Labels, METRIC_NAME, MetricKind};
use lapwing_wire::names::{is_legacy_label_name, is_legacy_metric_name};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Label sets of one metric.
const SERIES_MAX: usize = 10_000;
const OTHER: &str = "_other_";

/// Upper bounds in seconds, from a cached answer to something that someone should look at.
pub(super) const LATENCY_BOUNDS: [f64; 17] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

#[derive(Clone, Debug, Default)]
pub struct MetricSpec {
    pub name: String,
    pub kind: MetricKind,
    pub help: String,
    pub labels: Vec<String>,
    /// Of a histogram; empty means the default ones.
    pub buckets: Vec<f64>,
    /// Of a summary; empty means median, 0.9 and 0.99.
    pub quantiles: Vec<f64>,
    /// Where in the program it is made, for messages.
    pub place: String,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegistryError {
    #[error(
        "{name:?} is not a name of a metric: use letters, digits, '_' and ':', not beginning with a digit"
    )]
    Name { name: String },
    #[error(
        "{name:?} is not a name of a metric: it is empty, or longer than {} bytes",
        LABEL_BYTES_MAX
    )]
    LooseName { name: String },
    #[error("{name:?} cannot be a label of {metric}: {reason}")]
    LabelName {
        metric: String,
        name: String,
        reason: &'static str,
    },
    #[error("{metric} has the labels ({}), {given} values were given", have.join(", "))]
    LabelCount {
        metric: String,
        have: Vec<String>,
        given: usize,
    },
    #[error("{metric} has no label {name:?}; it has ({})", have.join(", "))]
    UnknownLabel {
        metric: String,
        name: String,
        have: Vec<String>,
    },
    #[error("{metric} is there already with another {what}: {have} (made at {place}), now {want}")]
    Clash {
        metric: String,
        what: &'static str,
        have: String,
        want: String,
        place: String,
    },
    #[error("buckets of {metric} must be finite numbers in ascending order")]
    Buckets { metric: String },
    #[error("quantiles of {metric} must lie between 0 and 1")]
    Quantiles { metric: String },
}

/// One series' cells.
#[derive(Clone, Debug)]
pub enum Metric {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    Summary(Summary),
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) labels: Labels,
    pub(super) metric: Metric,
    /// Each line of its text up to the value; made when first written.
    pub(super) lines: OnceLock<Box<[String]>>,
}

/// A metric with all its label sets. A cheap handle.
#[derive(Clone, Debug)]
pub struct Family(pub(super) Arc<FamilyState>);

#[derive(Debug)]
pub(super) struct FamilyState {
    pub(super) spec: MetricSpec,
    /// What it was described as after it was made.
    help_later: OnceLock<String>,
    bounds: Arc<[f64]>,
    /// Whatever labels each series brings, instead of those of the spec.
    free_labels: bool,
    pub(super) children: Mutex<BTreeMap<Labels, Arc<Child>>>,
}

/// All metrics of a program. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    families: Arc<Mutex<BTreeMap<String, Family>>>,
}

impl Registry {
    pub fn new() -> Self {
        Registry::default()
    }

    pub fn metric(&self, spec: MetricSpec) -> Result<Family, RegistryError> {
        if !is_legacy_metric_name(&spec.name) {
            return Err(RegistryError::Name { name: spec.name });
        }
        self.make(check(spec)?, false)
    }

    /// A family each of whose series brings its own labels: see [`Family::with_any`]. Its name, like theirs, is any text: pages quote it.
    pub fn loose(&self, spec: MetricSpec) -> Result<Family, RegistryError> {
        if spec.name.is_empty() || spec.name.len() > LABEL_BYTES_MAX {
            return Err(RegistryError::LooseName { name: spec.name });
        }
        self.make(check(spec)?, true)
    }

    fn make(&self, spec: MetricSpec, free_labels: bool) -> Result<Family, RegistryError> {
        let mut families = self.lock();
        if let Some(have) = families.get(&spec.name) {
            have.same_as(&spec)?;
            return Ok(have.clone());
        }
        let bounds: Arc<[f64]> = if spec.buckets.is_empty() {
            Arc::from(LATENCY_BOUNDS)
        } else {
            Arc::from(spec.buckets.as_slice())
        };
        let family = Family(Arc::new(FamilyState {
            help_later: OnceLock::new(),
            bounds,
            free_labels,
            children: Mutex::default(),
            spec,
        }));
        families.insert(family.0.spec.name.clone(), family.clone());
        Ok(family)
    }

    pub fn families(&self) -> Vec<Family> {
        self.lock().values().cloned().collect()
    }

    pub fn get(&self, name: &str) -> Option<Family> {
        self.lock().get(name).cloned()
    }

    /// How many metrics there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub fn remove(&self, name: &str) -> bool {
        self.lock().remove(name).is_some()
    }

    /// Sets every number to zero: in a forked child, which would otherwise tell its parent's numbers again.
    pub fn reset(&self) {
        for family in self.families() {
            for child in family.lock().values() {
                match &child.metric {
                    Metric::Counter(c) => c.reset(),
                    Metric::Gauge(g) => g.reset(),
                    Metric::Histogram(h) => h.reset(),
                    Metric::Summary(s) => s.reset(),
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Family {
    pub fn spec(&self) -> &MetricSpec {
        &self.0.spec
    }

    /// What it is, for whoever reads the page.
    pub fn help(&self) -> &str {
        match self.0.help_later.get() {
            Some(later) if self.0.spec.help.is_empty() => later,
            _ => &self.0.spec.help,
        }
    }

    /// Says what it is, where nobody has said so yet.
    pub fn describe(&self, help: &str) {
        if self.0.spec.help.is_empty() && !help.is_empty() {
            let _ = self.0.help_later.set(help.to_owned());
        }
    }

    /// The series with these values, in the order of the metric's labels.
    pub fn with(&self, values: &[&str]) -> Result<Metric, RegistryError> {
        let spec = &self.0.spec;
        if values.len() != spec.labels.len() {
            return Err(RegistryError::LabelCount {
                metric: spec.name.clone(),
                have: spec.labels.clone(),
                given: values.len(),
            });
        }
        Ok(self.with_pairs(spec.labels.iter().map(String::as_str).zip(values.iter().copied())))
    }

    pub(super) fn with_pairs<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Metric {
        let own = pairs.into_iter().filter(|(name, _)| !self.is_taken(name));
        let bounded = own.map(|(n, v)| (n, cut(v, LABEL_BYTES_MAX)));
        let labels = Labels::from_pairs(bounded.filter(|(_, v)| !v.is_empty())).unwrap_or_default();
        let mut children = self.lock();
        if let Some(child) = children.get(&labels) {
            return child.metric.clone();
        }
        let labels = if children.len() < SERIES_MAX {
            labels
        } else {
            let names = labels.iter().map(|(name, _)| (name, OTHER));
            Labels::from_pairs(names).unwrap_or_default()
        };
        let child = children.entry(labels.clone()).or_insert_with(|| {
            Arc::new(Child {
                labels,
                metric: self.fresh(),
                lines: OnceLock::new(),
            })
        });
        child.metric.clone()
    }

    /// The series of a loose family with these labels; without those that no page can hold (see [`Family::is_taken`]).
    pub fn with_any<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Metric {
        self.with_pairs(pairs)
    }

    /// Whether this cannot be a series' own label: no name at all, or one that pages write themselves.
    pub fn is_taken(&self, label: &str) -> bool {
        match self.0.spec.kind {
            MetricKind::Histogram if label == "le" => true,
            MetricKind::Summary if label == "quantile" => true,
            _ => label.is_empty() || label == METRIC_NAME,
        }
    }

    /// Values by label name: every label of the metric once, and no other.
    pub fn with_names(&self, given: &[(&str, &str)]) -> Result<Metric, RegistryError> {
        let spec = &self.0.spec;
        if let Some((name, _)) = given.iter().find(|(n, _)| !spec.labels.iter().any(|l| l == n)) {
            return Err(RegistryError::UnknownLabel {
                metric: spec.name.clone(),
                name: (*name).to_owned(),
                have: spec.labels.clone(),
            });
        }
        if given.len() != spec.labels.len() {
            return Err(RegistryError::LabelCount {
                metric: spec.name.clone(),
                have: spec.labels.clone(),
                given: given.len(),
            });
        }
        Ok(self.with_pairs(given.iter().copied()))
    }

    fn fresh(&self) -> Metric {
        match self.0.spec.kind {
            MetricKind::Counter => Metric::Counter(Counter::default()),
            MetricKind::Histogram => Metric::Histogram(Histogram::new(self.0.bounds.clone())),
            MetricKind::Summary => Metric::Summary(Summary::default()),
            _ => Metric::Gauge(Gauge::default()),
        }
    }

    pub fn series(&self) -> Vec<(Labels, Metric)> {
        let children = self.lock();
        children
            .values()
            .map(|c| (c.labels.clone(), c.metric.clone()))
            .collect()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<Labels, Arc<Child>>> {
        self.0.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn same_as(&self, want: &MetricSpec) -> Result<(), RegistryError> {
        let have = &self.0.spec;
        let clash = |what, have_text: String, want_text: String| RegistryError::Clash {
            metric: have.name.clone(),
            what,
            have: have_text,
            want: want_text,
            place: have.place.clone(),
        };
        if have.kind != want.kind {
            return Err(clash("type", have.kind.to_string(), want.kind.to_string()));
        }
        if !self.0.free_labels && have.labels != want.labels {
            return Err(clash(
                "set of labels",
                format!("{:?}", have.labels),
                format!("{:?}", want.labels),
            ));
        }
        if !want.buckets.is_empty() && *self.0.bounds != *want.buckets {
            return Err(clash(
                "set of buckets",
                format!("{:?}", self.0.bounds),
                format!("{:?}", want.buckets),
            ));
        }
        Ok(())
    }
}

fn check(spec: MetricSpec) -> Result<MetricSpec, RegistryError> {
    for (i, name) in spec.labels.iter().enumerate() {
        let reason = if !is_legacy_label_name(name) {
            "use letters, digits and '_', not beginning with a digit"
        } else if name.starts_with("__") || name == METRIC_NAME {
            "names that begin with '__' are Lapwing's own"
        } else if name == "le" && spec.kind == MetricKind::Histogram {
            "a histogram uses it for its buckets"
        } else if name == "quantile" && spec.kind == MetricKind::Summary {
            "a summary uses it for its quantiles"
        } else if spec.labels[..i].contains(name) {
            "it is named twice"
        } else {
            continue;
        };
        return Err(RegistryError::LabelName {
            metric: spec.name.clone(),
            name: name.clone(),
            reason,
        });
    }
    let ascending = spec.buckets.is_sorted_by(|a, b| a < b);
    if !ascending || spec.buckets.iter().any(|b| !b.is_finite()) {
        return Err(RegistryError::Buckets { metric: spec.name });
    }
    if spec.quantiles.iter().any(|q| !(0.0..=1.0).contains(q)) {
        return Err(RegistryError::Quantiles { metric: spec.name });
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, kind: MetricKind, labels: &[&str]) -> MetricSpec {
        MetricSpec {
            name: name.to_owned(),
            kind,
            labels: labels.iter().map(|l| (*l).to_owned()).collect(),
            place: "app.py:3".to_owned(),
            ..MetricSpec::default()
        }
    }

    #[test]
    fn the_same_metric_is_the_same_and_another_says_where_it_is() {
        let registry = Registry::new();
        let first = registry
            .metric(spec("a_total", MetricKind::Counter, &["x"]))
            .unwrap();
        let again = registry
            .metric(spec("a_total", MetricKind::Counter, &["x"]))
            .unwrap();
        if let (Ok(Metric::Counter(a)), Ok(Metric::Counter(b))) = (first.with(&["1"]), again.with(&["1"])) {
            a.inc();
            assert_eq!(b.value(), 1.0);
        } else {
            panic!("not counters");
        }
        let clash = registry
            .metric(spec("a_total", MetricKind::Gauge, &["x"]))
            .unwrap_err();
        assert!(clash.to_string().contains("app.py:3"), "{clash}");
        assert!(
            registry
                .metric(spec("a_total", MetricKind::Counter, &["y"]))
                .is_err()
        );
        assert!(first.with(&[]).is_err());
        assert!(first.with_names(&[("y", "1")]).is_err());
    }

    #[test]
    fn bad_names_are_refused() {
        let registry = Registry::new();
        let error = |s| registry.metric(s).unwrap_err().to_string();
        assert!(error(spec("1a", MetricKind::Counter, &[])).contains("not a name"));
        assert!(error(spec("a", MetricKind::Histogram, &["le"])).contains("buckets"));
        assert!(error(spec("a", MetricKind::Gauge, &["x", "x"])).contains("twice"));
        assert!(error(spec("a", MetricKind::Gauge, &["__x"])).contains("own"));
        assert!(error(spec("model.latency", MetricKind::Gauge, &[])).contains("not a name"));
        assert!(
            registry
                .loose(spec("model.latency", MetricKind::Gauge, &[]))
                .is_ok()
        );
        for name in [String::new(), "a".repeat(LABEL_BYTES_MAX + 1)] {
            let refused = registry.loose(spec(&name, MetricKind::Gauge, &[])).unwrap_err();
            assert!(refused.to_string().contains("empty, or longer"), "{refused}");
        }
        let unsorted = MetricSpec {
            buckets: vec![2.0, 1.0],
            ..spec("a", MetricKind::Histogram, &[])
        };
        assert!(error(unsorted).contains("ascending"));
    }

    #[test]
    fn labels_that_pages_write_themselves_are_left_out() {
        let registry = Registry::new();
        let family = registry.loose(spec("a", MetricKind::Histogram, &[])).unwrap();
        family.with_any([("", "1"), ("le", "2"), (METRIC_NAME, "3"), ("x", "4")]);
        let (labels, _) = family.series().remove(0);
        assert_eq!(labels.to_string(), r#"{x="4"}"#);
    }

    #[test]
    fn label_sets_are_bounded() {
        let registry = Registry::new();
        let family = registry.metric(spec("a", MetricKind::Gauge, &["user"])).unwrap();
        for i in 0..SERIES_MAX + 50 {
            family.with(&[&i.to_string()]).unwrap();
        }
        assert_eq!(family.series().len(), SERIES_MAX + 1);
    }
}
