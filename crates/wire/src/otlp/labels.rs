//! Labels of a point: its attributes, what the resource says about the target, and, if asked for, the scope.
//!
//! As Prometheus has it: `service.namespace`/`service.name` become `job`, `service.instance.id` becomes `instance`;
//! attributes whose names become equal are joined by `;`; other attributes of the resource are labels only when they are
//! promoted, and live in `target_info` otherwise.

use super::error::RejectReason;
use super::model::{Attribute, Attributes, PointExemplar, ResourceMetrics, ScopeMetrics};
use super::names::NameTranslation;
use super::rejections::Stop;
use super::sink::KEY_TAG;
use super::translate::{OtlpOptions, bounded};
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
        Context {
            identity: identity(resource),
            promoted,
        }
    }

    /// The beginning of the keys of all its series.
    pub(super) fn write_key(&self, names: NameTranslation, key: &mut Vec<u8>) {
        key.extend([KEY_TAG, names as u8, self.identity.len() as u8]);
        key.extend((self.promoted.len() as u32).to_le_bytes());
        for (name, value) in self.identity.iter().chain(&self.promoted) {
            push_part(key, name);
            push_part(key, value);
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

/// The labels of a point. Nothing is made before it is asked for.
pub(super) struct PointLabels<'p> {
    context: &'p Context<'p>,
    attributes: &'p Attributes<'p>,
    options: &'p OtlpOptions,
    /// Made once where a point has several series that are not known.
    pairs: OnceCell<Vec<(String, String)>>,
}

impl<'p> PointLabels<'p> {
    pub(super) fn new(
        context: &'p Context<'p>,
        attributes: &'p Attributes<'p>,
        options: &'p OtlpOptions,
    ) -> Self {
        PointLabels {
            context,
            attributes,
            options,
            pairs: OnceCell::new(),
        }
    }

    /// The end of a key: what tells this series from the others of its metric.
    pub(super) fn write_key(&self, suffix: &str, bound: Option<(&str, &str)>, key: &mut Vec<u8>) {
        let (label, value) = bound.unwrap_or_default();
        for part in [suffix, label, value] {
            push_part(key, part);
        }
        match self.attributes {
            Attributes::Encoded { fields, .. } => {
                key.push(b'e');
                key.extend_from_slice(fields);
            }
            Attributes::Decoded(list) => {
                key.push(b'd');
                for attribute in list {
                    push_part(key, &attribute.key);
                    push_part(key, &attribute.value.to_text());
                }
            }
        }
    }

    /// One series of the point. `bound` is `le` or `quantile`, and wins over an attribute of that name.
    pub(super) fn make(&self, name: &str, bound: Option<(&str, &str)>) -> Result<Labels, Stop> {
        if name.is_empty() {
            return Err(RejectReason::NoName.into());
        }
        let pairs = match self.pairs.get() {
            Some(pairs) => pairs,
            None => {
                let attributes = self.attributes.decode()?;
                bounded("the point", attributes.len())?;
                let pairs = self.context.pairs(&attributes, self.options);
                let owned = |(n, v): (Cow<'_, str>, Cow<'_, str>)| (n.into_owned(), v.into_owned());
                self.pairs.get_or_init(|| pairs.into_iter().map(owned).collect())
            }
        };
        let own = pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .filter(|(n, _)| bound.is_none_or(|(label, _)| *n != label));
        Ok(Labels::from_pairs(own.chain([(METRIC_NAME, name)]).chain(bound))?)
    }
}

/// One part of a key; with its length, so that no two lists of parts look alike.
pub(super) fn push_part(key: &mut Vec<u8>, part: &str) {
    key.extend_from_slice(&(part.len() as u32).to_le_bytes());
    key.extend_from_slice(part.as_bytes());
}

/// The key of [`target_info`]. The third byte tells it from those of points.
pub(super) fn target_info_key(resource: &ResourceMetrics<'_>, options: &OtlpOptions, key: &mut Vec<u8>) {
    let keeps = u8::from(options.keep_identifying_attributes);
    key.extend([KEY_TAG, options.names as u8, b't', keeps]);
    for attribute in &resource.attributes {
        push_part(key, &attribute.key);
        push_part(key, &attribute.value.to_text());
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
