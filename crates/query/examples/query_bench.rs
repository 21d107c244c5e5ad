//! How long the costly shapes of queries take over a table in memory: `cargo run --release -p lapwing-query --example
//! query_bench [WORD]`. Reading from a real store comes on top of these times.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

use lapwing_query::{QueryEngine, QueryOptions, QueryValue};
use lapwing_store::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, SeriesSource};
use lapwing_types::Labels;
use std::sync::Arc;
use std::time::Instant;

const SCRAPE_MS: i64 = 15_000;
const HOUR_MS: i64 = 3_600_000;
const ROUNDS: usize = 7;

struct Samples {
    times_ms: Vec<i64>,
    values: Vec<f64>,
}

#[derive(Default)]
struct Table {
    series: Vec<(Labels, Arc<Samples>)>,
}

struct Reader(Arc<Samples>);

impl SeriesReader for Reader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let from = self.0.times_ms.partition_point(|t| *t < start_ms);
        let to = self.0.times_ms.partition_point(|t| *t <= end_ms);
        out.times_ms.extend_from_slice(&self.0.times_ms[from..to]);
        out.values.extend_from_slice(&self.0.values[from..to]);
        Ok(())
    }

    fn read_last(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let to = self.0.times_ms.partition_point(|t| *t <= end_ms);
        if to > 0 && self.0.times_ms[to - 1] >= start_ms {
            out.times_ms.push(self.0.times_ms[to - 1]);
            out.values.push(self.0.values[to - 1]);
        }
        Ok(())
    }
}

impl SeriesSource for Table {
    fn select(&self, selection: &Selection) -> Result<Vec<SelectedSeries>, ReadError> {
        // As an index would: only the first matcher is looked at series by series.
        Ok(self
            .series
            .iter()
            .filter(|(labels, _)| selection.matchers.iter().all(|m| m.matches_labels(labels)))
            .map(|(labels, samples)| SelectedSeries {
                labels: labels.clone(),
                reader: Box::new(Reader(samples.clone())),
            })
            .collect())
    }

    fn label_names(&self, _selection: &Selection) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _name: &str, _selection: &Selection) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }
}

/// Counters with a few labels, as exporters give them.
fn counters(name: &str, count: usize, hours: i64) -> Table {
    let mut table = Table::default();
    for i in 0..count {
        let labels = Labels::from_pairs([
            ("__name__", name.to_owned()),
            ("cluster", "west".to_owned()),
            ("instance", format!("10.0.{}.{}:9100", i % 250, i / 250)),
            ("job", format!("job-{}", i % 20)),
            ("mode", ["idle", "user", "system", "wait"][i % 4].to_owned()),
        ])
        .expect("the names differ");
        table
            .series
            .push((labels, samples(hours, |k| (k * (1 + i % 7)) as f64)));
    }
    table
}

fn buckets(histograms: usize, hours: i64) -> Table {
    let mut table = Table::default();
    let bounds = [
        "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf",
    ];
    for i in 0..histograms {
        for (number, bound) in bounds.iter().enumerate() {
            let labels = Labels::from_pairs([
                ("__name__", "request_seconds_bucket".to_owned()),
                ("instance", format!("10.0.{}.{}:9100", i % 250, i / 250)),
                ("job", format!("job-{}", i % 20)),
                ("le", (*bound).to_owned()),
            ])
            .expect("the names differ");
            table
                .series
                .push((labels, samples(hours, |k| (k * (number + 1)) as f64)));
        }
    }
    table
}

fn samples(hours: i64, value: impl Fn(usize) -> f64) -> Arc<Samples> {
    let times_ms: Vec<i64> = (0..hours * HOUR_MS / SCRAPE_MS).map(|k| k * SCRAPE_MS).collect();
    let values = (0..times_ms.len()).map(value).collect();
    Arc::new(Samples { times_ms, values })
}

fn measure(what: &str, table: &Table, expr: &str, range: Option<(i64, i64, i64)>) {
    let engine = QueryEngine::new();
    let options = QueryOptions {
        samples_max: u64::MAX,
        ..QueryOptions::default()
    };
    let at_ms = table.series[0].1.times_ms.last().copied().unwrap_or(0);
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let result = match range {
            Some(range) => engine.range(table, expr, range, &options),
            None => engine.instant(table, expr, at_ms, &options),
        };
        times.push(start.elapsed());
        rows = match result.expect("the query is right").value {
            QueryValue::Vector(rows) => rows.len(),
            QueryValue::Matrix(rows) => rows.len(),
            _ => 1,
        };
    }
    times.sort();
    println!(
        "{what:44} {:8.2} ms  ({rows} rows)",
        times[ROUNDS / 2].as_secs_f64() * 1000.0
    );
}

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    let wants = |what: &str| what.contains(&word);
    if wants("sum") {
        let table = counters("node_cpu_seconds_total", 100_000, 1);
        measure(
            "sum by (job), 100 000 series",
            &table,
            "sum by (job) (node_cpu_seconds_total)",
            None,
        );
        let expr = "sum by (job) (rate(node_cpu_seconds_total[5m]))";
        measure("sum by (job) of rates, 100 000 series", &table, expr, None);
        let range = Some((HOUR_MS / 2, HOUR_MS - 1, 30_000));
        measure("the same over 60 steps", &table, expr, range);
    }
    if wants("topk") {
        let table = counters("node_cpu_seconds_total", 8_000, 1);
        let expr = "topk(10, rate(node_cpu_seconds_total[5m]))";
        measure("topk of rates, 8 000 series", &table, expr, None);
        let expr = "node_cpu_seconds_total / on (instance, job, mode) node_cpu_seconds_total";
        measure("join of 8 000 series with themselves", &table, expr, None);
    }
    if wants("p99") {
        let table = buckets(2_000, 1);
        let expr = "histogram_quantile(0.99, sum by (le) (rate(request_seconds_bucket[5m])))";
        measure("p99 of all, 20 000 buckets", &table, expr, None);
        let expr = "histogram_quantile(0.99, sum by (le, instance) (rate(request_seconds_bucket[5m])))";
        measure("p99 by instance, 20 000 buckets", &table, expr, None);
        let expr = "histogram_quantile(0.99, rate(request_seconds_bucket[5m]))";
        measure("p99 of each, 20 000 buckets", &table, expr, None);
    }
    if wants("quantile_over_time") {
        let table = counters("load", 4_000, 6);
        let expr = "quantile_over_time(0.9, load[6h])";
        measure("quantile_over_time[6h], 4 000 series", &table, expr, None);
    }
    if wants("range") {
        let table = counters("load", 1_000, 24);
        let range = Some((HOUR_MS, 24 * HOUR_MS - 1, 60_000));
        for expr in [
            "load",
            "rate(load[5m])",
            "max_over_time(load[1h])",
            "avg_over_time(load[1h])",
            "quantile_over_time(0.9, load[1h])",
            "sum by (job) (rate(load[5m]))",
            "load > 100 and on (instance, job, mode) load < 1000",
        ] {
            measure(&format!("range of 1 380 steps: {expr}"), &table, expr, range);
        }
    }
}
