//! `lapwing report performance`: what programs did and how it went, in a page of text: totals, the slowest, the machine, what to do.

use super::super::Exit;
use super::super::remote::{Call, ServerArgs};
use super::super::shown::{shown, shown_short};
use super::zone;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lapwing_chart::Unit;
use lapwing_judge::performance::{
    OperationSummary, PerformanceReport, Recommendation, ResourceSummary, Spread, TrendWord,
};
use std::fmt::Write;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing report performance                          the last day\n  \
    lapwing report performance --hours 0.5              the last half hour\n  \
    lapwing report performance --json | jq .success_rate\n\n\
    Operations are what programs tell: with @track and the other ways of the Python package, with the SDK for Rust, or by\n\
    POST /api/v1/operations.\n\
    Exit codes: 0 there is a report, 1 failed, 2 usage, 3 unreachable, 4 no operation in that time, 5 timeout")]
pub(super) struct PerformanceArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// How far back
    #[arg(long, value_name = "HOURS", default_value = "24", value_parser = hours, allow_negative_numbers = true)]
    hours: f64,
    /// Print the whole report as JSON
    #[arg(long)]
    json: bool,
    /// Write times in UTC instead of this machine's time zone
    #[arg(long, conflicts_with = "json")]
    utc: bool,
}

/// Names of operations in the table.
const ROWS_MAX: usize = 15;
/// What is rarer than this is told by the minute, and then by the hour.
const RATE_MIN: f64 = 1.0;

#[derive(serde::Deserialize)]
struct Envelope<T> {
    data: T,
}

pub(super) fn run(args: &PerformanceArgs) -> Exit {
    let call = Call::get("/api/v1/performance/report").with("hours", args.hours.to_string());
    let report = match args.server.ask::<Envelope<PerformanceReport>>(call) {
        Ok(envelope) => envelope.data,
        Err(error) => return error.complain(),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        print!("{}", text(&report, &zone(args.utc)));
    }
    if report.total_operations > 0 {
        return Exit::Fine;
    }
    if !args.json {
        eprintln!(
            "lapwing: no operation ended in this time; `lapwing report performance --help` says who tells them"
        );
    }
    Exit::NoData
}

fn text(report: &PerformanceReport, zone: &TimeZone) -> String {
    let window = report.window;
    let mut out = format!(
        "Performance from {} to {}\n",
        time(window.start_ms, zone, "%Y-%m-%d %H:%M"),
        time(window.end_ms, zone, "%Y-%m-%d %H:%M %Z")
    );
    if let Some(durations) = report.duration_s.filter(|_| report.total_operations > 0) {
        out.push_str(&totals(report, &durations));
        out.push_str(&slowest(&report.by_name));
    }
    if let Some(resources) = &report.resources {
        out.push_str(&machine(report, resources));
    }
    if !report.recommendations.is_empty() {
        out.push_str("\nWhat to do\n");
        for (i, one) in report.recommendations.iter().enumerate() {
            out.push_str(&recommendation(i + 1, one, zone));
        }
    } else if report.total_operations > 0 {
        out.push_str("\nNothing stands out: there is nothing to do.\n");
    }
    out
}

fn totals(report: &PerformanceReport, durations: &Spread) -> String {
    let count = report.total_operations;
    let mut out = format!(
        "\n{count} operation{}, {}; {} went well",
        if count == 1 { "" } else { "s" },
        rate(report.operations_per_second),
        Unit::Ratio.show(report.success_rate.unwrap_or(f64::NAN)),
    );
    if report.failed_operations > 0 {
        let _ = write!(out, ", {} failed", report.failed_operations);
    }
    let s = |value| Unit::Seconds.show(value);
    let _ = writeln!(
        out,
        "\nhalf took up to {}, 95 % up to {}, 99 % up to {}, the longest {}",
        s(durations.median),
        s(durations.p95),
        s(durations.p99),
        s(durations.max)
    );
    let trend = report.trends.iter().find(|t| t.quantity == "duration_s");
    if let Some((before, after)) = trend.and_then(|t| t.before.zip(t.after)) {
        let word = match trend.map(|t| t.word) {
            Some(TrendWord::Increasing) => "slower",
            Some(TrendWord::Decreasing) => "faster",
            _ => return out,
        };
        let _ = writeln!(
            out,
            "they became {word}: {} on average in the first half, {} in the second",
            s(before),
            s(after)
        );
    }
    out
}

