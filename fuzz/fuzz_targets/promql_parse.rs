//! PromQL text: nothing panics, and what is printed reads back as the same expression.
#![no_main]

use lapwing_query::promql::{ParseOptions, parse_metric_selector, parse_with};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let options = ParseOptions::all(true);
    let _ = parse_metric_selector(text);
    let _ = parse_with(text, &ParseOptions::all(false));
    let Ok(expr) = parse_with(text, &options) else {
        return;
    };
    let _ = expr.to_json();
    let printed = expr.to_string();
    for form in [printed.clone(), expr.pretty()] {
        let again = parse_with(&form, &options).expect("what is printed can be read");
        // Infinity is printed with a sign, which reads as an operator.
        assert!(printed.contains("Inf") || again.to_string() == printed);
    }
});
