//! `embed`: a service of one's own that speaks Lapwing's names through the SDK.

use super::exposition::{Durations, Family};
use super::story::Moment;

const BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
const LABELS: [(&str, &str); 2] = [("model", "embed"), ("operation", "embed")];

#[derive(Debug)]
pub(super) struct Embed {
    done: f64,
    failed: f64,
    tokens: f64,
    durations: Durations,
}

impl Embed {
    pub(super) fn new() -> Self {
        Embed {
            done: 0.0,
            failed: 0.0,
            tokens: 0.0,
            durations: Durations::new(BOUNDS),
        }
    }

    /// `error_share` is of its requests.
    pub(super) fn step(&mut self, now: &Moment, error_share: f64, dt_s: f64) {
        let count = 62.0 * now.daylight() * (1.0 + 0.15 * now.noise(11, 180_000)) * dt_s;
        let failed = count * error_share * (1.0 + 0.2 * now.noise(12, 60_000));
        self.failed += failed;
        self.done += count - failed;
        self.tokens += count * 310.0;
        let lost = if now.gpu_is_lost() { 1.8 } else { 1.0 };
        self.durations
            .observe(count, 0.031 * lost * (1.0 + 0.1 * now.noise(13, 240_000)), 0.36);
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let by_outcome = |outcome| [LABELS[0], LABELS[1], ("outcome", outcome)];
        vec![
            Family::counter("lapwing_operations_total", "Finished operations by outcome.")
                .with(&by_outcome("success"), self.done.floor())
                .with(&by_outcome("error"), self.failed.floor()),
            Family::counter("embed_input_tokens_total", "Tokens embedded.")
                .with(&LABELS[..1], self.tokens.floor()),
            self.durations.family(
                "lapwing_operation_duration_seconds",
                "Duration of finished operations.",
                &LABELS,
            ),
        ]
    }
}
