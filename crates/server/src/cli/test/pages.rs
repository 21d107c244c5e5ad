//! Pages that were expected, against those that left.

use lapwing::ToldPage;
use lapwing_judge::testing::{ExpectedPage, Failure};
use lapwing_types::{format_duration_ms, parse_duration_ms};
use serde_saphyr::Spanned;

pub(super) fn check(
    expected: &[Spanned<ExpectedPage>],
    got: &[ToldPage],
    (start_ms, interval_ms): (i64, i64),
) -> Vec<Failure> {
    let mut failures = Vec::new();
    for page in expected {
        if let Err(error) = parse_duration_ms(&page.value.at) {
            failures.push(Failure::said(page.referenced.line(), format!("at: {error}")));
        }
    }
    let fits = |e: &ExpectedPage, g: &ToldPage| {
        let at_ms = parse_duration_ms(&e.at).unwrap_or(0);
        let mut names = (e.firing.clone(), e.resolved.clone());
        names.0.sort();
        names.1.sort();
        (at_ms..at_ms + interval_ms).contains(&(g.at_ms - start_ms))
            && (&e.receiver, &names.0, &names.1) == (&g.receiver, &g.firing, &g.resolved)
    };
    let all_fit = expected.len() == got.len() && expected.iter().zip(got).all(|(e, g)| fits(&e.value, g));
    if !all_fit {
        // What fits is said in the words of the expectation, so that it shows as common.
        let said = |g: &ToldPage| match expected.iter().find(|e| fits(&e.value, g)) {
            Some(e) => line(&e.value.at, &g.receiver, (&g.firing, &g.resolved)),
            None => line(
                &format_duration_ms(g.at_ms - start_ms),
                &g.receiver,
                (&g.firing, &g.resolved),
            ),
        };
        failures.push(Failure {
            line: expected.first().map_or(1, |e| e.referenced.line()),
            what: format!("{} pages expected, {} left", expected.len(), got.len()),
            expected: expected.iter().map(|e| expected_line(&e.value)).collect(),
            got: got.iter().map(said).collect(),
        });
        return failures;
    }
    for (e, g) in expected.iter().zip(got) {
        for text in e
            .value
            .contains
            .iter()
            .filter(|t| !g.message.contains(t.as_str()))
        {
            failures.push(Failure {
                line: e.referenced.line(),
                what: format!(
                    "the message to {} at {} does not contain the text",
                    g.receiver, e.value.at
                ),
                expected: vec![text.clone()],
                got: vec![g.message.clone()],
            });
        }
    }
    failures
}

fn expected_line(page: &ExpectedPage) -> String {
    let mut names = (page.firing.clone(), page.resolved.clone());
    names.0.sort();
    names.1.sort();
    line(&page.at, &page.receiver, (&names.0, &names.1))
}

fn line(at: &str, receiver: &str, (firing, resolved): (&[String], &[String])) -> String {
    format!("{at} to {receiver}: firing {firing:?} resolved {resolved:?}")
}
