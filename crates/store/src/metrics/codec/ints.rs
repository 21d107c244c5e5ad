//! A column of 64-bit integers.
//!
//! 1. Differences of order 0, 1 or 2 are taken, whichever leaves the fewest bits; all arithmetic wraps, so every i64 fits.
//! 2. A base is subtracted and a common divisor taken out.
//! 3. What remains is bit packed; the few values that need more bits than the rest leave their high part in a list of
//!    patches. Or, with [`Effort::Small`] and where that is smaller, it goes through the entropy stage of `cold`.
//!
//! Layout:
//!
//! ```text
//! mode       u8: bits 0-1 order, bit 2 divisor follows, bit 3 patches follow, bits 4-5 body (0 packed, 1.. entropy coded)
//! heads      zigzag varint × order        the first values, before differences can be taken
//! base       zigzag varint
//! divisor    varint, at least 2
//! width      u8
//! patches    count varint, then (gap of position varint, high part varint) each
//! body       packed integers of `width` bits, or as `cold` lays it out
//! ```

use super::{Effort, bits, cold};
use crate::bytes::{Reader, put_varint, put_zigzag};
use crate::metrics::Malformed;

const HAS_DIVISOR: u8 = 4;
const HAS_PATCHES: u8 = 8;
const BODY_SHIFT: u32 = 4;
/// What a patch costs beside its high part: the gap of its position.
const PATCH_BITS: usize = 8;
/// A shorter column does not repay the entropy stage's own tables.
const ENTROPY_LEN_MIN: usize = 64;

/// How one column will be written.
struct Plan {
    order: usize,
    base: i64,
    divisor: u64,
    width: u32,
    cost_bits: usize,
}

pub(crate) fn encode(values: &[i64], effort: Effort, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let mut scratch = Vec::with_capacity(values.len());
    let mut sorted = Vec::new();
    let plan = match effort {
        Effort::Fast => {
            let order = likely_order(values);
            differences(values, order, &mut scratch);
            plan(&scratch, order, &mut sorted)
        }
        Effort::Small => best_plan(values, &mut scratch, &mut sorted),
    };
    differences(values, plan.order, &mut scratch);
    let mut body = Vec::with_capacity(scratch.len());
    body.extend(scratch.iter().map(|v| v.wrapping_sub(plan.base) as u64));
    if plan.divisor > 1 {
        for value in &mut body {
            // Values below the base wrap to huge ones, which the divisor need not divide: `plan` has seen to that.
            *value /= plan.divisor;
        }
    }
    let packed_at = out.len();
    write(values, &plan, &body, None, out);
    if effort == Effort::Small && plan.cost_bits > 0 && body.len() >= ENTROPY_LEN_MIN {
        let mut small = Vec::with_capacity(out.len() - packed_at);
        write(values, &plan, &body, Some(()), &mut small);
        if small.len() < out.len() - packed_at {
            out.truncate(packed_at);
            out.extend_from_slice(&small);
        }
    }
}

fn write(values: &[i64], plan: &Plan, body: &[u64], entropy: Option<()>, out: &mut Vec<u8>) {
    let mode_at = out.len();
    out.push(plan.order as u8 | if plan.divisor > 1 { HAS_DIVISOR } else { 0 });
    put_heads(values, plan.order, out);
    put_zigzag(out, plan.base);
    if plan.divisor > 1 {
        put_varint(out, plan.divisor);
    }
    let width = match entropy {
        None => plan.width,
        Some(()) => cold::width_of(body),
    };
    out.push(width as u8);
    let over = |v: u64| width < 64 && v >> width != 0;
    let patches = body.iter().filter(|v| over(**v)).count();
    if patches > 0 {
        out[mode_at] |= HAS_PATCHES;
        put_varint(out, patches as u64);
        let mut next = 0;
        for (at, value) in body.iter().enumerate().filter(|(_, v)| over(**v)) {
            put_varint(out, (at - next) as u64);
            put_varint(out, value >> width);
            next = at + 1;
        }
    }
    match entropy {
        None => bits::pack(body, width, out),
        Some(()) => {
            out[mode_at] |= 1 << BODY_SHIFT;
            cold::encode(body, width, out);
        }
    }
}

