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
    base: Labels,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    name: &'static str,
    /// How many it has beside the base and the name.
    extra_count: usize,
    labels: Labels,
    /// Of its last sample; `None` when it has none or was ended.
    written_ms: Option<i64>,
}

impl Known {
    fn is(&self, name: &str, extra: &[(&'static str, String)]) -> bool {
        let has = |(n, v): &(&'static str, String)| self.labels.get(n).unwrap_or("") == v;
        self.name == name && self.extra_count == extra.len() && extra.iter().all(has)
    }
}

impl LabelCache {
    pub(super) fn of_check(spec: &CheckSpec, instance: Option<String>) -> Self {
        let mut base = LabelsBuilder::new();
        for (name, value) in &spec.labels {
            base.set(name, value.as_str());
        }
        base.set("job", JOB).set("check", spec.name.as_str());
        if let Some(instance) = instance {
            base.set("instance", instance);
        }
        if let Some(part) = &spec.model {
            base.set("model", part.model.as_str())
                .set("role", part.role.as_str())
                .set("endpoint", part.part.as_str());
        }
        LabelCache {
            base: base.build(),
            known: Vec::new(),
        }
    }

    pub(super) fn of(base: &[(&str, &str)]) -> Self {
        let mut labels = LabelsBuilder::new();
        for (name, value) in base.iter().chain(&[("job", JOB)]) {
            labels.set(name, *value);
        }
        LabelCache {
            base: labels.build(),
            known: Vec::new(),
        }
    }

    /// Whether the other's series are named as ours would be.
    pub(super) fn is_base_of(&self, other: &LabelCache) -> bool {
        self.base == other.base
    }

    pub(super) fn labels(&mut self, name: &'static str, extra: &[(&'static str, String)]) -> Labels {
        self.known(name, extra).labels.clone()
    }

    fn known(&mut self, name: &'static str, extra: &[(&'static str, String)]) -> &mut Known {
        let found = self.known.iter().position(|k| k.is(name, extra));
        let at = found.unwrap_or_else(|| {
            let mut labels = self.base.to_builder();
            for (n, v) in extra {
                labels.set(n, v.as_str());
            }
            labels.set(METRIC_NAME, name);
            // Each look has the same series: room for twice as many would stay empty.
            self.known.reserve_exact(1);
            self.known.push(Known {
                name,
                extra_count: extra.len(),
                labels: labels.build(),
                written_ms: None,
            });
            self.known.len() - 1
        });
        &mut self.known[at]
    }
}

pub(super) fn push(
    batch: &mut WriteBatch,
    cache: &mut LabelCache,
    (name, extra): (&'static str, &[(&'static str, String)]),
    (t_ms, value): (i64, f64),
) {
    let known = cache.known(name, extra);
    // A look and what follows from it may fall on the same millisecond: the later word is to stand.
    let t_ms = match known.written_ms {
        Some(last_ms) if last_ms == t_ms => t_ms + 1,
        _ => t_ms,
    };
    known.written_ms = Some(t_ms);
    batch.series.push(one_sample(&known.labels, (t_ms, value)));
}

fn one_sample(labels: &Labels, (t_ms, value): (i64, f64)) -> SeriesWrite {
    SeriesWrite {
        labels: labels.clone(),
        samples: vec![Sample { t_ms, value }],
        ..SeriesWrite::default()
    }
}

/// All series of something end here.
pub(super) fn push_stale(batch: &mut WriteBatch, cache: &LabelCache, t_ms: i64) {
    let living = cache.known.iter().filter(|k| k.written_ms.is_some());
    let ends = living.map(|k| one_sample(&k.labels, (t_ms, stale_nan())));
    batch.series.extend(ends);
}

/// What the last look measured and this one did not come to ends, as it would if it were scraped: the length of a body that
/// nobody sent is not what it was.
fn end_unmeasured(batch: &mut WriteBatch, cache: &mut LabelCache, t_ms: i64) {
    for known in &mut cache.known {
        let is_past = known.written_ms.is_some_and(|at| at < t_ms);
        if is_past && known.name.starts_with("probe_") {
            known.written_ms = None;
            batch.series.push(one_sample(&known.labels, (t_ms, stale_nan())));
        }
    }
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
    end_unmeasured(batch, cache, t_ms);
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
        ("icmp", Phase::Connect) => "setup",
        ("icmp", Phase::Processing) => "rtt",
        _ => phase.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::{ProbeSeries, is_stale};

    #[test]
    fn what_a_look_did_not_come_to_ends_once() {
        let mut cache = LabelCache::of(&[("check", "a")]);
        let measured = |names: &[&'static str]| {
            let series = names.iter().map(|name| ProbeSeries {
                name,
                labels: Vec::new(),
                value: 1.0,
            });
            ProbeOutcome {
                series: series.collect(),
                ..ProbeOutcome::pass()
            }
        };
        let mut ended = |names: &[&'static str], t_ms: i64| {
            let mut batch = WriteBatch::default();
            push_outcome(&mut batch, &mut cache, ("http", &measured(names)), t_ms);
            let ends = batch.series.iter().filter(|s| is_stale(s.samples[0].value));
            ends.map(|s| s.labels.get(METRIC_NAME).unwrap_or("").to_owned())
                .collect::<Vec<_>>()
        };
        assert!(ended(&["probe_http_status_code", "probe_ip_protocol"], 1).is_empty());
        assert_eq!(ended(&["probe_ip_protocol"], 2), ["probe_http_status_code"]);
        assert!(ended(&["probe_ip_protocol"], 3).is_empty(), "said once");
        assert!(ended(&["probe_http_status_code"], 4).contains(&"probe_ip_protocol".to_owned()));
    }
}
