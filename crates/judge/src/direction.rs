//! Which way is better. A threshold or a comparison without a direction is wrong half of the time: seed 4's own example
//! alerted when the throughput was *good*.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    #[serde(alias = "lower_is_better", alias = "min")]
    Lower,
    #[serde(alias = "higher_is_better", alias = "max")]
    Higher,
    /// Shown, never judged.
    Info,
}

/// What a name says, asked in this order: the first list that has one of its words decides. An entry with `_` is several words in a row.
const SAID_BY: &[(Direction, &[&str])] = &[
    (Direction::Lower, TROUBLE),
    (Direction::Higher, PACE_AND_ROOM),
    (Direction::Lower, UNITS),
    (Direction::Higher, MERIT),
    (Direction::Lower, BURDEN),
];

/// Less is better even beside a word of merit: `free_error_rate`, `quality_loss`.
#[rustfmt::skip]
const TROUBLE: &[&str] = &[
    "error", "errors", "err", "errs", "failure", "failures", "failed", "fail", "fails", "latency", "latencies", "loss", "losses", "drift",
    "miss", "misses", "missed", "mismatch", "mismatches", "perplexity", "ppl", "nll", "cost", "costs", "delay", "delays", "lag", "jitter",
    "wer", "cer", "mae", "mse", "rmse", "mape", "smape", "rmsle", "brier", "ece", "eer", "fpr", "fnr", "fid", "lpips", "kl", "divergence",
    "bpb", "bpc", "bits_per_byte", "false_positive", "false_positives", "false_negative", "false_negatives", "hallucination",
    "hallucinations", "toxicity", "risk", "regret", "overhead", "timeout", "timeouts", "drop", "drops", "dropped", "rejected", "rejections",
    "refused", "retry", "retries", "evicted", "evictions", "preemptions", "stall", "stalls", "stalled", "oom", "crash", "crashes",
    "restarts", "leak", "leaks", "leaked", "violation", "violations", "penalty", "anomaly", "anomalies", "incidents", "unavailable",
    "unhealthy", "degradation", "regression", "regressions", "slowdown", "downtime", "ttft", "tpot", "itl", "e2el", "rtt", "rtf", "wait",
];

/// More is better even beside a unit: `tokens_per_second`, `free_bytes`.
#[rustfmt::skip]
const PACE_AND_ROOM: &[&str] = &[
    "throughput", "goodput", "bandwidth", "uptime", "free", "available", "remaining", "headroom", "saved",
    "per_second", "per_sec", "per_s", "per_minute", "per_min", "per_hour", "per_day", "per_joule", "per_watt", "per_dollar",
    "tok_s", "toks_s", "tokens_s", "req_s", "reqs_s", "requests_s", "samples_s", "images_s", "img_s", "it_s",
    "qps", "rps", "tps", "fps", "sps", "tpm", "iops", "gbps", "mbps", "kbps", "bps", "tflops",
];

/// A number of seconds or bytes, of whatever it is: `score_ms`, `forward_pass_seconds`.
#[rustfmt::skip]
const UNITS: &[&str] = &[
    "time", "duration", "durations", "ns", "us", "ms", "s", "sec", "secs", "second", "seconds", "milliseconds", "microseconds",
    "nanoseconds", "minutes", "hours", "bytes", "kb", "mb", "gb", "kib", "mib", "gib",
];

#[rustfmt::skip]
const MERIT: &[&str] = &[
    "accuracy", "acc", "precision", "recall", "sensitivity", "specificity", "tpr", "tnr", "ppv", "npv", "f1", "fbeta", "auc", "auroc",
    "auprc", "aupr", "roc", "ap", "map", "ndcg", "dcg", "mrr", "iou", "miou", "dice", "jaccard", "kappa", "mcc", "spearman", "spearmanr",
    "pearson", "pearsonr", "kendall", "correlation", "corr", "r2", "explained_variance", "ssim", "psnr", "snr", "sdr", "pesq", "stoi",
    "mos", "top1", "top5", "exact_match", "em", "pass_rate", "pass_k", "pass_1", "pass_5", "pass_10", "pass_100", "passed", "passes_total",
    "match_rate", "win_rate", "winrate", "wins", "elo", "solved", "resolved_rate", "success", "successes", "succeeded", "availability",
    "quality", "score", "scores", "satisfaction", "csat", "nps", "hit", "hits", "mfu", "hfu", "bleu", "sacrebleu", "chrf", "rouge",
    "rougel", "rougelsum", "meteor", "comet", "bertscore", "bleurt", "cider", "reward", "rewards", "returns", "episode_return", "mean_return", "avg_return", "eval_return", "health",
    "healthy", "similarity", "cosine", "faithfulness", "relevance", "relevancy", "groundedness", "helpfulness", "correctness", "correct",
    "coherence", "fluency", "likelihood", "elbo", "agreement", "acceptance", "accepted", "coverage", "speed", "speedup", "efficiency",
    "yield", "revenue", "conversion", "conversions", "ctr", "retention", "engagement", "silhouette", "gain", "lift", "rtfx",
];

