//! Through an expression, noting what is wrong with it.

use super::facts::Facts;
use super::known::{self, Known, PART_AND_REST};
use super::near::closest;
use super::{range, threshold, units};
use crate::rules::WELL_KNOWN;
use lapwing_query::promql::{AggregateOp, Binary, BinaryOp, Expr, ExprKind, VectorSelector};
use lapwing_types::{METRIC_NAME, MatchOp};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LintReason {
    UnknownMetric,
    RenamedMetric,
    RemovedMetric,
    OffByDefault,
    NeverFires,
    AlwaysFires,
    RateOfGauge,
    CounterWithoutRate,
    QuantileWithoutRate,
    IncreaseOfCode,
    StickyCode,
    PartOfRest,
    AbsentOfMany,
    /// Two sides in different units.
    UnitMismatch,
    /// A number that was meant in another unit.
    UnitOfThreshold,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub reason: LintReason,
    pub message: String,
    pub hint: Option<String>,
}

/// Everything that is wrong with an expression, worst guesses left out: a rule without findings may still be a poor one.
/// `recorded` are names that rules write.
pub fn lint(expr: &Expr, facts: &Facts, recorded: &BTreeSet<String>) -> Vec<Finding> {
    let mut walk = Walk {
        facts,
        recorded,
        found: Vec::new(),
        seen: BTreeSet::new(),
    };
    walk.expr(expr, Use::Free);
    walk.found
}

/// What the value of a selector is used for.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Free,
    /// Its size does not matter: it is counted, or asked whether it is there.
    Presence,
    /// Compared or computed with.
    Value,
    /// Inside `histogram_quantile`.
    Buckets,
}

struct Walk<'a> {
    facts: &'a Facts,
    recorded: &'a BTreeSet<String>,
    found: Vec<Finding>,
    seen: BTreeSet<(LintReason, String)>,
}

