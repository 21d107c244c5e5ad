//! Changes of native histograms over a window.

use super::{Context, Window};
use crate::annotation::HistogramWork;
use lapwing_types::{FloatHistogram, ResetHint};
use std::sync::Arc;

/// Last minus first, resets made up for; of one alone no change at all. Nothing when the layouts do not go together; the reason is then noted.
pub(super) fn histogram_rate(
    window: &Window<'_>,
    is_counter: bool,
    context: &mut Context<'_>,
) -> Option<FloatHistogram> {
    let points = window.histograms;
    let mut previous = points[0].1.clone();
    let last = &points[points.len() - 1].1;
    let mut custom = previous.uses_custom_buckets();
    let is_gauge = |h: &FloatHistogram| h.reset_hint == ResetHint::Gauge;
    if is_counter && (is_gauge(&previous) || is_gauge(last)) {
        context.note(|notes, name, span| notes.not_a_counter(name, span));
    }
    // The layout of a first sample before a reset does not matter.
    if is_counter && points.len() > 1 && window.histogram_began_anew(1) {
        let second = &points[1].1;
        previous = Arc::new(FloatHistogram {
            schema: second.schema,
            custom_bounds: second.custom_bounds.clone(),
            ..FloatHistogram::default()
        });
        custom = second.uses_custom_buckets();
    }
    let mixed = |context: &mut Context<'_>| {
        context.note(|notes, name, span| notes.mixed_schemas(name, span));
        None
    };
    if last.uses_custom_buckets() != custom {
        return mixed(context);
    }
    let mut schema = last.schema.min(previous.schema);
    if is_counter {
        for (_, point) in points.iter().take(points.len() - 1).skip(1) {
            if is_gauge(point) {
                context.note(|notes, name, span| notes.not_a_counter(name, span));
            }
            schema = schema.min(point.schema);
            if point.uses_custom_buckets() != custom {
                return mixed(context);
            }
        }
    }
    let mut result = (**last).clone();
    result.reduce_resolution(schema);
    match result.subtract(&previous) {
        Err(_) => return mixed(context),
        Ok(done) if done.custom_bounds => {
            context.note(|notes, _, span| notes.bounds_reconciled(HistogramWork::Subtraction, span));
        }
        Ok(_) => {}
    }
    if is_counter {
        for (index, (_, point)) in points.iter().enumerate().skip(1) {
            // Of a first sample before a reset nothing is left to make up for.
            if window.histogram_began_anew(index) {
                match result.add(&previous) {
                    Err(_) => return mixed(context),
                    Ok(done) if done.custom_bounds => {
                        context.note(|notes, _, span| notes.bounds_reconciled(HistogramWork::Addition, span));
                    }
                    Ok(_) => {}
                }
            }
            previous = point.clone();
        }
    } else if !is_gauge(&points[0].1) || !is_gauge(last) {
        context.note(|notes, name, span| notes.not_a_gauge(name, span));
    }
    result.reset_hint = ResetHint::Gauge;
    result.compact();
    Some(result)
}