/// Appends `count` integers to `out` and returns how many bytes of `bytes` they took.
pub(crate) fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<usize, Malformed> {
    if count > super::COLUMN_LEN_MAX {
        return Err(Malformed {
            what: "column length",
        });
    }
    if count == 0 {
        return Ok(0);
    }
    let mut reader = Reader::new(bytes);
    let mode = reader.u8()?;
    let order = usize::from(mode & 3);
    if order > 2 || order >= count || mode >> (BODY_SHIFT + 1) != 0 {
        return Err(Malformed {
            what: "integer column mode",
        });
    }
    let mut heads = [0i64; 2];
    for head in heads.iter_mut().take(order) {
        *head = reader.zigzag()?;
    }
    let base = reader.zigzag()?;
    let divisor = if mode & HAS_DIVISOR != 0 {
        reader.varint()?
    } else {
        1
    };
    let width = u32::from(reader.u8()?);
    let patches = read_patches(&mut reader, mode, width, count - order)?;
    let mut body = Vec::new();
    let rest = reader.rest();
    let body_len = if mode >> BODY_SHIFT == 0 {
        bits::unpack(rest, count - order, width, &mut body)?
    } else {
        cold::decode(rest, count - order, width, &mut body)?
    };
    for (at, high) in patches {
        body[at] |= high << width;
    }
    restore(&body, (base, divisor), &heads[..order], out);
    Ok(bytes.len() - rest.len() + body_len)
}

fn read_patches(
    reader: &mut Reader<'_>,
    mode: u8,
    width: u32,
    count: usize,
) -> Result<Vec<(usize, u64)>, Malformed> {
    if mode & HAS_PATCHES == 0 {
        return Ok(Vec::new());
    }
    let patch_count = reader.count(2)?;
    if width > 63 || patch_count > count {
        return Err(Malformed { what: "patches" });
    }
    let mut patches = Vec::with_capacity(patch_count);
    let mut next = 0usize;
    for _ in 0..patch_count {
        let gap = reader.varint()?;
        let high = reader.varint()?;
        let at = usize::try_from(gap).ok().and_then(|gap| next.checked_add(gap));
        let at = at.filter(|at| *at < count).ok_or(Malformed { what: "patches" })?;
        patches.push((at, high));
        next = at + 1;
    }
    Ok(patches)
}

fn restore(body: &[u64], (base, divisor): (i64, u64), heads: &[i64], out: &mut Vec<i64>) {
    out.reserve(body.len() + heads.len());
    let value = |raw: u64| (raw.wrapping_mul(divisor) as i64).wrapping_add(base);
    match heads {
        [] => out.extend(body.iter().map(|raw| value(*raw))),
        [first] => {
            let mut last = *first;
            out.push(last);
            out.extend(body.iter().map(|raw| {
                last = last.wrapping_add(value(*raw));
                last
            }));
        }
        [first, second, ..] => {
            let (mut last, mut delta) = (*second, second.wrapping_sub(*first));
            out.extend([*first, *second]);
            out.extend(body.iter().map(|raw| {
                delta = delta.wrapping_add(value(*raw));
                last = last.wrapping_add(delta);
                last
            }));
        }
    }
}

fn put_heads(values: &[i64], order: usize, out: &mut Vec<u8>) {
    for value in &values[..order] {
        put_zigzag(out, *value);
    }
}

fn differences(values: &[i64], order: usize, out: &mut Vec<i64>) {
    out.clear();
    match order {
        0 => out.extend_from_slice(values),
        1 => out.extend(values.windows(2).map(|w| w[1].wrapping_sub(w[0]))),
        _ => out.extend(values.windows(3).map(|w| {
            let (before, after) = (w[1].wrapping_sub(w[0]), w[2].wrapping_sub(w[1]));
            after.wrapping_sub(before)
        })),
    }
}