fn rate(per_second: f64) -> String {
    let (value, word) = match per_second {
        n if n >= RATE_MIN => (n, "a second"),
        n if n * 60.0 >= RATE_MIN => (n * 60.0, "a minute"),
        n => (n * 3600.0, "an hour"),
    };
    format!("{} {word}", Unit::None.show(value))
}

fn slowest(by_name: &[OperationSummary]) -> String {
    let mut rows: Vec<&OperationSummary> = by_name.iter().collect();
    rows.sort_by(|a, b| b.duration_s.p95.total_cmp(&a.duration_s.p95));
    let mut table = table([
        "SLOWEST",
        "COUNT",
        "FAILED",
        "MEDIAN",
        "95 %",
        "LONGEST",
        "LAST ERROR",
    ]);
    let s = |value| Unit::Seconds.show(value);
    for one in rows.iter().take(ROWS_MAX) {
        let error = one.last_error.as_deref();
        table.add_row([
            shown_short(&one.name),
            one.count.to_string(),
            one.failed.to_string(),
            s(one.duration_s.median),
            s(one.duration_s.p95),
            s(one.duration_s.max),
            error.map_or_else(|| "–".to_owned(), shown_short),
        ]);
    }
    let mut out = format!("\n{}\n", table.trim_fmt());
    if rows.len() > ROWS_MAX {
        let _ = writeln!(out, "and {} more, which --json has", rows.len() - ROWS_MAX);
    }
    out
}

fn machine(report: &PerformanceReport, resources: &ResourceSummary) -> String {
    let trend = |quantity: &str| {
        let found = report.trends.iter().find(|t| t.quantity == quantity);
        match found.map(|t| t.word) {
            Some(TrendWord::Increasing) => "rises",
            Some(TrendWord::Decreasing) => "falls",
            Some(TrendWord::Stable) => "stays",
            _ => "–",
        }
    };
    let percent = |s: Option<Spread>, name: &str, quantity: &str| {
        s.map(|s| (name.to_owned(), s, Unit::Percent, trend(quantity)))
    };
    let mut rows = vec![
        percent(resources.cpu_percent, "CPU", "cpu_percent"),
        percent(resources.memory_percent, "memory", "memory_percent"),
        percent(resources.disk_percent, "disk", "disk_percent"),
    ];
    let process = resources.process_memory_bytes;
    rows.push(process.map(|s| ("memory of the process".to_owned(), s, Unit::Bytes, "–")));
    for (gpu, spread) in &resources.gpu_utilization_percent {
        rows.push(Some((
            format!("GPU {}", shown_short(gpu)),
            *spread,
            Unit::Percent,
            "–",
        )));
    }
    for (gpu, spread) in &resources.gpu_memory_percent {
        let name = format!("memory of GPU {}", shown_short(gpu));
        rows.push(Some((name, *spread, Unit::Percent, "–")));
    }
    let mut table = table(["MACHINE", "MEAN", "95 %", "HIGHEST", "TREND"]);
    for (name, spread, unit, trend) in rows.into_iter().flatten() {
        let values = [spread.mean, spread.p95, spread.max].map(|v| unit.show(v));
        let [mean, p95, max] = values;
        table.add_row([name, mean, p95, max, trend.to_owned()]);
    }
    if table.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", table.trim_fmt());
    if let Some(free) = resources.disk_free_bytes_min {
        let _ = writeln!(out, "at least {} of disk were free", Unit::Bytes.show(free));
    }
    out
}

fn recommendation(nth: usize, one: &Recommendation, zone: &TimeZone) -> String {
    let mut out = format!("{nth:>3}. {}\n", shown(&one.message));
    for operation in &one.operations {
        let _ = writeln!(
            out,
            "       {}  {}  {}{}",
            time(operation.started_ms, zone, "%Y-%m-%d %H:%M:%S"),
            Unit::Seconds.show(operation.duration_s),
            shown_short(&operation.name),
            operation
                .error
                .as_deref()
                .map_or_else(String::new, |e| format!(": {}", shown_short(e)))
        );
    }
    out
}

fn time(ms: i64, zone: &TimeZone, format: &str) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => at.to_zoned(zone.clone()).strftime(format).to_string(),
        Err(_) => "?".to_owned(),
    }
}

fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head);
    table
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse::<f64>().ok().filter(|h| *h > 0.0 && h.is_finite());
    hours.ok_or_else(|| "not a number of hours above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_judge::performance::{
        Operation, OperationKind, PerformanceOptions, ResourceSnapshot, Window, report,
    };

    const DAY: Window = Window {
        start_ms: 1_795_219_200_000,
        end_ms: 1_795_305_600_000,
    };

    fn operation(nth: i64, name: &str, duration_s: f64, error: Option<&str>) -> Operation {
        Operation {
            id: format!("op-{nth}"),
            kind: OperationKind::Request,
            name: name.to_owned(),
            parent: None,
            started_ms: DAY.start_ms + nth * 60_000,
            duration_s,
            success: error.is_none(),
            error: error.map(str::to_owned),
            metadata: std::collections::BTreeMap::new(),
            resources: None,
        }
    }

    fn said(operations: &[Operation], readings: &[ResourceSnapshot]) -> String {
        let report = report(operations, readings, DAY, &PerformanceOptions::default());
        text(&report, &TimeZone::UTC)
    }

    #[test]
    fn a_report_says_what_was_slow_what_failed_and_what_to_do() {
        let mut operations: Vec<Operation> = (0..16).map(|i| operation(i, "embed", 0.12, None)).collect();
        operations.push(operation(
            18,
            "fetch",
            40.0,
            Some("timeout\u{1b}[2J\nof a mirror"),
        ));
        operations.push(operation(19, "fetch", 50.0, None));
        let readings: Vec<ResourceSnapshot> = (0..20)
            .map(|i| ResourceSnapshot {
                t_ms: DAY.start_ms + i,
                cpu_percent: Some(if i < 10 { 20.0 } else { 40.0 }),
                disk_free_bytes: Some(64.0 * (1 << 30) as f64),
                ..ResourceSnapshot::default()
            })
            .collect();
        let said = said(&operations, &readings);
        let has = |wanted: &str| assert!(said.contains(wanted), "no {wanted:?} in\n{said}");
        has("Performance from 2026-11-21 00:00 to 2026-11-22 00:00 UTC\n");
        has("\n18 operations, 0.75 an hour; 94.4 % went well, 1 failed\nhalf took up to 120 ms, 95 % up to");
        has("the longest 50 s\n");
        has("they became slower: 120 ms on average in the first half");
        has("timeout\\u{1b}[2J of a mirror");
        has("rises");
        has("at least 64 GiB of disk were free\n");
        has("\nWhat to do\n");
        has("  1. 2 of 18 operations (11.1%) took longer");
        has("  2. 1 of 18 operations (5.6%) failed");
        has("       2026-11-21 00:18:00  40 s  fetch: timeout");
        let (fetch, embed) = (said.find("\n fetch"), said.find("\n embed"));
        assert!(fetch.is_some() && fetch < embed, "the slowest first:\n{said}");
        assert!(said.lines().all(|l| l == l.trim_end()), "{said}");
    }

    #[test]
    fn a_good_day_is_short() {
        let said = said(&[operation(1, "embed", 0.12, None)], &[]);
        assert!(
            said.contains("\n1 operation, 0.042 an hour; 100 % went well\n"),
            "{said}"
        );
        assert!(!said.contains(" failed\n") && !said.contains("MACHINE"), "{said}");
        assert!(said.ends_with("there is nothing to do.\n"), "{said}");
    }

    #[test]
    fn nothing_is_not_a_good_day() {
        let said = said(&[], &[]);
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    #[test]
    fn many_names_are_cut_and_counted() {
        let operations: Vec<Operation> = (0..20)
            .map(|i| operation(i, &format!("n{i}"), i as f64, None))
            .collect();
        let said = said(&operations, &[]);
        assert!(
            said.contains("\n n19 ") && said.contains("\nand 5 more"),
            "{said}"
        );
        assert!(!said.contains("\n n4 "), "{said}");
    }

    #[test]
    fn rates_are_numbers_that_can_be_read() {
        assert_eq!(rate(12.0), "12 a second");
        assert_eq!(rate(0.05), "3 a minute");
        assert_eq!(rate(1.0 / 3600.0), "1 an hour");
        assert!(hours("0").is_err() && hours("inf").is_err() && hours("day").is_err());
        assert_eq!(hours("0.5"), Ok(0.5));
    }
}
