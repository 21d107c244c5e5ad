//! A column of timestamps: strictly ascending milliseconds.
//!
//! Scrapes come at a regular interval with a little jitter, so each time is written as its distance from the grid
//! `first + i * interval`; a perfectly regular column is then a constant. Where there is no grid, differences win.
//!
//! Layout: `interval` varint, then integers as `ints` lays them out: time minus `i * interval`, wrapping.

use super::{COLUMN_LEN_MAX, Effort, ints};
use crate::bytes::{Reader, put_varint};
use crate::metrics::Malformed;

pub fn encode(times_ms: &[i64], effort: Effort, out: &mut Vec<u8>) {
    let interval = match times_ms {
        [first, .., last] => {
            let steps = times_ms.len() as i64 - 1;
            let span = last.wrapping_sub(*first);
            // Rounded to 10 ms: the mean of a jittered grid is a little off, and a slope would widen the column.
            (span / steps).saturating_add(5).max(0) / 10 * 10
        }
        _ => 0,
    };
    put_varint(out, interval as u64);
    let residuals: Vec<i64> = times_ms
        .iter()
        .enumerate()
        .map(|(i, t)| t.wrapping_sub(interval.wrapping_mul(i as i64)))
        .collect();
    ints::encode(&residuals, effort, out);
}

/// Appends `count` times to `out` and returns how many bytes of `bytes` they took.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<usize, Malformed> {
    if count > COLUMN_LEN_MAX {
        return Err(Malformed {
            what: "column length",
        });
    }
    let mut reader = Reader::new(bytes);
    let interval = reader.varint()? as i64;
    let rest = reader.rest();
    let start = out.len();
    let len = ints::decode(rest, count, out)?;
    for (i, t) in out[start..].iter_mut().enumerate() {
        *t = t.wrapping_add(interval.wrapping_mul(i as i64));
    }
    Ok(bytes.len() - rest.len() + len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(times: &[i64]) -> usize {
        let mut bytes = Vec::new();
        encode(times, Effort::Fast, &mut bytes);
        let mut out = vec![5];
        assert_eq!(decode(&bytes, times.len(), &mut out), Ok(bytes.len()));
        assert_eq!(&out[1..], times);
        bytes.len()
    }

    proptest! {
        #[test]
        fn round_trips_any_times(mut times in proptest::collection::vec(any::<i64>(), 0..100)) {
            check(&times);
            times.sort_unstable();
            check(&times);
        }

        #[test]
        fn hostile_bytes_are_an_error_or_times(bytes in proptest::collection::vec(any::<u8>(), 0..40), count in 0usize..300) {
            let mut out = Vec::new();
            if decode(&bytes, count, &mut out).is_ok() {
                prop_assert_eq!(out.len(), count);
            }
        }
    }

    #[test]
    fn a_grid_costs_nothing_and_jitter_its_own_bits() {
        let start = 1_700_000_007_123;
        let grid: Vec<i64> = (0..480).map(|i| start + 15_000 * i).collect();
        assert!(check(&grid) < 16);
        let jitter: Vec<i64> = (0..480).map(|i| start + 15_000 * i + (i * 7919) % 13).collect();
        assert!(check(&jitter) < 480 / 2 + 40);
        let gap: Vec<i64> = grid
            .iter()
            .map(|t| if *t > start + 3_000_000 { t + 60_000 } else { *t })
            .collect();
        assert!(check(&gap) < 40);
    }
}
