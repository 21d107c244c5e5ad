//! Queries of the corners of the language, made up at random: computed durations, `@ start()`, subqueries within subqueries, sets of
//! histograms, grouping that brings labels along, `info`, what is experimental, names in UTF-8.

use super::corner_data::{START_MS, STEP_MS, STEPS};
use super::queries::{Random, Timing};

const FLOATS: [&str; 4] = ["ops_total", "level", "{\"http.requests total\"}", "wait_bucket"];
const HISTOGRAMS: [&str; 4] = ["size", "custom", "depth", "mixed"];
const FLOAT_RANGE: [&str; 22] = [
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
    "mad_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "ts_of_last_over_time",
];
const HISTOGRAM_RANGE: [&str; 14] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "resets",
    "changes",
    "avg_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "max_over_time",
];
const OF_HISTOGRAMS: [&str; 5] = [
    "histogram_count",
    "histogram_sum",
    "histogram_avg",
    "histogram_stddev",
    "histogram_stdvar",
];
const AGGREGATES: [&str; 9] = [
    "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "sum",
];
const GROUPINGS: [&str; 8] = [
    "",
    "by (job) ",
    "by (instance, zone) ",
    "without (code) ",
    "without (le, instance) ",
    "by () ",
    "by (\"k8s.pod/näme\") ",
    "by (__name__) ",
];

pub(super) struct Corners {
    random: Random,
}

impl Corners {
    pub(super) fn new(seed: u64) -> Self {
        Corners {
            random: Random::new(seed ^ 0x0dd),
        }
    }

    pub(super) fn next(&mut self) -> (String, Timing) {
        // As info metrics come and go, 3.5 mixes up its series from one step to the next.
        let knows = self.one_in(10);
        let query = match knows {
            true => self.known(),
            false => self.vector(3),
        };
        // A gauge comes near zero, where later versions extrapolate less.
        if query.contains("depth") && (query.contains("rate(") || query.contains("increase(")) {
            return self.next();
        }
        // Quarters of a second, which no float rounds.
        let length = (STEPS * STEP_MS) as u64;
        let at = |r: &mut Random| START_MS - 60_000 + r.below((length + 400_000) / 250) as i64 * 250;
        let on_beat = |r: &mut Random| START_MS + r.below(STEPS as u64) as i64 * STEP_MS;
        let start = match self.random.below(2) {
            0 => at(&mut self.random),
            _ => on_beat(&mut self.random),
        };
        if knows || self.one_in(3) {
            return (query, Timing::Instant(start));
        }
        let step = [7_500, 30_000, 60_000, 83_250, 600_000][self.random.below(5) as usize];
        let end = start + step * self.random.below(15) as i64 + self.random.below(3) as i64 * 1000;
        (query, Timing::Range(start, end, step))
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        self.random.pick(from)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.random.below(n) == 0
    }

