//! `chat`: a vLLM server, in vLLM's own metric names.

use super::exposition::{Durations, Family};
use super::story::Moment;

const E2E_BOUNDS: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0,
];
const FIRST_TOKEN_BOUNDS: &[f64] = &[
    0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
const BETWEEN_BOUNDS: &[f64] = &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

#[derive(Debug)]
pub(super) struct Chat {
    stopped: f64,
    at_length: f64,
    aborted: f64,
    prompt_tokens: f64,
    generated_tokens: f64,
    preemptions: f64,
    cache_queries: f64,
    cache_hits: f64,
    running: f64,
    waiting: f64,
    cache: f64,
    e2e: Durations,
    first_token: Durations,
    between: Durations,
    queued: Durations,
}

const LABELS: [(&str, &str); 2] = [("engine", "0"), ("model_name", "chat")];

impl Chat {
    pub(super) fn new() -> Self {
        Chat {
            stopped: 0.0,
            at_length: 0.0,
            aborted: 0.0,
            prompt_tokens: 0.0,
            generated_tokens: 0.0,
            preemptions: 0.0,
            cache_queries: 0.0,
            cache_hits: 0.0,
            running: 0.0,
            waiting: 0.0,
            cache: 0.0,
            e2e: Durations::new(E2E_BOUNDS),
            first_token: Durations::new(FIRST_TOKEN_BOUNDS),
            between: Durations::new(BETWEEN_BOUNDS),
            queued: Durations::new(E2E_BOUNDS),
        }
    }

    pub(super) fn step(&mut self, now: &Moment, dt_s: f64) {
        let slow = now.chat_slowdown();
        let rate = 14.0 * now.daylight() * (1.0 + 0.18 * now.noise(1, 240_000)) / slow.sqrt();
        let count = rate * dt_s;
        let aborted = count * if slow > 2.0 { 0.06 } else { 0.004 };
        self.aborted += aborted;
        self.at_length += count * 0.07;
        self.stopped += count * 0.93 - aborted;
        self.prompt_tokens += count * 820.0 * (1.0 + 0.1 * now.noise(2, 600_000));
        self.generated_tokens += count * 240.0 / slow.powf(0.3);
        self.preemptions += if slow > 2.0 { dt_s * 0.8 } else { 0.0 };
        self.cache_queries += count * 820.0;
        self.cache_hits += count * 820.0 * (0.46 + 0.08 * now.noise(3, 1_800_000));
        let median = 1.7 * slow * (1.0 + 0.12 * now.noise(4, 300_000)) * (0.8 + 0.35 * now.daylight());
        self.e2e.observe(count, median, 0.34);
        self.first_token.observe(
            count,
            0.11 * slow.powf(1.4) * (1.0 + 0.1 * now.noise(5, 300_000)),
            0.4,
        );
        self.between.observe(count * 239.0, 0.024 * slow.powf(0.5), 0.25);
        self.queued.observe(count, 0.35 * slow.powi(2) / 3.0, 0.5);
        self.running = (rate * median * 0.9).round();
        self.waiting = if slow > 1.5 {
            ((slow - 1.0) * 9.0 * (1.0 + 0.3 * now.noise(6, 60_000))).round()
        } else {
            0.0
        };
        let base = 0.42 + 0.3 * now.daylight() + 0.05 * now.noise(7, 420_000);
        self.cache = if now.cache_is_tight() {
            0.945 + 0.012 * now.noise(8, 60_000)
        } else if slow > 2.0 {
            0.89
        } else {
            base.min(0.86)
        };
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let by_reason = |reason| [LABELS[0], LABELS[1], ("finished_reason", reason)];
        vec![
            Family::counter(
                "vllm:request_success_total",
                "Count of successfully processed requests.",
            )
            .with(&by_reason("stop"), self.stopped.floor())
            .with(&by_reason("length"), self.at_length.floor())
            .with(&by_reason("abort"), self.aborted.floor()),
            Family::counter("vllm:prompt_tokens_total", "Number of prefill tokens processed.")
                .with(&LABELS, self.prompt_tokens.floor()),
            Family::counter(
                "vllm:generation_tokens_total",
                "Number of generation tokens processed.",
            )
            .with(&LABELS, self.generated_tokens.floor()),
            Family::counter("vllm:num_preemptions_total", "Cumulative number of preemptions.")
                .with(&LABELS, self.preemptions.floor()),
            Family::counter(
                "vllm:prefix_cache_queries_total",
                "Prefix cache queries, in tokens.",
            )
            .with(&LABELS, self.cache_queries.floor()),
            Family::counter("vllm:prefix_cache_hits_total", "Prefix cache hits, in tokens.")
                .with(&LABELS, self.cache_hits.floor()),
            Family::gauge(
                "vllm:num_requests_running",
                "Number of requests in model execution batches.",
            )
            .with(&LABELS, self.running),
            Family::gauge(
                "vllm:num_requests_waiting",
                "Number of requests waiting to be processed.",
            )
            .with(&LABELS, self.waiting),
            Family::gauge(
                "vllm:kv_cache_usage_perc",
                "KV-cache usage. 1 means 100 percent usage.",
            )
            .with(&LABELS, self.cache),
            self.e2e.family(
                "vllm:e2e_request_latency_seconds",
                "Histogram of end to end request latency in seconds.",
                &LABELS,
            ),
            self.first_token.family(
                "vllm:time_to_first_token_seconds",
                "Histogram of time to first token in seconds.",
                &LABELS,
            ),
            self.between.family(
                "vllm:inter_token_latency_seconds",
                "Histogram of inter-token latency in seconds.",
                &LABELS,
            ),
            self.queued.family(
                "vllm:request_queue_time_seconds",
                "Histogram of time spent in WAITING phase for request.",
                &LABELS,
            ),
        ]
    }
}
