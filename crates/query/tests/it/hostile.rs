//! Expressions that nobody would write: nothing panics, what is read is printed so that it reads the same again, and limits
//! hold.

use super::memory::{MemorySource, Value};
use lapwing_query::promql::{ParseOptions, parse_with};
use lapwing_query::{Interrupt, QueryEngine, QueryError, QueryOptions};
use lapwing_types::{FloatHistogram, Labels, Span};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::sync::Arc;

const ROUNDS: u64 = 6000;

/// The expressions of the project's own scripts.
fn expressions() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        for line in std::fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["eval", "instant", "at", _, rest @ ..] => out.push(rest.join(" ")),
                ["eval", "range", "from", _, "to", _, "step", _, rest @ ..] => out.push(rest.join(" ")),
                _ => {}
            }
        }
    }
    out.sort();
    out
}

fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut last_is_word = false;
    for c in text.chars() {
        let is_word = c.is_alphanumeric() || c == '_' || c == '.';
        match out.last_mut() {
            Some(last) if is_word && last_is_word => last.push(c),
            _ => out.push(c.to_string()),
        }
        last_is_word = is_word;
    }
    out
}

const ODD: [&str; 24] = [
    "9223372036854775807",
    "-1e308",
    "NaN",
    "Inf",
    "0",
    "1y",
    "290y",
    "1ms",
    "0s",
    "step()",
    "range()",
    "@ end()",
    "@ -9223372036",
    "@ 9223372036854775",
    "offset 290y",
    "offset -290y",
    "[5m]",
    "[10s:]",
    "[290y:1ms]",
    "\"\\xff\"",
    "{",
    "(",
    "nothing",
    "{{}}",
];

fn of<'a, T>(dice: &mut SmallRng, list: &'a [T]) -> &'a T {
    &list[dice.random_range(0..list.len())]
}

/// One expression changed at a few places, with pieces of another.
fn changed(dice: &mut SmallRng, seeds: &[String]) -> String {
    let mut list = tokens(of::<String>(dice, seeds));
    let other = tokens(of::<String>(dice, seeds));
    for _ in 0..=dice.random_range(0..3) {
        let at = dice.random_range(0..list.len());
        match dice.random_range(0..6) {
            0 => {
                list.remove(at);
            }
            1 => list[at] = (*of(dice, &ODD)).to_owned(),
            2 => list.insert(at, format!(" {} ", of(dice, &ODD))),
            3 => list[at].clone_from(of(dice, &other)),
            4 => list.insert(at, format!(" ({}) ", other.concat())),
            _ => list.insert(
                at,
                format!(
                    " {} ",
                    of(dice, &["+", "==", "and", "> bool", "/ on ()", "</", "[1m]"])
                ),
            ),
        }
        if list.is_empty() {
            list.push("1".to_owned());
        }
    }
    list.concat()
}

fn histogram(schema: i32, size: f64) -> Value {
    Value::Histogram(Arc::new(FloatHistogram {
        schema,
        zero_threshold: if schema == -53 { 0.0 } else { 0.001 },
        zero_count: if schema == -53 { 0.0 } else { size },
        count: size * if schema == -53 { 3.0 } else { 4.0 },
        sum: size * 7.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive: vec![size, size * 2.0],
        custom_bounds: if schema == -53 {
            vec![1.0, 2.0].into()
        } else {
            Vec::new().into()
        },
        ..FloatHistogram::default()
    }))
}

fn source() -> MemorySource {
    let names = [
        "gauge",
        "counter",
        "steps",
        "used",
        "size",
        "n",
        "c",
        "v",
        "latency_bucket",
        "target_info",
    ];
    let mut source = MemorySource::default();
    for (number, name) in names.iter().enumerate() {
        for host in ["a", "b"] {
            let labels = Labels::from_pairs([
                ("__name__", *name),
                ("host", host),
                ("le", ["1", "+Inf"][number % 2]),
            ]);
            for i in 0..40i64 {
                let value = match (*name, i % 11) {
                    ("n", _) => histogram((i % 5) as i32, i as f64),
                    ("c", _) => histogram(-53, i as f64),
                    (_, 7) => Value::Float(f64::NAN),
                    (_, 9) => Value::Float(f64::INFINITY),
                    ("v", 5) => histogram(0, 2.0),
                    (_, rest) => Value::Float((rest * (number as i64 - 3)) as f64),
                };
                source.add(labels.as_ref().unwrap(), i * 10_000, value);
            }
        }
    }
    source.settle();
    source
}

fn options() -> QueryOptions {
    QueryOptions {
        samples_max: 200_000,
        memory_max_bytes: 4 << 20,
        experimental: true,
        ..QueryOptions::default()
    }
}

