use crate::cases::{cases, chain, summary};
use crate::strategies;
use lapwing_types::{Metadata, MetricKind, WriteBatch};
use lapwing_wire::text::{
    Entry, Escaping, Family, FamilySample, Format, Parser, format_float, parse_to_batch, write,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn check(page: &str, format: Format, expect: &str, name: &str) {
    let found = match parse_to_batch(page.as_bytes(), format, 42) {
        Ok(batch) => summary(&batch),
        Err(error) => chain(&error),
    };
    assert_eq!(found, expect, "{name}");
}

#[test]
fn prometheus_cases() {
    for case in cases(include_str!("../data/text_prometheus.test")) {
        check(case.input, Format::Prometheus, case.expect, case.name);
    }
}

#[test]
fn openmetrics_cases() {
    for case in cases(include_str!("../data/text_openmetrics.test")) {
        check(case.input, Format::OpenMetrics, case.expect, case.name);
    }
}

#[test]
fn bytes_that_are_not_text_are_named_with_their_place() {
    let error = parse_to_batch(b"a 1\nb{c=\"\xff\"} 1\n", Format::Prometheus, 0).unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 6: the page is not valid UTF-8");
}

#[test]
fn windows_line_ends_and_a_missing_last_one_are_fine() {
    check("a 1\r\nb 2", Format::Prometheus, "a 1@42\nb 2@42", "crlf");
}

#[test]
fn a_parser_goes_on_after_a_bad_line() {
    let mut parser = Parser::new(b"a x\nb 2\n", Format::Prometheus).unwrap();
    assert!(parser.next_entry().is_err());
    let Some(Entry::Sample(sample)) = parser.next_entry().unwrap() else {
        panic!("a sample");
    };
    assert_eq!((sample.series_text(), sample.value), ("b", 2.0));
    assert!(parser.next_entry().unwrap().is_none());
}

#[test]
fn writes_both_formats() {
    let batch = parse_to_batch(
        b"# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds say \\\"x\\\"\n\
          a_seconds_total{b=\"c\\n\"} 3 1.5 # {t=\"1\"} 2 0.25\n# TYPE \"d.e\" gauge\n{\"d.e\",\"f.g\"=\"h\"} 1e21\n# EOF\n",
        Format::OpenMetrics,
        0,
    )
    .unwrap();
    let mut families = families_of(&batch);
    families[1].samples[0].t_ms = None;
    assert_eq!(
        write(&families, Format::OpenMetrics, Escaping::AllowUtf8),
        "# HELP a_seconds say \\\"x\\\"\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
         a_seconds_total{b=\"c\\n\"} 3 1.500 # {t=\"1\"} 2 0.250\n\
         # TYPE \"d.e\" gauge\n{\"d.e\",\"f.g\"=\"h\"} 1e+21\n# EOF\n"
    );
    assert_eq!(
        write(&families, Format::Prometheus, Escaping::Values),
        "# HELP a_seconds say \"x\"\n# TYPE a_seconds counter\na_seconds_total{b=\"c\\n\"} 3 1500\n\
         # TYPE U__d_2e_e gauge\nU__d_2e_e{U__f_2e_g=\"h\"} 1e+21\n"
    );
}

#[test]
fn a_counter_without_total_is_not_renamed() {
    let family = Family {
        name: "a".into(),
        metadata: Metadata {
            kind: MetricKind::Counter,
            ..Metadata::default()
        },
        samples: vec![FamilySample {
            labels: lapwing_types::Labels::from_pairs([("__name__", "a")]).unwrap(),
            value: 1.0,
            t_ms: None,
            exemplar: None,
        }],
        ..Family::default()
    };
    assert_eq!(
        write(&[family], Format::OpenMetrics, Escaping::Underscores),
        "# TYPE a unknown\na 1\n# EOF\n"
    );
}

/// One family per metadata entry, the samples by prefix.
fn families_of(batch: &WriteBatch) -> Vec<Family> {
    let of = |name: &str| {
        let own = batch
            .series
            .iter()
            .filter(move |s| s.labels.metric_name().unwrap().starts_with(name));
        own.flat_map(|s| {
            s.samples.iter().map(|sample| FamilySample {
                labels: s.labels.clone(),
                value: sample.value,
                t_ms: Some(sample.t_ms),
                exemplar: s.exemplars.first().cloned(),
            })
        })
        .collect()
    };
    batch
        .metadata
        .iter()
        .map(|(name, metadata)| Family {
            name: name.clone(),
            metadata: metadata.clone(),
            samples: of(name),
            ..Family::default()
        })
        .collect()
}

proptest! {
    #[test]
    fn pages_round_trip(
        rows in vec((strategies::labels(), strategies::value(), -1_000_000_000i64..4_000_000_000_000), 1..6),
        help in "\\PC{0,20}[\\\\\"a]\n?x",
        exemplar in strategies::exemplar(),
        open_metrics: bool,
    ) {
        let format = if open_metrics { Format::OpenMetrics } else { Format::Prometheus };
        let families: Vec<Family> = rows
            .into_iter()
            .map(|(labels, value, t_ms)| Family {
                name: labels.metric_name().unwrap().to_owned(),
                metadata: Metadata { kind: MetricKind::Gauge, help: help.clone(), unit: String::new() },
                samples: vec![FamilySample { labels, value, t_ms: Some(t_ms), exemplar: Some(exemplar.clone()) }],
                ..Family::default()
            })
            .collect();
        let page = write(&families, format, Escaping::AllowUtf8);
        let batch = parse_to_batch(page.as_bytes(), format, 0).unwrap();
        for family in &families {
            let sample = &family.samples[0];
            let series = batch.series.iter().find(|s| s.labels == sample.labels).unwrap();
            prop_assert!(series.samples.iter().any(|s| s.value == sample.value && Some(s.t_ms) == sample.t_ms));
            prop_assert_eq!(series.exemplars.contains(&exemplar), open_metrics);
            let about = &batch.metadata.iter().find(|(n, _)| *n == family.name).unwrap().1;
            prop_assert_eq!(about.help.trim_start(), help.trim_start());
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = parse_to_batch(&bytes, Format::Prometheus, 0);
        let _ = parse_to_batch(&bytes, Format::OpenMetrics, 0);
    }

    #[test]
    fn no_page_like_text_panics(page in "([#{}\",=\\\\ \n]|TYPE|HELP|UNIT|a|_created|histogram|counter|1|é| # ){0,40}") {
        let _ = parse_to_batch(page.as_bytes(), Format::Prometheus, 0);
        let _ = parse_to_batch(page.as_bytes(), Format::OpenMetrics, 0);
    }

    #[test]
    fn floats_are_short(value in -1_000_000i64..1_000_000) {
        prop_assert_eq!(format_float(value as f64 / 4.0), (value as f64 / 4.0).to_string());
    }
}
