//! `rerank`: a Triton server, in Triton's own metric names. Its engine wedges once, and is restarted.

use super::exposition::Family;
use super::story::Moment;

const LABELS: [(&str, &str); 2] = [("model", "rerank"), ("version", "3")];

#[derive(Debug, Default)]
pub(super) struct Rerank {
    succeeded: f64,
    failed: f64,
    inferences: f64,
    executions: f64,
    request_us: f64,
    queue_us: f64,
    compute_us: f64,
    pending: f64,
}

impl Rerank {
    pub(super) fn step(&mut self, before: &Moment, now: &Moment, dt_s: f64) {
        if now.rerank_restarts(before) {
            *self = Rerank::default();
        }
        let count = 21.0 * now.daylight() * (1.0 + 0.2 * now.noise(21, 200_000)) * dt_s;
        if now.rerank_is_wedged() {
            // The queue is bounded; what does not fit is refused at the door.
            self.pending = (self.pending + count).min(256.0);
            if self.pending >= 256.0 {
                self.failed += count;
            }
            return;
        }
        self.pending = (2.0 + 2.0 * now.noise(22, 45_000)).round();
        self.succeeded += count;
        self.failed += count * 0.0006;
        self.inferences += count * 24.0;
        self.executions += count * 3.4;
        let compute = 21_000.0 * (1.0 + 0.1 * now.noise(23, 300_000));
        self.compute_us += count * compute;
        self.queue_us += count * 2_600.0 * (1.0 + 0.5 * now.noise(24, 120_000));
        self.request_us += count * (compute + 4_200.0);
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let counter = |name, help, value: f64| Family::counter(name, help).with(&LABELS, value.floor());
        vec![
            counter(
                "nv_inference_request_success",
                "Number of successful inference requests.",
                self.succeeded,
            ),
            counter(
                "nv_inference_request_failure",
                "Number of failed inference requests.",
                self.failed,
            ),
            counter(
                "nv_inference_count",
                "Number of inferences performed.",
                self.inferences,
            ),
            counter(
                "nv_inference_exec_count",
                "Number of model executions performed.",
                self.executions,
            ),
            counter(
                "nv_inference_request_duration_us",
                "Cumulative inference request duration.",
                self.request_us,
            ),
            counter(
                "nv_inference_queue_duration_us",
                "Cumulative inference queuing duration.",
                self.queue_us,
            ),
            counter(
                "nv_inference_compute_infer_duration_us",
                "Cumulative compute inference duration.",
                self.compute_us,
            ),
            Family::gauge(
                "nv_inference_pending_request_count",
                "Instantaneous number of pending requests awaiting execution.",
            )
            .with(&LABELS, self.pending),
        ]
    }
}
