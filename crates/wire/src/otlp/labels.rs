//! Labels of a point: its attributes, what the resource says about the target, and, if asked for, the scope.
//!
//! As Prometheus has it: `service.namespace`/`service.name` become `job`, `service.instance.id` becomes `instance`;
//! attributes whose names become equal are joined by `;`; other attributes of the resource are labels only when they are
//! promoted, and live in `target_info` otherwise.

use super::known::{KnownLabels, push_part};
use super::model::{Attribute, PointExemplar, ResourceMetrics, ScopeMetrics};
use super::translate::OtlpOptions;
use lapwing_types::{Exemplar, Labels, LabelsError, METRIC_NAME};
use std::borrow::Cow;
use std::cell::OnceCell;

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";
const TARGET_INFO: &str = "target_info";
/// OpenMetrics' bound on the labels of an exemplar, in characters.
const EXEMPLAR_CHARS_MAX: usize = 128;

type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What all points of one scope of one resource share.
pub(super) struct Context<'a> {
    /// `job` and `instance`: they win over attributes of the same name.
    identity: Pairs<'a>,
    /// Promoted attributes and the scope: attributes of the same name win over them.
    promoted: Pairs<'a>,
    /// Both, as the beginning of a key of [`KnownLabels`].
    key: Vec<u8>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        resource: &'a ResourceMetrics<'_>,
        scope: &'a ScopeMetrics<'_>,
        options: &OtlpOptions,
    ) -> Self {
        let mut promoted = Vec::new();
        for attribute in &resource.attributes {
            let key = attribute.key.as_ref();
            let listed = options.promoted_attributes.iter().any(|p| p == key);
            if listed || options.promote_all_attributes {
                add_joined(
                    &mut promoted,
                    options.names.label_name(key),
                    attribute.value.to_text(),
                );
            }
        }
        if options.scope_labels {
            for (name, value) in [
                ("otel_scope_name", &scope.name),
                ("otel_scope_version", &scope.version),
                ("otel_scope_schema_url", &scope.schema_url),
            ] {
                promoted.push((Cow::Borrowed(name), Cow::Borrowed(value.as_ref())));
            }
            for attribute in &scope.attributes {
                let name = options
                    .names
                    .label_name(&format!("otel_scope_{}", attribute.key))
                    .into_owned();
                promoted.push((Cow::Owned(name), attribute.value.to_text()));
            }
        }
        let identity = identity(resource);
        let mut key = (identity.len() as u32).to_le_bytes().to_vec();
        key.extend((promoted.len() as u32).to_le_bytes());
        for (name, value) in identity.iter().chain(&promoted) {
            push_part(&mut key, name);
            push_part(&mut key, value);
        }
        Context {
            identity,
            promoted,
            key,
        }
    }

    /// The labels of a point, without a name. Nothing is made before it is asked for.
    pub(super) fn point<'p>(
        &'p self,
        attributes: &'p [Attribute<'p>],
        options: &'p OtlpOptions,
    ) -> PointLabels<'p> {
        PointLabels {
            context: self,
            attributes,
            options,
            pairs: OnceCell::new(),
        }
    }

    fn pairs<'p>(&'p self, attributes: &'p [Attribute<'p>], options: &OtlpOptions) -> Pairs<'p> {
        let mut pairs = Vec::with_capacity(attributes.len() + 4);
        for attribute in attributes {
            let name = options.names.label_name(&attribute.key);
            if !name.is_empty() && name != METRIC_NAME {
                add_joined(&mut pairs, name, attribute.value.to_text());
            }
        }
        for (name, value) in &self.promoted {
            if !pairs.iter().any(|(n, _)| n == name) {
                pairs.push((Cow::Borrowed(name.as_ref()), Cow::Borrowed(value.as_ref())));
            }
        }
        for (name, value) in &self.identity {
            pairs.retain(|(n, _)| n != name);
            pairs.push((Cow::Borrowed(name.as_ref()), Cow::Borrowed(value.as_ref())));
        }
        pairs
    }
}

pub(super) struct PointLabels<'p> {
    context: &'p Context<'p>,
    attributes: &'p [Attribute<'p>],
    options: &'p OtlpOptions,
    /// Made once where a point has several series that are not known.
    pairs: OnceCell<Pairs<'p>>,
}