    fn matchers(&mut self) -> &'static str {
        self.pick(&[
            "job=\"api\"",
            "instance=~\"a:1|b:2\"",
            "zone!=\"\"",
            "zone=\"\",job!~\"d.*\"",
            "instance=~\"[ab].*\",instance!=\"a:1\"",
            "code=~\"5..|\"",
            "\"k8s.pod/näme\"=~\"2.*\"",
            "job=~\"(?i)API\"",
        ])
    }

    fn metric(&mut self, names: &[&'static str]) -> String {
        let name = self.pick(names);
        if !self.one_in(3) {
            return name.to_owned();
        }
        let matchers = self.matchers();
        match name.strip_suffix('}') {
            Some(open) => format!("{open},{matchers}}}"),
            None => format!("{name}{{{matchers}}}"),
        }
    }

    fn duration(&mut self) -> &'static str {
        self.pick(&[
            "30s",
            "1m",
            "45s",
            "90",
            "2m30s",
            "10m",
            "7m15s",
            "1m1ms",
            "(1m + 30s)",
            "(2 * 1m)",
            "(10m / 4)",
            "(2 ^ 3)",
            "(-(-1m))",
            "(5m % 2m)",
            "(3m - 61)",
        ])
    }

    fn modifiers(&mut self) -> String {
        let seconds = START_MS / 1000 + self.random.below(3600) as i64;
        match self.random.below(14) {
            0 => format!(" offset {}", self.duration()),
            1 => format!(" offset -{}", self.duration()),
            2 => format!(" @ {seconds}.25"),
            3 => " @ start()".to_owned(),
            4 => " @ end()".to_owned(),
            5 => format!(" @ end() offset {}", self.duration()),
            6 => format!(" offset -{} @ start()", self.duration()),
            7 => format!(" @ {seconds} offset {}", self.duration()),
            _ => String::new(),
        }
    }

    fn range(&mut self, names: &[&'static str], depth: u32) -> String {
        let modifiers = self.modifiers();
        if depth > 0 && self.one_in(4) {
            let step = self.pick(&["", "30s", "1m", "17s", "(7 + 8)", "1m30s", "250ms"]);
            // A small step over a long range in several layers takes too long, and a range has a step at least: what is never
            // evaluated has nothing to say here, and there.
            let range = if step == "250ms" {
                "30s"
            } else {
                self.pick(&["2m", "(10m / 4)", "7m15s", "10m"])
            };
            return format!("({})[{range}:{step}]{modifiers}", self.vector(depth - 1));
        }
        format!("{}[{}]{modifiers}", self.metric(names), self.duration())
    }

    fn scalar(&mut self) -> String {
        match self.random.below(10) {
            0 => "time()".to_owned(),
            1 => "scalar(level{job=\"api\",instance=\"a:1\",zone=\"n\"})".to_owned(),
            2 => "-0.5".to_owned(),
            3 => "1m30s".to_owned(),
            4 => "0x1F".to_owned(),
            5 => "(2 ^ -1)".to_owned(),
            6 => "Inf".to_owned(),
            7 => "(1 < bool 2)".to_owned(),
            _ => format!("{}", self.random.below(1000) as f64 / 1000.0),
        }
    }

    fn over_time(&mut self, depth: u32) -> String {
        if self.one_in(2) {
            let function = self.pick(&HISTOGRAM_RANGE);
            return format!("{function}({})", self.range(&HISTOGRAMS, depth));
        }
        let function = self.pick(&FLOAT_RANGE);
        let range = self.range(&FLOATS, depth);
        match self.random.below(8) {
            0 => format!("quantile_over_time({}, {range})", self.scalar()),
            1 => format!("predict_linear({range}, {})", self.scalar()),
            2 => format!("double_exponential_smoothing({range}, 0.3, 0.7)"),
            // Of NaN later versions make NaN.
            _ if function == "mad_over_time" => format!("mad_over_time(ops_total[{}])", self.duration()),
            _ => format!("{function}({range})"),
        }
    }

    fn aggregate(&mut self, depth: u32) -> String {
        let grouping = self.pick(&GROUPINGS);
        let inner = self.vector(depth);
        match self.random.below(12) {
            0 => format!("quantile {grouping}({}, {inner})", self.scalar()),
            1 => format!(
                "count_values {grouping}(\"{}\", {})",
                self.pick(&["value", "job", "an.other"]),
                self.metric(&["level", "size", "custom", "mixed", "ops_total"])
            ),
            // Which ones come first is free where some began later than others.
            2 => format!(
                "count(limitk {grouping}({}, {}))",
                self.random.below(4),
                self.metric(&["level", "size", "mixed"])
            ),
            3 | 4 => format!(
                "limit_ratio {grouping}({}, {inner})",
                self.pick(&["0.3", "-0.3", "0.75", "-1", "1", "-0.01", "scalar(vector(0.5))"])
            ),
            _ => format!("{} {grouping}({inner})", self.pick(&AGGREGATES)),
        }
    }

    fn binary(&mut self, depth: u32) -> String {
        let op = self.pick(&[
            "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "== bool", "!= bool",
            "< bool", "and", "or", "unless",
        ]);
        let is_set = matches!(op, "and" | "or" | "unless");
        let left = self.vector(depth);
        if !is_set && self.one_in(3) {
            let scalar = self.scalar();
            return match self.one_in(2) {
                true => format!("({left}) {op} {scalar}"),
                false => format!("{scalar} {op} ({left})"),
            };
        }
        let right = self.vector(depth);
        let matching = match self.random.below(9) {
            0 => "on (job, instance)",
            1 => "ignoring (code, zone, le)",
            2 => "on ()",
            3 if !is_set => "on (job, instance) group_left ()",
            4 if !is_set => "on (job, instance) group_left (zone, code)",
            5 if !is_set => "ignoring (code, zone) group_right (instance)",
            6 if !is_set => "on (job, instance, code) group_right (\"k8s.pod/näme\")",
            7 => "ignoring (\"k8s.pod/näme\")",
            _ => "",
        };
        format!("({left}) {op} {matching} ({right})")
    }

    /// Brings labels of what is known of a target along. The labels that are asked for are not there before: then 3.5 loses series.
    fn known(&mut self) -> String {
        let inner = match self.one_in(2) {
            true => self.selector(),
            false => format!("max_over_time({})", self.range(&FLOATS, 0)),
        };
        match self.random.below(5) {
            0 => format!("info({inner})"),
            1 => format!("info({inner}, {{version=~\".+\"}})"),
            2 => format!("info({inner}, {{__name__=\"build_info\"}})"),
            3 => format!("info({inner}, {{__name__=~\".+_info\",os=~\"linux|\"}})"),
            _ => format!("info({inner}, {{version=\"1.1\"}})"),
        }
    }

    fn joined(&mut self, depth: u32) -> String {
        let inner = self.vector(depth);
        match self.random.below(3) {
            0 => format!(
                "{} * on (job, instance) group_left (version) target_info",
                self.metric(&FLOATS)
            ),
            1 => format!("target_info * on (job, instance) group_right (version) ({inner})"),
            _ => format!("({inner}) * on (job, instance) group_left (go, os) build_info"),
        }
    }

    fn histogram(&mut self, depth: u32) -> String {
        let inner = match self.random.below(5) {
            0 => self.vector(depth),
            1 => format!("rate({}[5m])", self.metric(&["size", "custom", "wait_bucket"])),
            2 => format!("sum {}({})", self.pick(&GROUPINGS), self.metric(&HISTOGRAMS)),
            _ => format!(
                "{}{}",
                self.metric(&["size", "custom", "depth", "mixed", "wait_bucket"]),
                self.modifiers()
            ),
        };
        match self.random.below(4) {
            0 => format!("histogram_quantile({}, {inner})", self.scalar()),
            1 => {
                // In the first classic bucket 3.5 finds nothing.
                let (lower, upper) = match (inner.contains("wait_bucket"), inner.contains("limit_ratio")) {
                    (true, true) => ("-Inf", "Inf"),
                    (true, false) => ("0.3", self.pick(&["1", "Inf", "0.7"])),
                    (false, _) => (
                        self.pick(&["0", "-Inf", "0.3", "-2"]),
                        self.pick(&["1", "Inf", "0.7", "0"]),
                    ),
                };
                format!("histogram_fraction({lower}, {upper}, {inner})")
            }
            2 => inner,
            _ => format!("{}({inner})", self.pick(&OF_HISTOGRAMS)),
        }
    }

    fn other(&mut self, depth: u32) -> String {
        let inner = self.vector(depth);
        match self.random.below(16) {
            0 => format!("label_replace({inner}, \"k8s.pod/näme\", \"x-$1\", \"instance\", \"(.):.*\")"),
            1 => {
                format!("label_replace({inner}, \"__name__\", \"n_$port\", \"instance\", \".:(?P<port>.)\")")
            }
            2 => format!("label_replace({inner}, \"job\", \"\", \"job\", \".*\")"),
            3 => format!("label_join({inner}, \"all\", \"/\", \"job\", \"nothing\", \"instance\")"),
            4 => format!("absent({inner})"),
            5 => format!(
                "absent({}{})",
                self.metric(&["none", "ops_total"]),
                self.modifiers()
            ),
            6 => format!("clamp({inner}, {}, {})", self.scalar(), self.scalar()),
            7 => format!("clamp_max({inner}, {})", self.scalar()),
            8 => format!("vector(scalar({inner}))"),
            9 => format!("-{inner}"),
            // With `@` 3.5 forgets the offset here.
            10 => format!("timestamp({} offset {})", self.metric(&FLOATS), self.duration()),
            11 => format!("timestamp(({inner}) + 0)"),
            12 => format!("sort_by_label_desc({inner}, \"instance\", \"code\", \"zone\")"),
            13 => format!("round({inner}, {})", self.scalar()),
            14 => format!(
                "{}({inner})",
                self.pick(&["sgn", "abs", "ceil", "sqrt", "ln", "days_in_month", "day_of_year"])
            ),
            // Between equal values the choice is free, but not how many are chosen.
            _ => format!(
                "count(topk {}({}, ops_total))",
                self.pick(&GROUPINGS),
                self.random.below(3)
            ),
        }
    }

    fn selector(&mut self) -> String {
        let metric = match self.random.below(3) {
            0 => self.metric(&HISTOGRAMS),
            _ => self.metric(&FLOATS),
        };
        format!("{metric}{}", self.modifiers())
    }

    fn vector(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.one_in(3) {
                true => self.over_time(0),
                false => self.selector(),
            };
        }
        match self.random.below(11) {
            0 => self.selector(),
            1..=3 => self.over_time(depth),
            4 | 5 => self.aggregate(depth - 1),
            6 | 7 => self.binary(depth - 1),
            8 => self.histogram(depth - 1),
            9 => self.joined(depth - 1),
            _ => self.other(depth - 1),
        }
    }
}
