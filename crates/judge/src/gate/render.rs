//! A report for people and for machines: text, Markdown, JUnit's XML, GitHub's annotations, JSON.

use super::compare::{GateReport, Row, Verdict};
use super::noise::Noise;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Markdown,
    Junit,
    Github,
    Json,
}

impl Format {
    pub fn parse(word: &str) -> Option<Format> {
        Some(match word {
            "text" => Format::Text,
            "markdown" | "md" => Format::Markdown,
            "junit" => Format::Junit,
            "github" => Format::Github,
            "json" => Format::Json,
            _ => return None,
        })
    }
}

pub fn render(report: &GateReport, format: Format) -> String {
    match format {
        Format::Text => text(report),
        Format::Markdown => markdown(report),
        Format::Junit => junit(report),
        Format::Github => github(report),
        Format::Json => serde_json::to_string_pretty(report).unwrap_or_default(),
    }
}

/// Why a gate without a single comparison is not open.
const NOTHING: &str = "nothing was compared, because no metric has values in both the run and the baseline";

fn headline(report: &GateReport) -> String {
    let failed = report.rows.iter().filter(|r| r.fails).count();
    let conditions = report.conditions.iter().filter(|c| !c.holds).count();
    let verdict = if report.passed { "passed" } else { "failed" };
    if report.nothing_compared() {
        return format!("gate {verdict} against {:?}: {NOTHING}", report.baseline);
    }
    format!(
        "gate {verdict} against {:?}: {} metrics, {failed} worse, {conditions} conditions not met",
        report.baseline,
        report.rows.len()
    )
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(v) if v != 0.0 && (v.abs() >= 1e6 || v.abs() < 1e-3) => format!("{v:.3e}"),
        Some(v) => {
            let text = format!("{v:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

fn between(interval: Option<(f64, f64)>) -> String {
    interval.map_or(String::new(), |(low, high)| {
        format!(", {:+.1}% to {:+.1}%", low * 100.0, high * 100.0)
    })
}

fn change(row: &Row) -> String {
    match row.change {
        Some(c) => format!("{:+.1}%", c * 100.0),
        None if row.zero_baseline => "from 0".to_owned(),
        None => "–".to_owned(),
    }
}

/// A probability that is not zero must not read as zero.
fn chance(p: f64) -> String {
    if p < 0.0005 {
        "p < 0.001".to_owned()
    } else {
        format!("p = {p:.3}")
    }
}

/// What the verdict means, in words.
pub(super) fn words(row: &Row) -> String {
    let allowed = row.allowed * 100.0;
    match row.verdict {
        Verdict::Same => "within the threshold".to_owned(),
        Verdict::Better => "better".to_owned(),
        Verdict::Worse => {
            let sure = match row.noise {
                Some(Noise::MannWhitney { p }) => format!(", {}", chance(p)),
                Some(Noise::Bootstrap { p, interval }) => format!(", {}{}", chance(p), between(interval)),
                Some(Noise::TooFewValues { least }) => format!(", no noise model ({least} values)"),
                None => String::new(),
            };
            match row.direction {
                Some(better) => format!(
                    "worse by more than {allowed:.1}% ({} is better{sure})",
                    better.as_str()
                ),
                None => format!(
                    "changed by more than {allowed:.1}% (which way is better is not known: give its direction{sure})"
                ),
            }
        }
        Verdict::WithinNoise => match row.noise {
            Some(Noise::MannWhitney { p }) => format!("worse, and not more than noise ({})", chance(p)),
            Some(Noise::Bootstrap { p, interval }) => {
                format!(
                    "worse, and not more than noise ({}{})",
                    chance(p),
                    between(interval)
                )
            }
            _ => "worse, and not more than noise".to_owned(),
        },
        Verdict::NoBaseline => "no baseline: save one".to_owned(),
        Verdict::NoValue => "in the baseline, and not in this run".to_owned(),
        Verdict::NotFinite => "not a finite number".to_owned(),
        Verdict::Info => "for information".to_owned(),
    }
}

fn text(report: &GateReport) -> String {
    let width = report
        .rows
        .iter()
        .map(|r| r.metric.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for row in &report.rows {
        let mark = if row.fails { "✗" } else { "·" };
        let _ = writeln!(
            out,
            "{mark} {:width$}  {:>12} -> {:>12}  {:>9}  {}",
            row.metric,
            number(row.baseline),
            number(row.current),
            change(row),
            words(row)
        );
    }
    for condition in &report.conditions {
        let mark = if condition.holds { "·" } else { "✗" };
        let _ = writeln!(out, "{mark} {}  {}", condition.expr, condition.detail);
    }
    let _ = writeln!(out, "{}", headline(report));
    out
}

/// What could not be judged is neither.
fn mark(row: &Row) -> &'static str {
    match row.verdict {
        _ if row.fails => "❌",
        Verdict::NoBaseline | Verdict::NoValue | Verdict::NotFinite => "⚠️",
        _ => "✅",
    }
}

fn markdown(report: &GateReport) -> String {
    let mut out = format!("### Lapwing: {}\n\n", headline(report));
    out.push_str("| | metric | baseline | now | change | |\n|---|---|---:|---:|---:|---|\n");
    let cell = |text: &str| text.replace('|', "\\|");
    for row in &report.rows {
        let _ = writeln!(
            out,
            "| {} | `{}` | {} | {} | {} | {} |",
            mark(row),
            cell(&row.metric),
            number(row.baseline),
            number(row.current),
            change(row),
            words(row)
        );
    }
    for condition in &report.conditions {
        let mark = if condition.holds { "✅" } else { "❌" };
        let _ = writeln!(
            out,
            "| {mark} | `{}` | | | | {} |",
            cell(&condition.expr),
            cell(&condition.detail)
        );
    }
    out
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // What XML 1.0 cannot hold at all.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn junit(report: &GateReport) -> String {
    let nothing = report.nothing_compared();
    let failures = report.rows.iter().filter(|r| r.fails).count()
        + report.conditions.iter().filter(|c| !c.holds).count()
        + usize::from(nothing);
    let skipped = report.count(Verdict::NoBaseline) + report.count(Verdict::NoValue);
    let tests = report.rows.len() + report.conditions.len() + usize::from(nothing);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"lapwing gate\" tests=\"{tests}\" \
         failures=\"{failures}\" skipped=\"{skipped}\">\n"
    );
    for row in &report.rows {
        let _ = write!(
            out,
            "  <testcase classname=\"lapwing.gate\" name=\"{}\"",
            xml(&row.metric)
        );
        let detail = format!(
            "{} -> {}, {}: {}",
            number(row.baseline),
            number(row.current),
            change(row),
            words(row)
        );
        let inner = if row.fails {
            format!("<failure message=\"{}\"/>", xml(&detail))
        } else if matches!(row.verdict, Verdict::NoBaseline | Verdict::NoValue) {
            format!("<skipped message=\"{}\"/>", xml(&detail))
        } else {
            format!("<system-out>{}</system-out>", xml(&detail))
        };
        let _ = writeln!(out, ">{inner}</testcase>");
    }
    for condition in &report.conditions {
        let _ = write!(
            out,
            "  <testcase classname=\"lapwing.gate.condition\" name=\"{}\">",
            xml(&condition.expr)
        );
        if !condition.holds {
            let _ = write!(out, "<failure message=\"{}\"/>", xml(&condition.detail));
        }
        out.push_str("</testcase>\n");
    }
    if nothing {
        let _ = writeln!(
            out,
            "  <testcase classname=\"lapwing.gate\" name=\"gate\"><failure message=\"{NOTHING}\"/></testcase>"
        );
    }
    out.push_str("</testsuite>\n");
    out
}

/// GitHub's workflow commands escape these in a message.
fn command(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn github(report: &GateReport) -> String {
    let mut out = String::new();
    for row in &report.rows {
        let level = match row.verdict {
            _ if row.fails => "error",
            Verdict::WithinNoise | Verdict::NoBaseline | Verdict::NoValue | Verdict::NotFinite => "warning",
            _ => continue,
        };
        let line = format!(
            "{}: {} -> {}, {}",
            row.metric,
            number(row.baseline),
            number(row.current),
            words(row)
        );
        let _ = writeln!(out, "::{level} title=lapwing gate::{}", command(&line));
    }
    for condition in report.conditions.iter().filter(|c| !c.holds) {
        let line = format!("{}: {}", condition.expr, condition.detail);
        let _ = writeln!(out, "::error title=lapwing gate::{}", command(&line));
    }
    let level = if report.nothing_compared() {
        "error"
    } else {
        "notice"
    };
    let _ = writeln!(
        out,
        "::{level} title=lapwing gate::{}",
        command(&headline(report))
    );
    out
}

#[cfg(test)]
mod tests {
    use super::super::{GateOptions, Points, gate};
    use super::*;

    fn report() -> GateReport {
        gate(
            "main",
            &Points::parse(r#"{"latency{path=\"<a>\"}": 1, "throughput": 100}"#).unwrap(),
            &Points::parse(r#"{"latency{path=\"<a>\"}": 2, "throughput": 101, "new": 1}"#).unwrap(),
            &GateOptions::default(),
        )
    }

    #[track_caller]
    fn check(format: Format, parts: &[&str]) {
        let out = render(&report(), format);
        for part in parts {
            assert!(out.contains(part), "{part} is not in\n{out}");
        }
    }

    #[test]
    fn every_format_says_that_nothing_was_compared() {
        let one = Points::parse(r#"{"latency": 1}"#).unwrap();
        let report = gate("main", &one, &Points::default(), &GateOptions::default());
        for (format, part) in [
            (Format::Text, "gate failed against \"main\": nothing was compared"),
            (Format::Markdown, "nothing was compared"),
            (Format::Junit, "tests=\"2\" failures=\"1\" skipped=\"1\""),
            (Format::Github, "::error title=lapwing gate::gate failed"),
        ] {
            let out = render(&report, format);
            assert!(out.contains(part), "{part} is not in\n{out}");
        }
    }

    #[test]
    fn a_direction_that_nobody_gave_is_asked_for() {
        let points = |text| Points::parse(text).unwrap();
        let report = gate(
            "main",
            &points(r#"{"zorp": 1}"#),
            &points(r#"{"zorp": 2}"#),
            &GateOptions::default(),
        );
        let out = render(&report, Format::Text);
        assert!(
            out.contains("changed by more than 5.0% (which way is better is not known: give its direction"),
            "{out}"
        );
    }

    #[test]
    fn every_format_says_what_failed_and_why() {
        check(
            Format::Text,
            &[
                "✗ latency",
                "+100.0%",
                "lower is better",
                "gate failed against \"main\"",
            ],
        );
        check(Format::Markdown, &["| ❌ | `latency", "no baseline: save one"]);
        check(
            Format::Junit,
            &[
                "tests=\"3\" failures=\"1\" skipped=\"1\"",
                "&lt;a&gt;",
                "<failure message=",
            ],
        );
        check(
            Format::Github,
            &[
                "::error title=lapwing gate::latency",
                "100.0%25".split('1').next().unwrap_or(""),
            ],
        );
        check(Format::Json, &["\"passed\": false"]);
    }
}
