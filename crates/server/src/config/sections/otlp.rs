//! `otlp:` how OpenTelemetry's names and attributes become series; the keys are Prometheus's own.

use crate::config::diagnostic::{Diagnostics, did_you_mean};
use crate::config::reader::{MapReader, text_of};
use crate::config::yaml::Node;
use lapwing_wire::otlp::{NameTranslation, OtlpOptions};

const STRATEGIES: [&str; 4] = [
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
];

pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> OtlpOptions {
    let default = OtlpOptions::default();
    let Some(node) = node else { return default };
    let mut map = MapReader::new(node, "otlp", notes);
    let at = map.node("translation_strategy").map_or(node.at, |n| n.at);
    let names = match map.text("translation_strategy", notes) {
        None => default.names,
        Some(word) => NameTranslation::parse(&word).unwrap_or_else(|| {
            let near = did_you_mean(&word, STRATEGIES)
                .map_or_else(|| STRATEGIES.join(", "), |near| format!("did you mean {near:?}?"));
            notes.error_with_hint(
                at,
                "otlp.translation_strategy",
                format!("unknown strategy {word:?}"),
                near,
            );
            default.names
        }),
    };
    let promoted_attributes: Vec<String> = map
        .list("promote_resource_attributes", notes)
        .into_iter()
        .filter_map(|(n, path)| text_of(n, &path, notes))
        .collect();
    let options = OtlpOptions {
        names,
        promoted_attributes,
        promote_all_attributes: map
            .bool("promote_all_resource_attributes", notes)
            .unwrap_or(default.promote_all_attributes),
        keep_identifying_attributes: map
            .bool("keep_identifying_resource_attributes", notes)
            .unwrap_or(default.keep_identifying_attributes),
        scope_labels: map
            .bool("promote_scope_metadata", notes)
            .unwrap_or(default.scope_labels),
        custom_bucket_histograms: map
            .bool("convert_histograms_to_nhcb", notes)
            .unwrap_or(default.custom_bucket_histograms),
    };
    map.finish(notes);
    options
}
