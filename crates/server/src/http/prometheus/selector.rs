//! From the text of a selector to a [`Selection`], and what can go wrong while reading one.

use super::envelope::{ApiError, ErrorClass};
use super::params::invalid;
use lapwing_store::{ReadError, Selection, SeriesSource};
use lapwing_types::{Exemplar, Labels, Matcher};
use std::collections::BTreeMap;

/// What a `match[]` selects.
pub(crate) fn parse(text: &str, start_ms: i64, end_ms: i64) -> Result<Selection, ApiError> {
    Ok(Selection {
        matchers: matchers("match[]", text)?,
        start_ms,
        end_ms,
        series_max: None,
    })
}

/// The matchers of a selector that is given as a parameter.
pub(crate) fn matchers(parameter: &str, text: &str) -> Result<Vec<Matcher>, ApiError> {
    lapwing_query::promql::parse_metric_selector(text).map_err(|e| invalid(parameter, &e.to_string()))
}

/// The matchers of every selector inside an expression.
pub(crate) fn of_expression(text: &str) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let expr = lapwing_query::promql::parse(text).map_err(|e| super::query::parse_failure(&e))?;
    Ok(expr.selectors())
}

pub(crate) fn exemplars(
    source: &impl SeriesSource,
    selectors: Vec<Vec<Matcher>>,
    start_ms: i64,
    end_ms: i64,
) -> Result<BTreeMap<Labels, Vec<Exemplar>>, ApiError> {
    let mut all = BTreeMap::new();
    for matchers in selectors {
        let selection = Selection {
            matchers,
            start_ms,
            end_ms,
            series_max: None,
        };
        all.extend(source.exemplars(&selection).map_err(read_failure)?);
    }
    Ok(all)
}

#[expect(clippy::needless_pass_by_value, reason = "stands as `map_err(read_failure)`")]
pub(crate) fn read_failure(error: ReadError) -> ApiError {
    let class = match error {
        ReadError::TooManySeries { .. } | ReadError::OutOfMemory { .. } => ErrorClass::Execution,
        _ => ErrorClass::Internal,
    };
    ApiError::new(class, error.to_string())
}
