//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`, over classic and native histograms together.

use super::super::grid::{Cell, METRIC_LABELS, cell};
use super::super::quantile::{
    Cumulative, NanNote, bucket_fraction, bucket_quantile, histogram_fraction, histogram_quantile,
};
use super::super::{Evaluated, Evaluator, Grid, Steps};
use super::labels::text_arguments;
use crate::annotation::{Annotations, Repair};
use crate::promql::{Call, Function, Span};
use hashbrown::HashMap;
use lapwing_types::{FloatHistogram, Labels, format_number};

const BUCKET_LABEL: &str = "le";

/// What is asked of every histogram.
#[derive(Clone, Copy)]
enum Question {
    Quantile(f64),
    Fraction(f64, f64),
}

/// What is asked at each step, and the label that tells the answers apart.
type Asked<'a> = (&'a dyn Fn(usize) -> Question, Option<&'a (&'a str, String)>);

/// The rows of one classic histogram, by bound.
struct Classic {
    labels: Labels,
    name: String,
    buckets: Vec<(f64, usize)>,
}

struct Native {
    labels: Labels,
    name: String,
    row: usize,
    /// The classic histogram of the same name and labels.
    rival: Option<usize>,
}

impl Evaluator<'_> {
    pub(super) fn histogram_function(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let span = |index: usize| call.args[index].unwrap_parens().span;
        let (vector, scalars): (usize, Vec<usize>) = match call.function {
            Function::HistogramQuantile => (1, vec![0]),
            Function::HistogramFraction => (2, vec![0, 1]),
            _ => (0, (2..call.args.len()).collect()),
        };
        let mut params = Vec::new();
        for index in &scalars {
            params.push(self.scalar(&call.args[*index], steps)?);
        }
        let grid = self.without_hints(|| self.vector(&call.args[vector], steps))?;
        let label = match call.function {
            Function::HistogramQuantiles => text_arguments(&call.args[1..2]).first().map(|l| (*l).to_owned()),
            _ => None,
        };
        let mut out = Grid::new(steps.count);
        self.annotate(|notes| {
            if call.function != Function::HistogramFraction {
                for (values, index) in params.iter().zip(&scalars) {
                    for q in values.iter().filter(|q| q.is_nan() || !(0.0..=1.0).contains(*q)) {
                        notes.invalid_quantile(*q, span(*index));
                    }
                }
            }
            let sorted = Sorted::new(&grid, self.options.delayed_name_removal, span(vector), notes);
            let ask = |step: usize, index: usize| match call.function {
                Function::HistogramFraction => Question::Fraction(params[0][step], params[1][step]),
                _ => Question::Quantile(params[index][step]),
            };
            let rounds = if call.function == Function::HistogramFraction {
                1
            } else {
                params.len()
            };
            for round in 0..rounds {
                let ask = |step: usize| ask(step, round);
                // The label of a quantile is the one asked for at the first step.
                let tag = label.as_deref().map(|label| match ask(0) {
                    Question::Quantile(q) => (label, open_metrics_number(q)),
                    Question::Fraction(..) => (label, String::new()),
                });
                sorted.answer_native(steps, (&ask, tag.as_ref()), &mut out, notes);
                sorted.answer_classic(steps, (&ask, tag.as_ref()), &mut out, notes);
            }
        });
        out.drop_empty_rows();
        super::super::merge_same_labels(out)
    }
}

/// A vector divided into its histograms.
struct Sorted<'a> {
    grid: &'a Grid,
    classic: Vec<Classic>,
    native: Vec<Native>,
    /// Where the sentences point.
    span: Span,
    delayed: bool,
}

impl<'a> Sorted<'a> {
    fn new(grid: &'a Grid, delayed: bool, span: Span, notes: &mut Annotations) -> Self {
        let mut sorted = Sorted {
            grid,
            classic: Vec::new(),
            native: Vec::new(),
            span,
            delayed,
        };
        let mut known: HashMap<Labels, usize> = HashMap::new();
        for (row, meta) in grid.rows.iter().enumerate() {
            let has = |f: fn(Cell) -> bool| grid.column(row).iter().any(|v| f(cell(*v)));
            let name = if delayed {
                meta.labels.metric_name().unwrap_or("")
            } else {
                ""
            };
            if has(|c| matches!(c, Cell::Histogram(_))) {
                sorted.native.push(Native {
                    labels: meta.labels.clone(),
                    name: name.to_owned(),
                    row,
                    rival: None,
                });
            }
            if !has(|c| matches!(c, Cell::Float(_))) {
                continue;
            }
            let bound = meta.labels.get(BUCKET_LABEL).unwrap_or("");
            let Some(upper) = parse_bound(bound) else {
                notes.bad_bucket_label(name, bound, span);
                continue;
            };
            let labels = meta.labels.drop(&[BUCKET_LABEL]);
            let classic = &mut sorted.classic;
            let index = *known.entry(labels).or_insert_with_key(|labels| {
                classic.push(Classic {
                    labels: labels.clone(),
                    name: name.to_owned(),
                    buckets: Vec::new(),
                });
                classic.len() - 1
            });
            classic[index].buckets.push((upper, row));
        }
        for native in &mut sorted.native {
            native.rival = known.get(&native.labels).copied();
        }
        sorted
    }

