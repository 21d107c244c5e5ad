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

/// Words of which more is better. They win over [`LOWER`]: `success_rate`, `tokens_per_second`.
const HIGHER: &[&str] = &[
    "throughput",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "success",
    "availability",
    "quality",
    "score",
    "satisfaction",
    "goodput",
    "hit",
    "uptime",
    "mfu",
    "per_second",
    "qps",
    "rps",
    "bleu",
    "rouge",
    "reward",
    "free",
    "available",
    "health",
    "similarity",
];

/// Words of which less is better, even beside a word of [`HIGHER`]: `free_error_rate`, `quality_loss`.
const LOWER_FIRST: &[&str] = &[
    "error",
    "errors",
    "failure",
    "failures",
    "failed",
    "latency",
    "loss",
    "drift",
    "miss",
    "misses",
    "perplexity",
];

impl Direction {
    /// From the words of a metric's name; what is unknown (latencies, usages, counts of trouble) is better when lower.
    pub fn of_name(name: &str) -> Direction {
        let lower = name.to_ascii_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let has = |list: &[&str]| {
            list.iter()
                .any(|w| words.contains(w) || (w.contains('_') && lower.contains(w)))
        };
        if has(LOWER_FIRST) {
            Direction::Lower
        } else if has(HIGHER) {
            Direction::Higher
        } else {
            Direction::Lower
        }
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
    fn check(name: &str, expect: Direction) {
        assert_eq!(Direction::of_name(name), expect, "{name}");
    }

    #[test]
    fn names_say_which_way_is_better() {
        check("latency", Direction::Lower);
        check("throughput", Direction::Higher);
        check("inference_latency", Direction::Lower);
        check("success_rate", Direction::Higher);
        check("error_rate", Direction::Lower);
        check("tokens_per_second", Direction::Higher);
        check("gpu_memory_mb", Direction::Lower);
        check("val_loss", Direction::Lower);
        check("shit", Direction::Lower);
        assert!(Direction::Higher.worsening(400.0, 500.0) > 0.0);
    }
}
