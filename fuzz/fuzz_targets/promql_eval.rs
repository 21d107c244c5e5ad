//! PromQL over a few series of every kind: nothing panics, limits hold.
#![no_main]

use lapwing_query::{QueryEngine, QueryOptions};
use lapwing_store::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, SeriesSource};
use lapwing_types::{FloatHistogram, Labels, Span};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

struct Table(Vec<(Labels, Arc<SeriesPoints>)>);

struct Reader(Arc<SeriesPoints>);

impl SeriesReader for Reader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let wanted = start_ms..=end_ms;
        for (t, value) in self.0.times_ms.iter().zip(&self.0.values) {
            if wanted.contains(t) {
                out.times_ms.push(*t);
                out.values.push(*value);
            }
        }
        let histograms = self.0.histograms.iter().filter(|h| wanted.contains(&h.0));
        out.histograms.extend(histograms.cloned());
        Ok(())
    }
}

impl SeriesSource for Table {
    fn select(&self, selection: &Selection) -> Result<Vec<SelectedSeries>, ReadError> {
        let series = self.0.iter();
        let matching = series.filter(|(labels, _)| selection.matchers.iter().all(|m| m.matches_labels(labels)));
        Ok(matching
            .map(|(labels, points)| SelectedSeries {
                labels: labels.clone(),
                reader: Box::new(Reader(points.clone())),
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

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut series = Vec::new();
    for (number, name) in ["a", "b_bucket", "h", "nhcb", "target_info"].iter().enumerate() {
        for le in ["1", "+Inf"] {
            let labels = Labels::from_pairs([("__name__", *name), ("le", le), ("job", "j")]);
            let labels = labels.expect("the names differ");
            series.push((labels, Arc::new(points(number))));
        }
    }
    Table(series)
});

fn points(number: usize) -> SeriesPoints {
    let mut points = SeriesPoints::default();
    for i in 0..30i64 {
        let t_ms = i * 10_000;
        if number == 2 || number == 3 {
            points.histograms.push((t_ms, Arc::new(histogram(number == 3, i as f64))));
            continue;
        }
        points.times_ms.push(t_ms);
        points.values.push(match i % 13 {
            7 => f64::NAN,
            11 => f64::INFINITY,
            rest => (rest * (number as i64 - 1)) as f64,
        });
    }
    points
}

fn histogram(custom: bool, size: f64) -> FloatHistogram {
    FloatHistogram {
        schema: if custom { -53 } else { (size % 4.0) as i32 },
        count: size * 3.0,
        sum: size * 7.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive: vec![size, size * 2.0],
        custom_bounds: if custom { vec![1.0, 2.0].into() } else { Vec::new().into() },
        ..FloatHistogram::default()
    }
}

fuzz_target!(|input: (&str, i64, i64, i64)| {
    let (text, start_ms, length_ms, step_ms) = input;
    let options = QueryOptions {
        samples_max: 100_000,
        memory_max_bytes: 4 << 20,
        experimental: true,
        ..QueryOptions::default()
    };
    let engine = QueryEngine::new();
    let _ = engine.instant(&*TABLE, text, start_ms, &options);
    let end_ms = start_ms.saturating_add(length_ms);
    let _ = engine.range(&*TABLE, text, (start_ms, end_ms, step_ms), &options);
});