/// The order whose differences need the fewest bits, judged in one pass by their distance from the first of them.
fn likely_order(values: &[i64]) -> usize {
    let [first, second, third, ..] = values else {
        return 0;
    };
    let first_delta = second.wrapping_sub(*first);
    let first_double = third.wrapping_sub(*second).wrapping_sub(first_delta);
    let mut bits = [0u32; 3];
    let (mut last, mut last_delta) = (*second, first_delta);
    for value in &values[2..] {
        let delta = value.wrapping_sub(last);
        let double = delta.wrapping_sub(last_delta);
        bits[0] += magnitude_bits(value.wrapping_sub(*first));
        bits[1] += magnitude_bits(delta.wrapping_sub(first_delta));
        bits[2] += magnitude_bits(double.wrapping_sub(first_double));
        (last, last_delta) = (*value, delta);
    }
    // A higher order must earn its heads.
    let mut best = 0;
    for order in 1..3 {
        if bits[order] + 8 < bits[best] {
            best = order;
        }
    }
    best
}

fn magnitude_bits(value: i64) -> u32 {
    64 - ((value << 1) ^ (value >> 63)).leading_zeros()
}

/// Every order planned in full.
fn best_plan(values: &[i64], scratch: &mut Vec<i64>, sorted: &mut Vec<i64>) -> Plan {
    differences(values, 0, scratch);
    let mut best = plan(scratch, 0, sorted);
    for order in 1..=2usize.min(values.len() - 1) {
        differences(values, order, scratch);
        let plan = plan(scratch, order, sorted);
        if plan.cost_bits < best.cost_bits {
            best = plan;
        }
    }
    best
}

/// The cheapest base and width. Three bases are tried: the least value; one that leaves a sixteenth below it, so that
/// the reset of a counter does not widen everything else; and zero, for a column that rarely moves.
fn plan(residuals: &[i64], order: usize, sorted: &mut Vec<i64>) -> Plan {
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for value in residuals {
        least = least.min(*value);
        most = most.max(*value);
    }
    if least == most {
        return Plan {
            order,
            base: least,
            divisor: 1,
            width: 0,
            cost_bits: order * 8,
        };
    }
    let divisor = common_divisor(residuals, least);
    let (width, cost) = width_for(residuals, least, divisor);
    let mut plan = Plan {
        order,
        base: least,
        divisor,
        width,
        cost_bits: cost + order * 8,
    };
    if width > 3 && residuals.len() >= 32 {
        sorted.clear();
        sorted.extend_from_slice(residuals);
        let (_, low, _) = sorted.select_nth_unstable(residuals.len() / 16);
        let still = residuals.iter().filter(|v| **v == 0).count() >= residuals.len() / 2;
        for base in [Some(*low), still.then_some(0)].into_iter().flatten() {
            let (width, cost) = width_for(residuals, base, 1);
            if cost + order * 8 < plan.cost_bits {
                plan = Plan {
                    order,
                    base,
                    divisor: 1,
                    width,
                    cost_bits: cost + order * 8,
                };
            }
        }
    }
    plan
}

/// The greatest number that divides the distance of every value from `base`, which is the least of them.
fn common_divisor(residuals: &[i64], base: i64) -> u64 {
    let mut divisor = 0u64;
    for value in residuals {
        let mut distance = value.wrapping_sub(base) as u64;
        while distance != 0 {
            (divisor, distance) = (distance, divisor % distance);
        }
        if divisor == 1 {
            break;
        }
    }
    divisor.max(1)
}

/// The width at which packed bits and patches together are least, and that sum in bits.
fn width_for(residuals: &[i64], base: i64, divisor: u64) -> (u32, usize) {
    let mut by_len = [0usize; 65];
    for value in residuals {
        let mut distance = value.wrapping_sub(base) as u64;
        if divisor > 1 {
            distance /= divisor;
        }
        by_len[(64 - distance.leading_zeros()) as usize] += 1;
    }
    least_cost(residuals.len(), &by_len)
}

