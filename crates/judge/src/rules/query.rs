//! The evaluator over a store's snapshot: PromQL by `lapwing-query`, seeing what this tick has recorded.

use super::evaluate::{EvalError, Evaluate, Evaluated};
use super::overlay::{Overlay, OverlaySource};
use lapwing_query::promql::ParseError;
use lapwing_query::{QueryEngine, QueryError, QueryOptions, QueryValue, Sample, SampleValue};
use lapwing_store::SeriesSource;
use lapwing_types::{Labels, SeriesWrite};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

type Answer = Result<Vec<Evaluated>, EvalError>;

/// One per tick: its cache of answers holds for one snapshot only.
pub struct QueryEvaluator<'a> {
    source: &'a dyn SeriesSource,
    options: QueryOptions,
    threads: usize,
    overlay: Overlay,
    prepared: HashMap<(String, i64), (Answer, f64)>,
    stopwatch: &'a (dyn Fn() -> f64 + Sync),
}

/// Whether an expression is PromQL, as the engine reads it.
pub fn check_expr(expr: &str) -> Result<(), ParseError> {
    lapwing_query::promql::parse(expr).map(|_| ())
}

impl<'a> QueryEvaluator<'a> {
    /// Independent rules are evaluated on so many threads.
    pub fn new(source: &'a dyn SeriesSource, options: QueryOptions, threads: usize) -> Self {
        QueryEvaluator {
            source,
            // Rules are read with every feature on, and a robust deviation is `mad_over_time`.
            options: QueryOptions {
                experimental: true,
                ..options
            },
            threads: threads.max(1),
            overlay: Overlay::default(),
            prepared: HashMap::new(),
            stopwatch: &|| 0.0,
        }
    }

    /// Lends a clock, in seconds.
    pub fn timed(self, stopwatch: &'a (dyn Fn() -> f64 + Sync)) -> Self {
        QueryEvaluator { stopwatch, ..self }
    }

    fn ask(&self, source: &dyn SeriesSource, expr: &str, at_ms: i64) -> Answer {
        let result = QueryEngine::new().instant(source, expr, at_ms, &self.options);
        let value = result.map_err(|e| error(expr, &e))?.value;
        match value {
            QueryValue::Scalar { value, .. } => Ok(vec![Evaluated::float(Labels::empty(), value)]),
            QueryValue::Vector(samples) => Ok(samples.into_iter().map(evaluated).collect()),
            other => Err(EvalError {
                expr: expr.to_owned(),
                reason: format!(
                    "rule result is a {} and not a vector or scalar",
                    other.type_name()
                ),
            }),
        }
    }
}

impl Evaluate for QueryEvaluator<'_> {
    fn instant(&self, expr: &str, at_ms: i64) -> Answer {
        if let Some((answer, _)) = self.prepared.get(&(expr.to_owned(), at_ms)) {
            return answer.clone();
        }
        let source = OverlaySource {
            base: self.source,
            overlay: &self.overlay,
        };
        self.ask(&source, expr, at_ms)
    }

    fn prepare(&mut self, questions: Vec<(String, i64)>) {
        if self.threads < 2 || questions.len() < 2 {
            return;
        }
        let next = AtomicUsize::new(0);
        let answers = Mutex::new(HashMap::with_capacity(questions.len()));
        std::thread::scope(|scope| {
            for _ in 0..self.threads.min(questions.len()) {
                scope.spawn(|| {
                    while let Some((expr, at_ms)) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let begun_s = (self.stopwatch)();
                        let answer = self.ask(self.source, expr, *at_ms);
                        let answer = (answer, (self.stopwatch)() - begun_s);
                        let mut answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        answers.insert((expr.clone(), *at_ms), answer);
                    }
                });
            }
        });
        self.prepared = answers
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
    }

    fn stopwatch_s(&self) -> f64 {
        (self.stopwatch)()
    }

    fn prepared_s(&self, expr: &str, at_ms: i64) -> f64 {
        self.prepared
            .get(&(expr.to_owned(), at_ms))
            .map_or(0.0, |(_, s)| *s)
    }

    fn remember(&mut self, written: &[SeriesWrite]) {
        self.overlay.add(written);
    }
}

fn evaluated(sample: Sample) -> Evaluated {
    match sample.value {
        SampleValue::Float(value) => Evaluated::float(sample.labels, value),
        SampleValue::Histogram(histogram) => Evaluated {
            labels: sample.labels,
            value: histogram.sum,
            histogram: Some(histogram),
        },
    }
}

/// An error and its causes in one line.
fn error(expr: &str, error: &QueryError) -> EvalError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason.push_str(": ");
        reason.push_str(&cause.to_string());
        source = cause.source();
    }
    EvalError {
        expr: expr.to_owned(),
        reason,
    }
}