    fn answer_native(&self, steps: Steps, (ask, tag): Asked<'_>, out: &mut Grid, notes: &mut Annotations) {
        for native in &self.native {
            let row = out.push_row(self.labels(&native.labels, tag), self.delayed);
            for step in 0..steps.count {
                let Cell::Histogram(index) = cell(self.grid.at(native.row, step)) else {
                    continue;
                };
                let rival = native.rival.map(|r| &self.classic[r]);
                if rival.is_some_and(|classic| self.is_present(classic, step)) {
                    notes.mixed_classic_native(&native.name, self.span);
                    continue;
                }
                let value = self.ask_native(ask(step), &self.grid.histograms[index], &native.name, notes);
                out.set(row, step, value);
            }
        }
    }

    fn answer_classic(&self, steps: Steps, (ask, tag): Asked<'_>, out: &mut Grid, notes: &mut Annotations) {
        let mut rivals = vec![None; self.classic.len()];
        for native in &self.native {
            if let Some(number) = native.rival {
                rivals[number] = Some(native);
            }
        }
        let mut buckets = Vec::new();
        for (classic, rival) in self.classic.iter().zip(rivals) {
            let row = out.push_row(self.labels(&classic.labels, tag), self.delayed);
            for step in 0..steps.count {
                let is_rivalled =
                    rival.is_some_and(|n| matches!(cell(self.grid.at(n.row, step)), Cell::Histogram(_)));
                buckets.clear();
                buckets.extend(classic.buckets.iter().filter_map(|(upper, row)| {
                    match cell(self.grid.at(*row, step)) {
                        Cell::Float(count) => Some(Cumulative { upper: *upper, count }),
                        _ => None,
                    }
                }));
                if buckets.is_empty() || is_rivalled {
                    continue;
                }
                let value = self.ask_classic(ask(step), &mut buckets, (&classic.name, steps.at(step)), notes);
                out.set(row, step, value);
            }
        }
    }

    fn is_present(&self, classic: &Classic, step: usize) -> bool {
        classic
            .buckets
            .iter()
            .any(|(_, row)| matches!(cell(self.grid.at(*row, step)), Cell::Float(_)))
    }

    fn labels(&self, labels: &Labels, tag: Option<&(&str, String)>) -> Labels {
        let labels = if self.delayed {
            labels.clone()
        } else {
            labels.drop(&METRIC_LABELS)
        };
        match tag {
            Some((name, value)) => labels.to_builder().set(name, value.as_str()).build(),
            None => labels,
        }
    }

    fn ask_native(&self, question: Question, h: &FloatHistogram, name: &str, notes: &mut Annotations) -> f64 {
        match question {
            Question::Quantile(q) => {
                let (value, note) = histogram_quantile(q, h);
                match note {
                    NanNote::None => {}
                    NanNote::Result => notes.quantile_is_nan(name, self.span),
                    NanNote::Skewed => notes.quantile_is_skewed(name, self.span),
                }
                value
            }
            Question::Fraction(lower, upper) => {
                if h.sum.is_nan() && h.count != 0.0 {
                    notes.fraction_has_nan(name, self.span);
                }
                histogram_fraction(lower, upper, h)
            }
        }
    }

    fn ask_classic(
        &self,
        question: Question,
        buckets: &mut Vec<Cumulative>,
        (name, t_ms): (&str, i64),
        notes: &mut Annotations,
    ) -> f64 {
        match question {
            Question::Fraction(lower, upper) => bucket_fraction(lower, upper, buckets),
            Question::Quantile(q) => {
                let (value, forced) = bucket_quantile(q, buckets);
                if let Some(forced) = forced {
                    let repair = Repair {
                        bucket_min: forced.bucket_min,
                        bucket_max: forced.bucket_max,
                        difference_max: forced.difference_max,
                        first_ms: t_ms,
                        last_ms: t_ms,
                        count: 1,
                    };
                    notes.forced_monotonicity(name, self.span, repair);
                }
                value
            }
        }
    }
}

fn parse_bound(text: &str) -> Option<f64> {
    text.parse().ok().filter(|_| !text.is_empty())
}

/// A number that is seen to be a float: `1.0`.
fn open_metrics_number(value: f64) -> String {
    let text = format_number(value);
    if text.contains(['.', 'e', 'I', 'N']) {
        text
    } else {
        format!("{text}.0")
    }
}
