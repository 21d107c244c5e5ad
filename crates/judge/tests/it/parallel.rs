//! Rules that do not read each other are evaluated at the same time; those that do, one after the other.

use crate::promql::Samples;
use crate::table::{events, labels, load};
use lapwing_judge::rules::{QueryEvaluator, Rules, RulesOptions, RulesState, Tick};
use lapwing_query::QueryOptions;
use lapwing_store::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesSource};
use lapwing_types::METRIC_NAME;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

const NOW_MS: i64 = 1_000_000_000;
/// Only a failure waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers a question about one of `meet` only when each of them was asked for; remembers who was asked for in which order.
struct Meeting {
    samples: Samples,
    meet: &'static [&'static str],
    asked: Mutex<Vec<String>>,
    news: Condvar,
}

impl Meeting {
    fn new(names: &[&str], meet: &'static [&'static str]) -> Self {
        let points = SeriesPoints {
            times_ms: vec![NOW_MS - 5_000, NOW_MS + 5_000],
            values: vec![1.0, 1.0],
            ..SeriesPoints::default()
        };
        let series = |name: &&str| (labels(&[(METRIC_NAME, name)]), points.clone());
        Meeting {
            samples: Samples(names.iter().map(series).collect()),
            meet,
            asked: Mutex::new(Vec::new()),
            news: Condvar::new(),
        }
    }
}

impl SeriesSource for Meeting {
    fn select(&self, selection: &Selection) -> Result<Vec<SelectedSeries>, ReadError> {
        let of_name = selection.matchers.iter().find(|m| m.name == METRIC_NAME);
        let name = of_name.map(|m| m.value.clone()).unwrap_or_default();
        let mut asked = self.asked.lock().unwrap();
        asked.push(name.clone());
        self.news.notify_all();
        if self.meet.contains(&name.as_str()) {
            let is_missing =
                |asked: &mut Vec<String>| !self.meet.iter().all(|m| asked.iter().any(|a| a == m));
            let (asked, waited) = self.news.wait_timeout_while(asked, PATIENCE, is_missing).unwrap();
            drop(asked);
            if waited.timed_out() {
                let reason = format!("{name} was asked for alone");
                return Err(ReadError::Remote { reason });
            }
        }
        self.samples.select(selection)
    }

    fn label_names(&self, _: &Selection) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &Selection) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }
}

/// The first tick at which these rules are due, once: it is one interval after the one that saw them first.
fn tick(rules: &str, source: &Meeting, threads: usize) -> Tick {
    let rules = Rules::new(load(rules), RulesOptions::default());
    let mut state = RulesState::default();
    let mut at = |now_ms| {
        let mut evaluator = QueryEvaluator::new(source, QueryOptions::default(), threads);
        rules.tick(now_ms, &mut evaluator, &mut state)
    };
    assert_eq!(at(NOW_MS - 5_000).evaluations, 0);
    at(NOW_MS + 5_000)
}

#[test]
fn rules_that_do_not_read_each_other_are_evaluated_at_the_same_time() {
    let rules = "groups: [{ name: g, interval: 10s, rules: [\
        { alert: A, expr: a > 0 }, { alert: B, expr: b > 0 }, { alert: C, expr: c > 0 }] }]";
    let source = Meeting::new(&["a", "b", "c"], &["a", "b", "c"]);
    let tick = tick(rules, &source, 3);
    assert_eq!(tick.failures, 0, "{:?}", source.asked.lock().unwrap());
    assert_eq!(events(&tick).len(), 3);
}

#[test]
fn rules_that_read_each_other_are_evaluated_one_after_the_other() {
    let rules = "groups: [{ name: g, interval: 10s, rules: [\
        { record: first, expr: a + 1 }, { record: second, expr: first + 1 }, { alert: Last, expr: second == 3 }] }]";
    let source = Meeting::new(&["a"], &[]);
    let tick = tick(rules, &source, 3);
    assert_eq!((tick.failures, events(&tick).len()), (0, 1));
    assert_eq!(*source.asked.lock().unwrap(), ["a", "first", "second"]);
}
