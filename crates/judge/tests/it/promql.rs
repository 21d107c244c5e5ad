//! Rules over real samples: the query engine below, what a tick recorded above.

use crate::table::{events, labels, load};
use lapwing_judge::rules::{Evaluate, QueryEvaluator, Rules, RulesOptions, RulesState};
use lapwing_query::QueryOptions;
use lapwing_store::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, SeriesSource};
use lapwing_types::Labels;

pub(crate) struct Samples(pub(crate) Vec<(Labels, SeriesPoints)>);

struct Reader(SeriesPoints);

impl SeriesReader for Reader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        for (t, v) in self.0.times_ms.iter().zip(&self.0.values) {
            if (start_ms..=end_ms).contains(t) {
                out.times_ms.push(*t);
                out.values.push(*v);
            }
        }
        Ok(())
    }
}

impl SeriesSource for Samples {
    fn select(&self, selection: &Selection) -> Result<Vec<SelectedSeries>, ReadError> {
        let of = self
            .0
            .iter()
            .filter(|(l, _)| selection.matchers.iter().all(|m| m.matches_labels(l)));
        Ok(of
            .map(|(labels, points)| SelectedSeries {
                labels: labels.clone(),
                reader: Box::new(Reader(points.clone())),
            })
            .collect())
    }

    fn label_names(&self, _: &Selection) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &Selection) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }
}

const RULES: &str = r#"
groups:
  - name: g
    interval: 10s
    rules:
      - record: job:load:sum
        expr: sum by (job) (load)
      - alert: Heavy
        expr: job:load:sum > 5
        annotations: {others: '{{ range query "load" }}{{ .Labels.i }}={{ .Value }} {{ end }}'}
      - alert: HeavyAgain
        expr: ALERTS{alertname="Heavy", alertstate="firing"} == 1
      - alert: Plain
        expr: load >= 4
"#;

#[test]
fn a_rule_sees_what_the_rules_before_it_recorded_in_the_same_tick() {
    for threads in [1, 4] {
        let now_ms = 1_000_000_000;
        let points = |value: f64| SeriesPoints {
            starts_ms: Vec::new(),
            times_ms: vec![now_ms - 5_000, now_ms + 5_000],
            values: vec![value, value],
            ..SeriesPoints::default()
        };
        let series = |i: &str| labels(&[("__name__", "load"), ("job", "j"), ("i", i)]);
        let samples = Samples(vec![(series("1"), points(2.0)), (series("2"), points(4.0))]);
        let rules = Rules::new(load(RULES), RulesOptions::default());
        let mut state = RulesState::default();
        rules.tick(
            now_ms,
            &mut QueryEvaluator::new(&samples, QueryOptions::default(), threads),
            &mut state,
        );
        let mut evaluator = QueryEvaluator::new(&samples, QueryOptions::default(), threads);
        let tick = rules.tick(now_ms + 10_000, &mut evaluator, &mut state);
        let view = rules.view(&state);
        assert!(view[0].rules.iter().all(|r| r.health == "ok"), "{view:?}");
        let fired: Vec<String> = tick.events.iter().map(|e| e.alert.name().to_owned()).collect();
        assert_eq!(fired, ["Heavy", "HeavyAgain", "Plain"], "{:?}", events(&tick));
        assert_eq!(tick.events[0].alert.annotations.get("others"), Some("1=2 2=4 "));
        let recorded = &tick.samples.series[0];
        assert_eq!(
            (recorded.labels.to_string().as_str(), recorded.samples[0].value),
            ("job:load:sum{job=\"j\"}", 6.0)
        );
        let again = evaluator
            .instant("job:load:sum + 0", recorded.samples[0].t_ms)
            .unwrap();
        assert_eq!(again[0].value, 6.0);
        assert!(
            evaluator
                .instant("load[1m]", now_ms)
                .unwrap_err()
                .reason
                .contains("matrix")
        );
    }
}
