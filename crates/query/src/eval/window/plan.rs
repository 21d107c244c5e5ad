//! `rate`, `increase` and `delta` of plain floats: what hangs on the times alone is computed once for all series that share
//! them, as the series of one scrape do. What remains per series and step is a difference, the resets and a product.
//!
//! Every operation is the one of `rate.rs`, in its order, so the results are the same to the last bit.

use super::rate::{self, Kind};
use super::{WindowSpec, advance};
use crate::eval::Steps;
use crate::eval::grid::sanitized;
use crate::promql::Function;

/// One step's window.
#[derive(Clone, Copy)]
struct Place {
    /// Positions of the first and the last sample; the same where there are less than two.
    first: u32,
    last: u32,
    sampled_s: f64,
    to_start_s: f64,
    to_end_s: f64,
    /// Where the counter does not reach zero before the window's start.
    factor: f64,
}

/// Belongs to one function call: its range, offset and steps never change.
#[derive(Default)]
pub(in crate::eval) struct RatePlan {
    times_ms: Vec<i64>,
    places: Vec<Place>,
    /// In all windows together.
    samples: u64,
}

pub(super) fn kind_of(function: Function) -> Option<Kind> {
    match function {
        Function::Rate => Some(Kind::RATE),
        Function::Increase => Some(Kind::INCREASE),
        Function::Delta => Some(Kind::DELTA),
        _ => None,
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

impl RatePlan {
    /// Makes the plan fit these times; returns how many samples the windows hold.
    pub(super) fn fit(&mut self, times_ms: &[i64], (spec, steps): (&WindowSpec, Steps), kind: Kind) -> u64 {
        if self.times_ms != times_ms || self.places.len() != steps.count {
            self.times_ms.clear();
            self.times_ms.extend_from_slice(times_ms);
            self.make((spec, steps), kind);
        }
        self.samples
    }

    fn make(&mut self, (spec, steps): (&WindowSpec, Steps), kind: Kind) {
        self.places.clear();
        self.samples = 0;
        let times_ms = &self.times_ms;
        let (mut low, mut high) = (0, 0);
        for step in 0..steps.count {
            let (start_ms, end_ms) = spec.window(steps.at(step));
            advance(&mut low, start_ms, |i| times_ms.get(i).copied());
            advance(&mut high, end_ms, |i| times_ms.get(i).copied());
            self.samples += (high - low) as u64;
            let mut place = Place {
                first: low as u32,
                last: low as u32,
                sampled_s: 0.0,
                to_start_s: 0.0,
                to_end_s: 0.0,
                factor: 0.0,
            };
            if high - low >= 2 {
                let (first_ms, last_ms) = (times_ms[low], times_ms[high - 1]);
                place.last = high as u32 - 1;
                place.sampled_s = seconds(last_ms - first_ms);
                let average = place.sampled_s / (high - low - 1) as f64;
                let limited = |to_end: f64| {
                    if to_end >= average * 1.1 {
                        average / 2.0
                    } else {
                        to_end
                    }
                };
                place.to_start_s = limited(seconds(first_ms - start_ms));
                place.to_end_s = limited(seconds(end_ms - last_ms));
                place.factor = place.factor_with(place.to_start_s, kind, spec);
            }
            self.places.push(place);
        }
    }

    /// Fills one series' cells; returns whether any window had a result.
    pub(super) fn fill(&self, values: &[f64], spec: &WindowSpec, kind: Kind, cells: &mut [f64]) -> bool {
        let resets = match kind.is_counter {
            true => rate::resets(&self.times_ms, values, &[]),
            false => Vec::new(),
        };
        let mut coming = &resets[..];
        let mut gave = false;
        for (place, cell) in self.places.iter().zip(cells) {
            let (first, last) = (place.first as usize, place.last as usize);
            if first == last {
                continue;
            }
            let start = values[first];
            let mut result = values[last] - start;
            while let [reset, rest @ ..] = coming
                && *reset <= first
            {
                coming = rest;
            }
            for reset in coming.iter().take_while(|i| **i <= last) {
                result += values[reset - 1];
            }
            let mut factor = place.factor;
            if kind.is_counter && result > 0.0 && start >= 0.0 {
                let to_zero = place.sampled_s * (start / result);
                if to_zero < place.to_start_s {
                    factor = place.factor_with(to_zero, kind, spec);
                }
            }
            *cell = sanitized(result * factor);
            gave = true;
        }
        gave
    }
}

impl Place {
    fn factor_with(&self, to_start_s: f64, kind: Kind, spec: &WindowSpec) -> f64 {
        let factor = (self.sampled_s + to_start_s + self.to_end_s) / self.sampled_s;
        match kind.is_rate {
            true => factor / seconds(spec.range_ms),
            false => factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Context, Out, Window};
    use super::*;
    use crate::annotation::Annotations;
    use crate::promql::Span;
    use lapwing_store::SeriesPoints;
    use lapwing_types::Labels;
    use proptest::prelude::*;

    /// The same by the way that looks at each window alone.
    fn one_by_one(
        times: &[i64],
        values: &[f64],
        spec: &WindowSpec,
        steps: Steps,
        kind: Kind,
    ) -> Vec<Option<u64>> {
        let (mut notes, mut floats) = (Annotations::default(), Vec::new());
        let labels = Labels::empty();
        (0..steps.count)
            .map(|step| {
                let (start_ms, end_ms) = spec.window(steps.at(step));
                let (low, high) = (
                    times.partition_point(|t| *t <= start_ms),
                    times.partition_point(|t| *t <= end_ms),
                );
                let points = SeriesPoints {
                    times_ms: times[low..high].to_vec(),
                    values: values[low..high].to_vec(),
                    ..SeriesPoints::default()
                };
                let window = Window::of(spec, steps.at(step), &points);
                let mut context = Context {
                    function: Function::Rate,
                    span: Span::default(),
                    labels: &labels,
                    notes: &mut notes,
                    params: [f64::NAN; 2],
                    floats: &mut floats,
                };
                match rate::rate(&window, &mut context, kind) {
                    Out::Float(value) => Some(sanitized(value).to_bits()),
                    _ => None,
                }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn it_is_the_rate_of_each_window(
            samples in proptest::collection::vec((1i64..90_000, prop_oneof![0.0..50.0f64, Just(0.0), Just(f64::NAN), Just(1e300)]), 0..80),
            (range_ms, offset_ms, step_ms) in (1_000i64..400_000, -60_000i64..60_000, 1i64..200_000),
            (start_ms, count) in (-100_000i64..900_000, 1usize..30),
        ) {
            let mut t = 0;
            let times: Vec<i64> = samples.iter().map(|(gap, _)| { t += gap; t }).collect();
            let values: Vec<f64> = samples.iter().map(|(_, v)| *v).collect();
            let spec = WindowSpec { range_ms, offset_ms, at_ms: None, anchored: false, smoothed: false, lookback_ms: 300_000 };
            let steps = Steps::new(start_ms, start_ms + step_ms * (count as i64 - 1), step_ms);
            for kind in [Kind::RATE, Kind::INCREASE, Kind::DELTA] {
                let mut plan = RatePlan::default();
                plan.fit(&times, (&spec, steps), kind);
                let absent = crate::eval::grid::ABSENT;
                let mut cells = vec![absent; steps.count];
                plan.fill(&values, &spec, kind, &mut cells);
                let found: Vec<Option<u64>> = cells.iter().map(|c| (c.to_bits() != absent.to_bits()).then(|| c.to_bits())).collect();
                prop_assert_eq!(found, one_by_one(&times, &values, &spec, steps, kind));
            }
        }
    }
}