impl PointLabels<'_> {
    /// One series of the point. `bound` is `le` or `quantile`, and wins over an attribute of that name.
    pub(super) fn named(
        &self,
        (name, suffix): (&str, &str),
        bound: Option<(&str, &str)>,
        known: &mut KnownLabels,
    ) -> Result<Labels, LabelsError> {
        let write_key = |key: &mut Vec<u8>| {
            key.extend_from_slice(&self.context.key);
            let (label, value) = bound.unwrap_or_default();
            for part in [name, suffix, label, value] {
                push_part(key, part);
            }
            for attribute in self.attributes {
                push_part(key, &attribute.key);
                push_part(key, &attribute.value.to_text());
            }
        };
        known.find_or_make(write_key, || self.make(&format!("{name}{suffix}"), bound))
    }

    fn make(&self, name: &str, bound: Option<(&str, &str)>) -> Result<Labels, LabelsError> {
        let pairs = self
            .pairs
            .get_or_init(|| self.context.pairs(self.attributes, self.options));
        let own = pairs
            .iter()
            .map(|(n, v)| (n.as_ref(), v.as_ref()))
            .filter(|(n, _)| bound.is_none_or(|(label, _)| *n != label));
        Labels::from_pairs(own.chain([(METRIC_NAME, name)]).chain(bound))
    }
}

/// The attributes of the resource as one series, or `None` when there is nothing to say or nobody to say it of.
pub(super) fn target_info(
    resource: &ResourceMetrics<'_>,
    options: &OtlpOptions,
) -> Option<Result<Labels, LabelsError>> {
    let identity = identity(resource);
    let mut pairs = Vec::new();
    for attribute in &resource.attributes {
        let identifying =
            [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE].contains(&attribute.key.as_ref());
        let name = options.names.label_name(&attribute.key);
        if (!identifying || options.keep_identifying_attributes) && !name.is_empty() && name != METRIC_NAME {
            add_joined(&mut pairs, name, attribute.value.to_text());
        }
    }
    if identity.is_empty() || pairs.is_empty() {
        return None;
    }
    for (name, value) in identity {
        pairs.retain(|(n, _)| *n != name);
        pairs.push((name, value));
    }
    pairs.push((Cow::Borrowed(METRIC_NAME), Cow::Borrowed(TARGET_INFO)));
    Some(Labels::from_pairs(pairs))
}

/// Trace and span first; attributes that were filtered from the point only while there is room.
pub(super) fn exemplar(
    exemplar: &PointExemplar<'_>,
    options: &OtlpOptions,
) -> Option<Result<Exemplar, LabelsError>> {
    let value = exemplar.value?.as_f64();
    let mut pairs: Pairs<'_> = Vec::new();
    for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
        if !id.is_empty() {
            pairs.push((Cow::Borrowed(name), Cow::Owned(hex(id))));
        }
    }
    for attribute in &exemplar.attributes {
        let (name, text) = (
            options.names.label_name(&attribute.key),
            attribute.value.to_text(),
        );
        let chars = |n: &str, v: &str| n.chars().count() + v.chars().count();
        let used: usize = pairs.iter().map(|(n, v)| chars(n, v)).sum();
        if !name.is_empty() && used + chars(&name, &text) <= EXEMPLAR_CHARS_MAX {
            add_joined(&mut pairs, name, text);
        }
    }
    let t_ms = (exemplar.t_ns != 0).then_some((exemplar.t_ns / 1_000_000) as i64);
    Some(Labels::from_pairs(pairs).map(|labels| Exemplar { labels, value, t_ms }))
}

fn identity<'a>(resource: &'a ResourceMetrics<'_>) -> Pairs<'a> {
    let text = |key: &str| {
        let found = resource.attributes.iter().find(|a| a.key == key);
        found.map(|a| a.value.to_text()).filter(|text| !text.is_empty())
    };
    let mut pairs = Vec::with_capacity(2);
    if let Some(name) = text(SERVICE_NAME) {
        let job = match text(SERVICE_NAMESPACE) {
            Some(namespace) => Cow::Owned(format!("{namespace}/{name}")),
            None => name,
        };
        pairs.push((Cow::Borrowed("job"), job));
    }
    if let Some(instance) = text(SERVICE_INSTANCE) {
        pairs.push((Cow::Borrowed("instance"), instance));
    }
    pairs
}

fn add_joined<'a>(pairs: &mut Pairs<'a>, name: Cow<'a, str>, value: Cow<'a, str>) {
    match pairs.iter_mut().find(|(n, _)| *n == name) {
        Some((_, existing)) => *existing = Cow::Owned(format!("{existing};{value}")),
        None => pairs.push((name, value)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