#[test]
fn nothing_panics() {
    let seed = std::env::var("LAPWING_SEED").map_or(7, |text| text.parse().unwrap());
    let (seeds, source, engine) = (expressions(), source(), QueryEngine::new());
    let mut dice = SmallRng::seed_from_u64(seed);
    let times = [
        0,
        100_000,
        -1,
        400_000,
        i64::MAX,
        i64::MIN,
        i64::MAX / 2,
        -62_135_596_800_000,
    ];
    let steps = [1, 1000, 15_000, i64::MAX];
    let mut answers = 0;
    for round in 0..ROUNDS {
        let text = changed(&mut dice, &seeds);
        // Seen only when something panics.
        println!("seed {seed} round {round}: {text}");
        let Ok(parsed) = parse_with(&text, &ParseOptions::all(true)) else {
            continue;
        };
        let printed = parsed.to_string();
        // Infinity is printed with a sign, which reads as an operator.
        let reads_back = !printed.contains("Inf");
        let again =
            parse_with(&printed, &ParseOptions::all(true)).unwrap_or_else(|e| panic!("{printed}: {e}"));
        assert!(!reads_back || printed == again.to_string(), "{printed}");
        let pretty = parsed.pretty();
        let again = parse_with(&pretty, &ParseOptions::all(true)).unwrap_or_else(|e| panic!("{pretty}: {e}"));
        assert!(!reads_back || printed == again.to_string(), "{printed}");
        let _ = parsed.to_json();
        let options = QueryOptions {
            delayed_name_removal: dice.random(),
            type_and_unit_labels: dice.random(),
            ..options()
        };
        answers += usize::from(
            engine
                .instant(&source, &text, *of(&mut dice, &times), &options)
                .is_ok(),
        );
        let start = *of(&mut dice, &times);
        let step = *of(&mut dice, &steps);
        let end = start.saturating_add(step.saturating_mul(dice.random_range(0..8)));
        answers += usize::from(engine.range(&source, &text, (start, end, step), &options).is_ok());
    }
    assert!(answers > 500, "only {answers} of the expressions have answers");
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("(", ")"), ("-", ""), ("abs(", ")"), ("1+(", ")"), ("sum(", ")")] {
        let text = format!("{}x{}", open.repeat(100_000), close.repeat(100_000));
        assert!(parse_with(&text, &ParseOptions::all(true)).is_err(), "{open}");
    }
    for text in [
        vec!["1"; 5_000].join(" + "),
        vec!["1"; 100_000].join(" ^ "),
        format!("x{}", "[5m:]".repeat(100_000)),
        format!("x{}", " offset 5m".repeat(100_000)),
        format!("x[{}1m]", "-".repeat(100_000)),
        format!("x[{}]", vec!["1m"; 100_000].join("+")),
        format!("x[{}]", vec!["1m"; 100_000].join("^")),
        format!("x[{}", "(".repeat(100_000)),
    ] {
        assert!(
            parse_with(&text, &ParseOptions::all(true)).is_err(),
            "{:.20}",
            text
        );
    }
}

#[test]
fn long_chains_are_answered() {
    let (source, engine) = (source(), QueryEngine::new());
    for (term, op) in [
        ("gauge", " or "),
        ("1", " + "),
        ("gauge", " * 2 + "),
        ("n", " + "),
    ] {
        let text = vec![term; 400].join(op);
        let parsed = parse_with(&text, &ParseOptions::all(true)).unwrap();
        assert_eq!(parsed.to_string(), text);
        assert!(!parsed.pretty().is_empty());
        engine
            .instant(&source, &text, 100_000, &QueryOptions::default())
            .unwrap();
    }
}

#[test]
fn limits_hold() {
    let (source, engine) = (source(), QueryEngine::new());
    let few = QueryOptions {
        samples_max: 50,
        ..QueryOptions::default()
    };
    let range = (0, 390_000, 10_000);
    let result = engine.range(&source, "gauge", range, &few);
    assert!(matches!(result, Err(QueryError::TooManySamples)), "{result:?}");
    let small = QueryOptions {
        memory_max_bytes: 200,
        ..QueryOptions::default()
    };
    let result = engine.range(&source, "gauge", range, &small);
    assert!(
        matches!(result, Err(QueryError::Memory { max_bytes: 200 })),
        "{result:?}"
    );
    let result = engine.instant(
        &source,
        "sum_over_time(vector(1)[1y:1ms])",
        0,
        &QueryOptions::default(),
    );
    assert!(result.is_err());
}

#[test]
fn an_interrupt_stops_a_query() {
    let (source, engine) = (source(), QueryEngine::new());
    for timed_out in [true, false] {
        let interrupt = Interrupt::default();
        if timed_out {
            interrupt.time_out();
        }
        interrupt.cancel();
        let options = QueryOptions {
            interrupt,
            ..QueryOptions::default()
        };
        match engine.instant(&source, "sum(rate(counter[5m]))", 300_000, &options) {
            Err(QueryError::Timeout) => assert!(timed_out),
            Err(QueryError::Cancelled) => assert!(!timed_out),
            other => panic!("{other:?}"),
        }
    }
}