/// What is used up, and what piles up.
#[rustfmt::skip]
const BURDEN: &[&str] = &[
    "p50", "p75", "p90", "p95", "p99", "p999", "memory", "mem", "vram", "ram", "rss", "disk", "usage", "used", "power",
    "energy", "joules", "watts", "temperature", "queue", "queued", "backlog", "pending", "waiting",
];

impl Direction {
    /// From the words of a metric's name; `None` where it says nothing, so that whoever asks does not take a guess for knowledge.
    /// Words and not parts of words: `heatmap` is no `map`. `acc@5` and `mAP50` are `acc` and `map`; `neg_` turns it round.
    pub fn of_name(name: &str) -> Option<Direction> {
        // "tok/s" is spoken with a word; tags are no part of the name.
        let bare = name.split('{').next().unwrap_or_default();
        let lower = bare.to_ascii_lowercase().replace('/', "_per_");
        let words: Vec<&str> = lower
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|w| !w.is_empty())
            .collect();
        let negated = matches!(words.first(), Some(&("neg" | "negative")));
        let row = |words: Vec<&str>| format!("_{}_", words.join("_"));
        let stems = words
            .iter()
            .map(|w| w.trim_end_matches(|c: char| c.is_ascii_digit()));
        let rows = [row(words.clone()), row(stems.filter(|w| !w.is_empty()).collect())];
        let has = |entry: &&str| rows.iter().any(|row| row.contains(&format!("_{entry}_")));
        let (said, _) = SAID_BY.iter().find(|(_, list)| list.iter().any(&has))?;
        Some(match (said, negated) {
            (Direction::Lower, true) => Direction::Higher,
            (Direction::Higher, true) => Direction::Lower,
            (said, _) => *said,
        })
    }

    pub fn parse(word: &str) -> Option<Direction> {
        Some(match word {
            "lower" | "lower_is_better" | "min" | "above" => Direction::Lower,
            "higher" | "higher_is_better" | "max" | "below" => Direction::Higher,
            "info" => Direction::Info,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Lower => "lower",
            Direction::Higher => "higher",
            Direction::Info => "info",
        }
    }

    /// How much worse `value` is than `than`: positive is worse, whichever way is better.
    pub fn worsening(self, value: f64, than: f64) -> f64 {
        match self {
            Direction::Lower => value - than,
            Direction::Higher => than - value,
            Direction::Info => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], expect: Option<Direction>) {
        for name in names {
            assert_eq!(Direction::of_name(name), expect, "{name}");
        }
    }

    #[test]
    fn names_of_burdens_and_trouble_are_better_when_lower() {
        let names = [
            "latency",
            "inference_latency",
            "error_rate",
            "gpu_memory_mb",
            "val_loss",
            "eval/loss",
            "quality_loss",
            "p95",
            "p95_ms",
            "ttft",
            "score_time",
            "forward_pass_ms",
            "map_bytes",
            "heatmap_bytes",
            "errors_per_second",
            "cost_per_hour",
            "ms/token",
            "s/it",
            "wer",
            "val_rmse",
            "fid_score",
            "accuracy_drop",
            "neg_log_likelihood",
            "cpu_usage",
            r#"latency{path="/accuracy"}"#,
        ];
        check(&names, Some(Direction::Lower));
        assert!(Direction::Lower.worsening(500.0, 400.0) > 0.0);
    }

    #[test]
    fn names_of_merit_and_pace_are_better_when_higher() {
        let names = [
            "throughput",
            "success_rate",
            "tokens_per_second",
            "acc",
            "val_acc",
            "val/acc",
            "acc@5",
            "tokens_per_s",
            "tok_s",
            "tok/s",
            "tps",
            "fps",
            "req_per_sec",
            "auroc",
            "iou",
            "mAP",
            "mAP50",
            "mAP@0.5",
            "ndcg",
            "ndcg@10",
            "mrr",
            "win_rate",
            "pass_rate",
            "pass@1",
            "exact_match",
            "em",
            "r2",
            "coverage",
            "psnr",
            "specificity",
            "spearman",
            "kappa",
            "bandwidth",
            "bandwidth_gb",
            "speedup",
            "efficiency",
            "memory_efficiency",
            "episode_return",
            "free_bytes",
            "uptime_seconds",
            "f1",
            "rouge1",
            "neg_mean_squared_error",
            "tokens/s/gpu",
        ];
        check(&names, Some(Direction::Higher));
        assert!(Direction::Higher.worsening(400.0, 500.0) > 0.0);
    }

    /// Guessing would let half of all regressions of them pass.
    #[test]
    fn a_name_that_says_nothing_is_not_guessed() {
        check(
            &[
                "",
                "shit",
                "a",
                "heatmap",
                "tokens",
                "forward_pass",
                "temp",
                "x_1",
                "emission",
                "return_code",
                "gpu_utilization",
                "batch_size",
            ],
            None,
        );
    }
}
