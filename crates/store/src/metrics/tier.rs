//! Downsampling: what is left of a series when single samples no longer matter.
//!
//! Each bucket of five minutes or an hour keeps least, greatest, sum, count and last value, and by how much the series
//! grew if it is a counter. Buckets are left-open, `(start, start + length]`, like the ranges of PromQL, and stand at
//! their end. The increase of a bucket begins at the last sample of the bucket before, so that the increases of
//! neighbouring buckets add up without a gap; a fall of the value is a reset and counts the whole new value.
//!
//! Staleness markers end nothing here and are left out; other NaNs are counted, and make the sum NaN.

use lapwing_types::is_stale;

/// One bucket of a downsampled tier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierPoint {
    /// The inclusive end of the bucket.
    pub t_ms: i64,
    pub min: f64,
    pub max: f64,
    pub sum: f64,
    pub count: u64,
    pub last: f64,
    pub increase: f64,
}

/// What downsampling remembers between two stretches of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TierState {
    /// The last value before the stretch, if any.
    pub last: Option<f64>,
}

/// Appends the buckets of an ascending stretch of samples. A stretch must end where a bucket does.
pub fn downsample(
    (times_ms, values): (&[i64], &[f64]),
    resolution_ms: i64,
    state: &mut TierState,
    out: &mut Vec<TierPoint>,
) {
    let first = out.len();
    for (t_ms, value) in times_ms.iter().zip(values) {
        if is_stale(*value) {
            continue;
        }
        let end_ms = bucket_end_ms(*t_ms, resolution_ms);
        let grown = match state.last {
            Some(before) if *value < before => *value,
            Some(before) => *value - before,
            None => 0.0,
        };
        state.last = Some(*value);
        match out[first..].last_mut() {
            Some(point) if point.t_ms == end_ms => {
                // `min` and `max` of floats prefer the number over a NaN, as the functions of PromQL do.
                point.min = point.min.min(*value);
                point.max = point.max.max(*value);
                point.sum += value;
                point.count += 1;
                point.last = *value;
                point.increase += grown;
            }
            _ => out.push(TierPoint {
                t_ms: end_ms,
                min: *value,
                max: *value,
                sum: *value,
                count: 1,
                last: *value,
                increase: grown,
            }),
        }
    }
}

/// The end of the bucket that a time falls into.
pub fn bucket_end_ms(t_ms: i64, resolution_ms: i64) -> i64 {
    let resolution_ms = resolution_ms.max(1);
    let past = t_ms.rem_euclid(resolution_ms);
    if past == 0 {
        t_ms
    } else {
        t_ms.saturating_add(resolution_ms - past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reset_counts_the_new_value_and_markers_nothing() {
        let times = [1, 5, 10, 11, 15, 20, 21];
        let values = [1.0, 4.0, 6.0, 2.0, lapwing_types::stale_nan(), 5.0, 5.5];
        let mut out = Vec::new();
        downsample((&times, &values), 10, &mut TierState::default(), &mut out);
        let brief: Vec<(i64, f64, f64, f64, u64, f64, f64)> = out
            .iter()
            .map(|p| (p.t_ms, p.min, p.max, p.sum, p.count, p.last, p.increase))
            .collect();
        assert_eq!(
            brief,
            [
                (10, 1.0, 6.0, 11.0, 3, 6.0, 5.0),
                (20, 2.0, 5.0, 7.0, 2, 5.0, 5.0),
                (30, 5.5, 5.5, 5.5, 1, 5.5, 0.5),
            ]
        );
    }

    proptest! {
        #[test]
        fn stretches_are_like_the_whole(values in proptest::collection::vec(0u8..20, 1..80), cut in 0usize..80) {
            let times: Vec<i64> = (0..values.len() as i64).map(|i| i * 7 + 1).collect();
            let values: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            // Cut at the end of a bucket.
            let cut = times.partition_point(|t| *t <= bucket_end_ms(times[cut.min(times.len() - 1)], 50));
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            downsample((&times, &values), 50, &mut TierState::default(), &mut whole);
            let mut state = TierState::default();
            downsample((&times[..cut], &values[..cut]), 50, &mut state, &mut parts);
            downsample((&times[cut..], &values[cut..]), 50, &mut state, &mut parts);
            prop_assert_eq!(&whole, &parts);
            let naive: f64 = values.windows(2).map(|w| if w[1] < w[0] { w[1] } else { w[1] - w[0] }).sum();
            prop_assert_eq!(whole.iter().map(|p| p.increase).sum::<f64>(), naive);
            prop_assert_eq!(whole.iter().map(|p| p.count).sum::<u64>(), values.len() as u64);
        }
    }
}
