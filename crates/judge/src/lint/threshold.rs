//! A number that was meant in another unit: `> 500` on seconds means milliseconds, `> 90` on a ratio means per cent.

use super::units::{Unit, is_share, of, seconds_nobody_means};
use lapwing_query::promql::{BinaryOp, Expr};

/// Above this a ratio that may exceed 1 is not compared with a ratio any more.
const RATIO_MAX: f64 = 5.0;
const PERCENT_MAX: f64 = 100.0;

/// What is odd about comparing this with such a number, and what was probably meant.
pub(super) fn odd(left: &Expr, op: BinaryOp, limit: f64) -> Option<(String, String)> {
    let op = op.as_str();
    if is_share(left) && limit > 1.0 && limit <= PERCENT_MAX {
        return Some((
            format!("is a share of a whole, 0 to 1: {limit} can only be meant in per cent"),
            format!("write {op} {}", limit / 100.0),
        ));
    }
    match of(left)? {
        Unit::Seconds if limit >= seconds_nobody_means(left)? => Some((
            format!("is in seconds: {limit} can only be meant in milliseconds"),
            format!("write {op} {}", limit / 1000.0),
        )),
        Unit::Milliseconds if limit > 0.0 && limit < 1.0 && seconds_nobody_means(left).is_some() => Some((
            format!("is in milliseconds: {limit} can only be meant in seconds"),
            format!("write {op} {}", limit * 1000.0),
        )),
        Unit::Ratio if (RATIO_MAX..=PERCENT_MAX).contains(&limit) => Some((
            format!("is a ratio: {limit} can only be meant in per cent"),
            format!("write {op} {}", limit / 100.0),
        )),
        Unit::Percent if limit > 0.0 && limit < 1.0 && op.starts_with('>') => Some((
            format!("is in per cent: {limit} is less than one of a hundred"),
            format!("write {op} {}", limit * 100.0),
        )),
        _ => None,
    }
}