/// From the greatest length down, over those lengths that occur: what is packed shrinks, what is patched grows.
fn least_cost(count: usize, by_len: &[usize; 65]) -> (u32, usize) {
    let mut over = [(0usize, 0usize); 65];
    let mut lens = 0;
    let mut patched = 0;
    let mut best = (0, 0);
    for width in (0..=64).rev() {
        if lens > 0 {
            let packed = count * width;
            // A patch takes its position and at least one byte.
            if patched * (PATCH_BITS + 8) >= best.1 {
                break;
            }
            let patches =
                |(len, count): &(usize, usize)| count * (PATCH_BITS + (len - width).div_ceil(7) * 8);
            let cost = packed + over[..lens].iter().map(patches).sum::<usize>();
            // Of equals the narrowest, but not for the sake of patches alone.
            if cost < best.1 || (cost == best.1 && (best.0 as usize) < over[0].0) {
                best = (width as u32, cost);
            }
        } else if by_len[width] > 0 {
            best = (width as u32, count * width);
        }
        if by_len[width] > 0 {
            over[lens] = (width, by_len[width]);
            lens += 1;
            patched += by_len[width];
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn column() -> impl Strategy<Value = Vec<i64>> {
        let item = prop_oneof![
            8 => 0i64..50,
            1 => any::<i64>(),
            1 => Just(0),
        ];
        (proptest::collection::vec(item, 0..300), 0..3usize, 1i64..5000).prop_map(
            |(mut values, order, factor)| {
                for v in &mut values {
                    *v = v.wrapping_mul(factor);
                }
                for _ in 0..order {
                    let mut sum = 0i64;
                    for v in &mut values {
                        sum = sum.wrapping_add(*v);
                        *v = sum;
                    }
                }
                values
            },
        )
    }

    fn check(values: &[i64], effort: Effort) -> usize {
        let mut bytes = Vec::new();
        encode(values, effort, &mut bytes);
        let len = bytes.len();
        bytes.extend_from_slice(&[0xff; 3]);
        let mut out = vec![3];
        assert_eq!(decode(&bytes, values.len(), &mut out), Ok(len));
        assert_eq!(&out[1..], values);
        len
    }

    /// Every width, as the layout says what it costs.
    fn least_cost_by_trial(count: usize, by_len: &[usize; 65]) -> (u32, usize) {
        let len_max = (0..65).rev().find(|len| by_len[*len] > 0).unwrap_or(0);
        let mut best = (len_max as u32, count * len_max);
        for width in 0..len_max {
            let patches =
                (width + 1..=len_max).map(|len| by_len[len] * (PATCH_BITS + (len - width).div_ceil(7) * 8));
            let cost = count * width + patches.sum::<usize>();
            if cost < best.1 {
                best = (width as u32, cost);
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_width_costs_less(lens in proptest::collection::vec((0usize..65, 1usize..90), 0..12)) {
            let mut by_len = [0; 65];
            for (len, count) in lens {
                by_len[len] += count;
            }
            let count = by_len.iter().sum();
            prop_assert_eq!(least_cost(count, &by_len), least_cost_by_trial(count, &by_len));
        }

        #[test]
        fn round_trips(values in column()) {
            check(&values, Effort::Fast);
            check(&values, Effort::Small);
        }

        #[test]
        fn hostile_bytes_are_an_error_or_numbers(bytes in proptest::collection::vec(any::<u8>(), 0..80), count in 0usize..400) {
            let mut out = Vec::new();
            if decode(&bytes, count, &mut out).is_ok() {
                prop_assert_eq!(out.len(), count);
            }
        }
    }

    #[test]
    fn a_steady_column_takes_a_handful_of_bytes() {
        let steady: Vec<i64> = (0..1440).map(|i| 1_700_000_000_000 + 15_000 * i).collect();
        assert!(check(&steady, Effort::Fast) < 14);
        let pages: Vec<i64> = (0..120).map(|i| 4096 * ((i * 7919) % 16)).collect();
        assert!(
            check(&pages, Effort::Fast) < 120 / 2 + 12,
            "the common factor is taken out"
        );
        let mut reset: Vec<i64> = (0..120).map(|i| 1_000_000 + 3 * i + i % 5).collect();
        reset.iter_mut().skip(60).for_each(|v| *v -= 1_000_100);
        assert!(check(&reset, Effort::Fast) < 90, "a reset is a patch");
    }
}
