//! Multi-window burn-rate rules: how many times faster than allowed an error budget is used up.
//!
//! A page means that 2 % of the budget went in one hour, or 5 % in six; a warning that 10 % went in three days. Each has a short
//! window beside the long one, so that it ends soon after the trouble does.

use super::anomaly::RULE_LABEL;
use super::shapes::{BurnShape, Share};
use super::trend::{duration, expression};
use lapwing_types::format_duration_ms;

pub(super) const BURN_RATE: &str = "lapwing_burn_rate";
const WINDOW_LABEL: &str = "window";
const HOUR_MS: i64 = 3_600_000;
/// Long window, short window, share of the budget that may go in the long one.
const FAST: [(i64, i64, f64); 2] = [(HOUR_MS, HOUR_MS / 12, 0.02), (6 * HOUR_MS, HOUR_MS / 2, 0.05)];
const SLOW: (i64, i64, f64) = (72 * HOUR_MS, 6 * HOUR_MS, 0.1);
/// A budget is for at least as long as the longest window looks back.
pub const BURN_PERIOD_MIN_MS: i64 = SLOW.0;

pub(super) struct Compiled {
    /// Window and expression of each recorded series.
    pub(super) records: Vec<(String, String)>,
    pub(super) fast: String,
    pub(super) slow: String,
}

pub(super) fn compile(rule: &str, shape: &BurnShape, matchers: &str) -> Result<Compiled, String> {
    let Some(Share(objective)) = shape.objective else {
        return Err("a burn rate needs its 'objective', such as 99.5%".to_owned());
    };
    if !(objective > 0.0 && objective < 1.0) {
        return Err(format!(
            "'objective: {objective}' leaves no budget or no promise; write a share below 100%, such as 99.5%"
        ));
    }
    let period_ms = duration(shape.period.as_deref(), "period", 30 * 24 * HOUR_MS)?;
    if period_ms < BURN_PERIOD_MIN_MS {
        return Err("'period' must be three days or longer".to_owned());
    }
    let ratio = Ratio::of(shape, matchers)?;
    let mut windows: Vec<i64> = FAST
        .iter()
        .chain([&SLOW])
        .flat_map(|(l, s, _)| [*l, *s])
        .collect();
    windows.sort_unstable();
    windows.dedup();
    let records = windows
        .into_iter()
        .map(|w| {
            let w = format_duration_ms(w);
            let expr = format!("({}) / {}", ratio.over(&w), round(1.0 - objective));
            (w, expr)
        })
        .collect();
    let burns = |(long, short, budget): &(i64, i64, f64)| {
        let factor = round(budget * period_ms as f64 / *long as f64);
        let one = |w: i64| {
            format!(
                "max without ({RULE_LABEL}, {WINDOW_LABEL}) ({BURN_RATE}{{{RULE_LABEL}={rule:?}, {WINDOW_LABEL}={:?}}}) > {factor}",
                format_duration_ms(w)
            )
        };
        format!("({} and {})", one(*long), one(*short))
    };
    Ok(Compiled {
        records,
        fast: FAST.iter().map(burns).collect::<Vec<_>>().join(" or "),
        slow: burns(&SLOW),
    })
}

/// `0.005` rather than `0.0050000000000000044`.
fn round(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// The share of what went wrong in a window.
enum Ratio {
    /// Of things that are counted.
    Counted {
        part: String,
        part_is_good: bool,
        total: String,
        by: String,
    },
    /// Of time, by a gauge that is 1 while all is well.
    Available { gauge: String, by: String },
}

impl Ratio {
    fn of(shape: &BurnShape, matchers: &str) -> Result<Ratio, String> {
        let by = shape.by.join(", ");
        let counted = shape.bad.is_some() || shape.good.is_some() || shape.total.is_some();
        if let Some(gauge) = &shape.available {
            if counted {
                return Err("'available' stands alone: 'bad', 'good' and 'total' are counters".to_owned());
            }
            let gauge = expression(gauge, matchers)?;
            return Ok(Ratio::Available { gauge, by });
        }
        let (part, part_is_good) = match (&shape.bad, &shape.good) {
            (Some(_), Some(_)) => return Err("only one of 'bad' and 'good' can be given".to_owned()),
            (Some(bad), None) => (expression(bad, matchers)?, false),
            (None, Some(good)) => (expression(good, matchers)?, true),
            (None, None) => return Ok(Ratio::own_operations(by, matchers)),
        };
        let Some(total) = &shape.total else {
            return Err("'bad' and 'good' need the 'total' that they are a part of".to_owned());
        };
        Ok(Ratio::Counted {
            part,
            part_is_good,
            total: expression(total, matchers)?,
            by,
        })
    }

    fn own_operations(by: String, matchers: &str) -> Ratio {
        let more = if matchers.is_empty() {
            String::new()
        } else {
            format!(", {matchers}")
        };
        Ratio::Counted {
            part: format!("lapwing_operations_total{{outcome=\"error\"{more}}}"),
            part_is_good: false,
            total: format!("lapwing_operations_total{{outcome!=\"\"{more}}}"),
            by: if by.is_empty() {
                "model, operation".to_owned()
            } else {
                by
            },
        }
    }

    fn over(&self, window: &str) -> String {
        match self {
            Ratio::Available { gauge, by } => format!("1 - avg by ({by}) (avg_over_time({gauge}[{window}]))"),
            Ratio::Counted {
                part,
                part_is_good,
                total,
                by,
            } => {
                let total = format!("sum by ({by}) (rate({total}[{window}]))");
                // A counter that was never touched does not exist yet: no errors is a ratio of 0 and not the absence of one.
                let part = format!("(sum by ({by}) (rate({part}[{window}])) or 0 * {total})");
                if *part_is_good {
                    format!("1 - {part} / {total}")
                } else {
                    format!("{part} / {total}")
                }
            }
        }
    }
}
