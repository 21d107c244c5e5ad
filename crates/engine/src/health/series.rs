//! What a look becomes in the store. The names are blackbox_exporter's where it has one.

use super::spec::CheckSpec;
use lapwing_types::{
    Labels, LabelsBuilder, METRIC_NAME, Phase, ProbeOutcome, Sample, SeriesWrite, WriteBatch, stale_nan,
};

/// The job under which health stands in the store.
pub(super) const JOB: &str = "health";

/// Labels of one series beside those that all of its check's have.
pub(super) type ExtraLabels = Vec<(&'static str, String)>;

/// The label sets of one check, made once: with ten thousand checks, building them anew would cost more than looking.
#[derive(Debug, Default)]
pub(super) struct LabelCache {
    base: Vec<(String, String)>,
    known: Vec<(&'static str, ExtraLabels, Labels)>,
}

impl LabelCache {
    pub(super) fn of_check(spec: &CheckSpec, instance: Option<String>) -> Self {
        let mut base: Vec<(String, String)> =
            spec.labels.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        base.push(("job".to_owned(), JOB.to_owned()));
        base.push(("check".to_owned(), spec.name.clone()));
        base.extend(instance.map(|i| ("instance".to_owned(), i)));
        if let Some(part) = &spec.model {
            base.push(("model".to_owned(), part.model.clone()));
            base.push(("role".to_owned(), part.role.as_str().to_owned()));
            base.push(("endpoint".to_owned(), part.part.clone()));
        }
        LabelCache {
            base,
            known: Vec::new(),
        }
    }

    pub(super) fn of(base: &[(&str, &str)]) -> Self {
        let mut base: Vec<(String, String)> = base
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        base.push(("job".to_owned(), JOB.to_owned()));
        LabelCache {
            base,
            known: Vec::new(),
        }
    }

    /// Whether the other's series are named as ours would be.
    pub(super) fn is_base_of(&self, other: &LabelCache) -> bool {
        self.base == other.base
    }

    pub(super) fn labels(&mut self, name: &'static str, extra: &[(&'static str, String)]) -> Labels {
        let found = self.known.iter().find(|(n, e, _)| *n == name && e == extra);
        if let Some((_, _, labels)) = found {
            return labels.clone();
        }
        let mut builder = LabelsBuilder::new();
        for (n, v) in &self.base {
            builder.set(n, v.as_str());
        }
        for (n, v) in extra {
            builder.set(n, v.as_str());
        }
        builder.set(METRIC_NAME, name);
        let labels = builder.build();
        self.known.push((name, extra.to_vec(), labels.clone()));
        labels
    }
}

pub(super) fn push(
    batch: &mut WriteBatch,
    cache: &mut LabelCache,
    (name, extra): (&'static str, &[(&'static str, String)]),
    (t_ms, value): (i64, f64),
) {
    batch.series.push(SeriesWrite {
        labels: cache.labels(name, extra),
        samples: vec![Sample { t_ms, value }],
        ..SeriesWrite::default()
    });
}

/// All series of something end here.
pub(super) fn push_stale(batch: &mut WriteBatch, cache: &LabelCache, t_ms: i64) {
    let value = stale_nan();
    batch
        .series
        .extend(cache.known.iter().map(|(_, _, labels)| SeriesWrite {
            labels: labels.clone(),
            samples: vec![Sample { t_ms, value }],
            ..SeriesWrite::default()
        }));
}

/// One look at one check.
pub(super) fn push_outcome(
    batch: &mut WriteBatch,
    cache: &mut LabelCache,
    (kind, outcome): (&str, &ProbeOutcome),
    t_ms: i64,
) {
    let success = if outcome.is_success() { 1.0 } else { 0.0 };
    push(batch, cache, ("probe_success", &[]), (t_ms, success));
    push(
        batch,
        cache,
        ("probe_duration_seconds", &[]),
        (t_ms, outcome.duration_s),
    );
    let by_phase = phase_family(kind);
    for (phase, seconds) in &outcome.phases {
        let label = [("phase", phase_word(kind, *phase).to_owned())];
        push(batch, cache, (by_phase, &label), (t_ms, *seconds));
    }
    for series in &outcome.series {
        push(batch, cache, (series.name, &series.labels), (t_ms, series.value));
    }
}

/// The family under which the phases of a kind of probe stand.
pub fn phase_family(kind: &str) -> &'static str {
    match kind {
        "dns" => "probe_dns_duration_seconds",
        "icmp" => "probe_icmp_duration_seconds",
        "grpc" => "probe_grpc_duration_seconds",
        "http" | "openai_chat" | "openai_completion" | "openai_embedding" | "kserve_v2" | "torchserve"
        | "golden" => "probe_http_duration_seconds",
        _ => "probe_phase_duration_seconds",
    }
}

/// blackbox_exporter calls DNS's and ICMP's middle part by other words than HTTP's.
pub fn phase_word(kind: &str, phase: Phase) -> &'static str {
    match (kind, phase) {
        ("dns", Phase::Processing) => "request",
        ("icmp", Phase::Processing) => "rtt",
        _ => phase.as_str(),
    }
}