impl Walk<'_> {
    fn note(&mut self, reason: LintReason, message: String, hint: Option<String>) {
        if self.seen.insert((reason, message.clone())) {
            self.found.push(Finding {
                reason,
                message,
                hint,
            });
        }
    }

    fn expr(&mut self, expr: &Expr, used: Use) {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Str(_) => {}
            ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => self.expr(inner, used),
            ExprKind::Vector(selector) => {
                self.selector(selector);
                self.instant(selector, used);
            }
            ExprKind::Matrix(matrix) => self.selector(&matrix.vector),
            ExprKind::Subquery(subquery) => self.expr(&subquery.expr, Use::Free),
            ExprKind::Aggregate(a) => {
                let used = match a.op {
                    AggregateOp::Count | AggregateOp::Group | AggregateOp::CountValues => Use::Presence,
                    _ => used,
                };
                self.expr(&a.expr, used);
            }
            ExprKind::Call(call) => {
                let name = call.function.signature().name;
                self.call(name, &call.args);
                let used = match name {
                    "histogram_quantile" | "histogram_fraction" => Use::Buckets,
                    "absent" | "timestamp" => Use::Presence,
                    _ => used,
                };
                for argument in &call.args {
                    self.expr(argument, used);
                }
            }
            ExprKind::Binary(binary) => self.binary(binary),
        }
    }

    fn binary(&mut self, binary: &Binary) {
        if binary.op.is_comparison() {
            self.comparison(binary);
        }
        if binary.op == BinaryOp::Div {
            self.division(binary);
        }
        if binary.op.is_comparison() || matches!(binary.op, BinaryOp::Add | BinaryOp::Sub) {
            self.units(binary);
        }
        let is_difference = binary.op == BinaryOp::Sub && metric(&binary.left) == metric(&binary.right);
        let used = match () {
            // A counter less what it was is an increase, written by hand.
            () if is_difference => Use::Presence,
            () if binary.op.is_set() => Use::Free,
            () => Use::Value,
        };
        self.expr(&binary.left, used);
        let used = if matches!(binary.op, BinaryOp::And | BinaryOp::Unless) {
            Use::Presence
        } else {
            used
        };
        self.expr(&binary.right, used);
    }

    fn selector(&mut self, selector: &VectorSelector) {
        let exact = |m: &&lapwing_types::Matcher| m.name == METRIC_NAME && m.op == MatchOp::Equal;
        let Some(name) = selector.matchers.iter().find(exact).map(|m| m.value.clone()) else {
            return;
        };
        match known::find(&name) {
            Some(Known::Renamed { to, since }) if !self.facts.has(&name) => {
                let message = format!("{name} was renamed in {since}: nothing writes it since");
                self.note(LintReason::RenamedMetric, message, Some(format!("write {to}")));
                return;
            }
            Some(Known::Removed) if !self.facts.has(&name) => {
                let message = format!("{name} was removed: nothing writes it any more");
                self.note(LintReason::RemovedMetric, message, None);
                return;
            }
            Some(Known::OffByDefault { instead }) if !self.facts.has(&name) => {
                let message = format!("{name} is not among what its exporter writes by default");
                self.note(
                    LintReason::OffByDefault,
                    message,
                    Some(format!("write {instead}")),
                );
                return;
            }
            _ => {}
        }
        let is_ours = WELL_KNOWN.iter().any(|w| w.name == name) || name.starts_with("ALERTS");
        if self.facts.is_empty() || is_ours || self.recorded.contains(&name) || self.facts.has(&name) {
            return;
        }
        let near = closest(&name, self.facts.names());
        let message = format!("no series is called {name}");
        self.note(
            LintReason::UnknownMetric,
            message,
            near.map(|n| format!("did you mean {n}?")),
        );
    }

    /// A selector whose newest value is used as it is.
    fn instant(&mut self, selector: &VectorSelector, used: Use) {
        let Some(name) = &selector.name else { return };
        if self.facts.is_counter(name) != Some(true) {
            return;
        }
        match used {
            Use::Buckets => {
                let message =
                    format!("a quantile over {name} is one over its whole life, not over the last minutes");
                let hint = Some(format!("write rate({name}[5m]) inside"));
                self.note(LintReason::QuantileWithoutRate, message, hint);
            }
            Use::Value => {
                let message =
                    format!("{name} is a counter: its value only says how long it has been counting");
                let hint = Some(format!("write rate({name}[5m]) or increase({name}[5m])"));
                self.note(LintReason::CounterWithoutRate, message, hint);
            }
            Use::Free | Use::Presence => {}
        }
    }

    fn call(&mut self, function: &str, arguments: &[Expr]) {
        let Some(first) = arguments.first() else { return };
        let Some((name, selector)) = matrix_or_vector(first) else {
            return;
        };
        match function {
            "rate" | "increase" | "irate" if known::find(name) == Some(Known::LastCode) => {
                let message = format!(
                    "{name} is a gauge that holds the last code: {function}() sees only a change to a greater one"
                );
                let hint = Some(format!("write changes({name}[5m]) > 0, or count its events"));
                self.note(LintReason::IncreaseOfCode, message, hint);
            }
            "rate" | "increase" | "irate" if self.facts.is_counter(name) == Some(false) => {
                let message =
                    format!("{function}() of {name}, which is a gauge: each fall counts as a reset");
                let hint = Some(format!("write deriv({name}[5m]) or delta({name}[5m])"));
                self.note(LintReason::RateOfGauge, message, hint);
            }
            "deriv" | "predict_linear" | "delta" if self.facts.is_counter(name) == Some(true) => {
                let message =
                    format!("{function}() of {name}, which is a counter: a restart looks like a fall");
                self.note(
                    LintReason::CounterWithoutRate,
                    message,
                    Some(format!("write rate({name}[5m])")),
                );
            }
            "absent" | "absent_over_time" if known::is_one_of_many(name) && has_only_name(selector) => {
                let message = format!(
                    "absent({name}) is true only when all of them are gone: one lost GPU is not seen"
                );
                let hint = Some(format!("write count by (instance) ({name}) < 8, or name the GPU"));
                self.note(LintReason::AbsentOfMany, message, hint);
            }
            _ => {}
        }
    }

    fn comparison(&mut self, binary: &Binary) {
        let ExprKind::Number { value: limit, .. } = unwrapped(&binary.right).kind else {
            return;
        };
        if let Some(name) = metric(&binary.left)
            && known::find(name) == Some(Known::LastCode)
            && matches!(binary.op, BinaryOp::Greater | BinaryOp::NotEqual)
        {
            let message =
                format!("{name} keeps the last code until its exporter starts again: this fires for ever");
            let hint = Some(format!("add: and changes({name}[10m]) > 0"));
            self.note(LintReason::StickyCode, message, hint);
        }
        let Some((lo, hi)) = range::of(&binary.left, self.facts) else {
            if let Some((message, hint)) = threshold::odd(&binary.left, binary.op, limit) {
                let message = format!("{} {message}", shown(&binary.left));
                self.note(LintReason::UnitOfThreshold, message, Some(hint));
            }
            return;
        };
        let (never, always) = match binary.op {
            BinaryOp::Greater => (hi <= limit, lo > limit),
            BinaryOp::GreaterEqual => (hi < limit, lo >= limit),
            BinaryOp::Less => (lo >= limit, hi < limit),
            BinaryOp::LessEqual => (lo > limit, hi <= limit),
            BinaryOp::Equal => (hi < limit || lo > limit, false),
            _ => (false, false),
        };
        let what = format!("{} lies between {lo} and {hi}", shown(&binary.left));
        if never {
            let hint = (hi == 1.0 && limit > 1.0 && limit <= 100.0)
                .then(|| format!("it is a ratio: write {} {}", binary.op.as_str(), limit / 100.0));
            let message = format!("{what}: {} {limit} can never be", binary.op.as_str());
            self.note(LintReason::NeverFires, message, hint);
        } else if always && lo < hi {
            let message = format!("{what}: {} {limit} is always true", binary.op.as_str());
            self.note(LintReason::AlwaysFires, message, None);
        }
    }

    fn units(&mut self, binary: &Binary) {
        let (Some(left), Some(right)) = (units::of(&binary.left), units::of(&binary.right)) else {
            return;
        };
        if units::clash(left, right) {
            let message = format!(
                "{} is in {left} and {} in {right}: {} compares nothing",
                shown(&binary.left),
                shown(&binary.right),
                binary.op.as_str()
            );
            let message = if binary.op.is_comparison() {
                message
            } else {
                message.replace("compares nothing", "means nothing")
            };
            self.note(LintReason::UnitMismatch, message, None);
        }
    }

    fn division(&mut self, binary: &Binary) {
        let (Some(part), Some(rest)) = (metric(&binary.left), metric(&binary.right)) else {
            return;
        };
        if PART_AND_REST.contains(&(part, rest)) {
            let message =
                format!("{part} / {rest} is a part divided by the rest: half full is 1, and 0.95 is 49 %");
            let hint = Some(format!("write {part} / ({part} + {rest})"));
            self.note(LintReason::PartOfRest, message, hint);
        }
    }
}

/// Long expressions of well-known names are called by the name.
fn shown(expr: &Expr) -> String {
    if let ExprKind::Binary(b) = &unwrapped(expr).kind
        && b.op == BinaryOp::Or
        && let Some(name) = metric(&b.left)
    {
        return name.to_owned();
    }
    expr.to_string()
}

fn unwrapped(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Paren(inner) => unwrapped(inner),
        _ => expr,
    }
}

fn metric(expr: &Expr) -> Option<&str> {
    match &unwrapped(expr).kind {
        ExprKind::Vector(selector) => selector.name.as_deref(),
        _ => None,
    }
}

fn matrix_or_vector(expr: &Expr) -> Option<(&str, &VectorSelector)> {
    let selector = match &unwrapped(expr).kind {
        ExprKind::Vector(selector) => selector,
        ExprKind::Matrix(matrix) => &matrix.vector,
        _ => return None,
    };
    Some((selector.name.as_deref()?, selector))
}

fn has_only_name(selector: &VectorSelector) -> bool {
    selector.matchers.iter().all(|m| m.name == METRIC_NAME)
}
