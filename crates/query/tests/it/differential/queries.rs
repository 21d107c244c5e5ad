//! Queries made up at random, most of them sensible.

use super::data::{LENGTH_MS, START_MS};

/// A small generator of numbers (xorshift), so that a seed means the same everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Timing {
    Instant(i64),
    Range(i64, i64, i64),
}

pub(super) struct Generator {
    random: Random,
}

const FLOATS: [&str; 4] = ["requests_total", "temperature", "wild", "latency_seconds_bucket"];
/// Without sine and its kin and the remainder: of large numbers they show differences in digits that do not count.
const ELEMENTWISE: [&str; 27] = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "deg",
    "rad",
    "round",
    "timestamp",
    "day_of_week",
    "hour",
    "minute",
    "month",
    "year",
];
const OVER_TIME: [&str; 23] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "resets",
    "changes",
    "deriv",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "ts_of_last_over_time",
    "quantile_over_time",
    "predict_linear",
];
const AGGREGATES: [&str; 8] = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"];
const HISTOGRAM_FUNCTIONS: [&str; 5] = [
    "histogram_count",
    "histogram_sum",
    "histogram_avg",
    "histogram_stddev",
    "histogram_stdvar",
];

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Generator {
            random: Random::new(seed),
        }
    }

    pub(super) fn next(&mut self) -> (String, Timing) {
        let query = self.vector(3);
        let at =
            |r: &mut Random| START_MS - 300_000 + r.below((LENGTH_MS + 900_000) as u64 / 1000) as i64 * 1000;
        let timing = if self.random.below(2) == 0 {
            Timing::Instant(at(&mut self.random))
        } else {
            let start = at(&mut self.random);
            let step = [5, 15, 60, 77, 300][self.random.below(5) as usize] * 1000;
            Timing::Range(start, start + step * self.random.below(20) as i64, step)
        };
        (query, timing)
    }

    fn matchers(&mut self) -> String {
        match self.random.below(8) {
            0 => r#"{job="api"}"#,
            1 => r#"{instance=~"a.*|b.*"}"#,
            2 => r#"{job!="api"}"#,
            3 => r#"{instance!~"c:.+",job=~".+"}"#,
            4 => r#"{job="none"}"#,
            _ => "",
        }
        .to_owned()
    }

    fn modifiers(&mut self) -> String {
        match self.random.below(12) {
            0 => " offset 3m".to_owned(),
            1 => " offset -2m".to_owned(),
            2 => format!(" @ {}", START_MS / 1000 + self.random.below(5400) as i64),
            3 => " @ start()".to_owned(),
            4 => " @ end() offset 1m".to_owned(),
            _ => String::new(),
        }
    }

    fn selector(&mut self) -> String {
        let name = if self.random.below(6) == 0 {
            "size_bytes"
        } else {
            self.random.pick(&FLOATS)
        };
        format!("{name}{}{}", self.matchers(), self.modifiers())
    }

    fn range(&mut self) -> String {
        let range = self.random.pick(&["1m", "2m", "5m", "17m", "45s", "10s", "1h"]);
        if self.random.below(5) == 0 {
            let step = self.random.pick(&["", "30s", "1m", "7s"]);
            return format!("({})[{range}:{step}]{}", self.vector(1), self.modifiers());
        }
        let name = if self.random.below(5) == 0 {
            "size_bytes"
        } else {
            self.random.pick(&FLOATS)
        };
        format!("{name}{}[{range}]{}", self.matchers(), self.modifiers())
    }

    fn over_time(&mut self) -> String {
        let function = self.random.pick(&OVER_TIME);
        let range = self.range();
        match function {
            "quantile_over_time" => format!("quantile_over_time({}, {range})", self.scalar()),
            "predict_linear" => format!("predict_linear({range}, {})", self.random.below(600)),
            name => format!("{name}({range})"),
        }
    }

    fn scalar(&mut self) -> String {
        match self.random.below(8) {
            0 => "time()".to_owned(),
            1 => "scalar(temperature{job=\"api\",instance=\"a:1\"})".to_owned(),
            2 => "0".to_owned(),
            3 => "0.5".to_owned(),
            4 => "-3".to_owned(),
            5 => "(1 + 2 ^ 0.5)".to_owned(),
            _ => format!("{}", self.random.below(1000) as f64 / 1000.0),
        }
    }

    fn grouping(&mut self) -> &'static str {
        self.random.pick(&[
            "",
            "by (job) ",
            "by (job, instance) ",
            "without (code) ",
            "by () ",
            "without () ",
        ])
    }

    fn aggregate(&mut self, depth: u32) -> String {
        let grouping = self.grouping();
        let inner = self.vector(depth);
        match self.random.below(14) {
            0 => format!("quantile {grouping}({}, {inner})", self.scalar()),
            // The last digits of computed values differ, and they would be labels here.
            1 => format!(
                "count_values {grouping}(\"value\", requests_total{})",
                self.matchers()
            ),
            // Which series come first is only certain for a selector's.
            2 => format!(
                "limitk {grouping}({}, temperature{})",
                self.random.below(4),
                self.matchers()
            ),
            3 => format!("limit_ratio {grouping}(0.{}, {inner})", 1 + self.random.below(9)),
            _ => format!("{} {grouping}({inner})", self.random.pick(&AGGREGATES)),
        }
    }

    fn binary(&mut self, depth: u32) -> String {
        let op = self.random.pick(&[
            "+", "-", "*", "/", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "== bool", "> bool", "and",
            "or", "unless",
        ]);
        let is_set = matches!(op, "and" | "or" | "unless");
        let left = self.vector(depth);
        if !is_set && self.random.below(3) == 0 {
            let scalar = self.scalar();
            return if self.random.below(2) == 0 {
                format!("({left}) {op} {scalar}")
            } else {
                format!("{scalar} {op} ({left})")
            };
        }
        let right = self.vector(depth);
        let matching = match self.random.below(6) {
            0 => " on (job, instance)",
            1 => " ignoring (code)",
            2 if !is_set => " on (job, instance) group_left ()",
            3 if !is_set => " on (job) group_right (version)",
            4 => " on (job, instance, code)",
            _ => "",
        };
        format!("({left}) {op}{matching} ({right})")
    }

    fn histogram(&mut self) -> String {
        let matchers = self.matchers();
        match self.random.below(7) {
            0 => format!("histogram_quantile({}, size_bytes{matchers})", self.scalar()),
            1 => format!("histogram_quantile(0.9, rate(latency_seconds_bucket{matchers}[5m]))"),
            2 => format!(
                "histogram_quantile(0.5, sum by (job, le) (rate(latency_seconds_bucket{matchers}[2m])))"
            ),
            3 => format!(
                "histogram_fraction(0.{}, 3, rate(size_bytes{matchers}[5m]))",
                self.random.below(10)
            ),
            4 => format!(
                "histogram_fraction(0.2, 0.{}, latency_seconds_bucket{matchers})",
                self.random.below(10)
            ),
            5 => format!("histogram_quantile(0.99, sum(rate(size_bytes{matchers}[5m])))"),
            _ => format!("{}(size_bytes{matchers})", self.random.pick(&HISTOGRAM_FUNCTIONS)),
        }
    }

    fn other(&mut self, depth: u32) -> String {
        let inner = self.vector(depth);
        match self.random.below(12) {
            0 => format!("label_replace({inner}, \"short\", \"$1\", \"instance\", \"(.):.*\")"),
            1 => format!("label_join({inner}, \"both\", \"-\", \"job\", \"instance\")"),
            2 => format!("absent({inner})"),
            3 => format!("clamp({inner}, -10, {})", self.scalar()),
            4 => format!("clamp_min({inner}, {})", self.scalar()),
            5 => format!("vector({})", self.scalar()),
            6 => format!("-{inner}"),
            // Between equal values the choice is free, so there should be none.
            7 => format!(
                "topk {}({}, temperature{})",
                self.grouping(),
                self.random.below(4),
                self.matchers()
            ),
            8 => format!(
                "bottomk {}({}, temperature{})",
                self.grouping(),
                self.random.below(4),
                self.modifiers()
            ),
            9 => format!("round({inner}, 0.{})", 1 + self.random.below(9)),
            10 => format!("sort_by_label({inner}, \"instance\", \"code\")"),
            _ => format!("({inner})"),
        }
    }

    fn vector(&mut self, depth: u32) -> String {
        if depth == 0 {
            return if self.random.below(3) == 0 {
                self.over_time()
            } else {
                self.selector()
            };
        }
        match self.random.below(10) {
            0 | 1 => self.selector(),
            2 | 3 => self.over_time(),
            4 => format!("{}({})", self.random.pick(&ELEMENTWISE), self.vector(depth - 1)),
            5 | 6 => self.aggregate(depth - 1),
            7 => self.binary(depth - 1),
            8 => self.histogram(),
            _ => self.other(depth - 1),
        }
    }
}
