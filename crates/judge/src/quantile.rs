//! True quantiles of measured values: sorted, interpolated between neighbours (the seventh of Hyndman and Fan's
//! definitions, that of NumPy).
//!
//! The seeds took the upper median and the element at `int(n * 0.95)`, which for ten values is the maximum.

/// `sorted` must be ascending and without NaN; `None` when it is empty.
pub fn of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    let (a, b) = (*sorted.get(low)?, *sorted.get(high)?);
    // Without the branch an infinite neighbour would give NaN.
    Some(if low == high {
        a
    } else {
        a + (b - a) * (at - low as f64)
    })
}

/// Sorts what is finite; the rest cannot be ordered.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    all
}

pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    Some(values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seed 3 took `sorted[n // 2]` and `sorted[int(n * .95)]`.
    #[test]
    fn quantiles_interpolate() {
        let ten = sorted((1..=10).map(f64::from).chain([f64::NAN]));
        assert_eq!(of_sorted(&ten, 0.5), Some(5.5));
        assert!((of_sorted(&ten, 0.95).unwrap() - 9.55).abs() < 1e-12);
        assert_eq!(of_sorted(&ten, 1.0), Some(10.0));
        assert_eq!(of_sorted(&[], 0.5), None);
        assert_eq!(of_sorted(&[3.0], 0.99), Some(3.0));
    }
}
