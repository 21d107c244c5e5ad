//! OTLP in both forms, translated under all options; the delta state survives being saved.
#![no_main]

use lapwing_wire::otlp::{
    DeltaState, MetricsRequest, NameTranslation, OtlpOptions, decode_json, decode_proto, translate,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for request in [decode_proto(bytes), decode_json(bytes)].into_iter().flatten() {
        check(&request);
    }
    let _ = DeltaState::from_bytes(bytes, 10);
});

fn check(request: &MetricsRequest<'_>) {
    let plain = OtlpOptions::default();
    let other = OtlpOptions {
        names: NameTranslation::NoUtf8EscapingWithSuffixes,
        promote_all_attributes: true,
        keep_identifying_attributes: true,
        scope_labels: true,
        custom_bucket_histograms: true,
        ..OtlpOptions::default()
    };
    for options in [plain, other] {
        let mut state = DeltaState::new(10);
        // Attributes of points are decoded here.
        let Ok(translated) = translate(request, &options, &state) else {
            continue;
        };
        state.apply(translated.delta_changes);
        let saved = DeltaState::from_bytes(&state.to_bytes(), 10).expect("our own bytes");
        assert_eq!(saved.series_count(), state.series_count());
        translate(request, &options, &saved).expect("it was translated before");
    }
}
