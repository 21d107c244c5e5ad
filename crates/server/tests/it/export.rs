//! `lapwing export` and `/api/v1/export`: what goes out comes back as it was.

use crate::support::{Said, Server, free_port, has, now_ms, said_by};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

fn lapwing(args: &[&str]) -> Said {
    said_by(
        Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .args(args)
            .env_remove("LAPWING_URL")
            .env_remove("LAPWING_SERVER"),
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every kind of family, at 40 times a day apart.
fn page(end_s: i64) -> String {
    let mut page = String::new();
    let times = || (0..40).map(|i| (i, end_s - (39 - i) * 86_400));
    page.push_str("# HELP jobs Jobs that \\\"ended\\\".\\nTwo lines.\n# TYPE jobs counter\n");
    for (i, t) in times() {
        let exemplar = if i == 7 {
            format!(" # {{trace_id=\"abc\"}} 2.5 {t}.000")
        } else {
            String::new()
        };
        writeln!(page, "jobs_total{{kind=\"train\"}} {} {t}.000{exemplar}", i * 3).unwrap();
    }
    writeln!(page, "jobs_created{{kind=\"train\"}} {}", end_s - 40 * 86_400).unwrap();
    page.push_str("# HELP latency_seconds How long.\n# TYPE latency_seconds histogram\n# UNIT latency_seconds seconds\n");
    for (suffix, factor) in [
        ("_bucket{le=\"0.5\"}", 1),
        ("_bucket{le=\"+Inf\"}", 2),
        ("_count", 2),
        ("_sum", 5),
    ] {
        for (i, t) in times() {
            writeln!(page, "latency_seconds{suffix} {} {t}.000", i * factor).unwrap();
        }
    }
    page.push_str("# HELP load Load.\n# TYPE load gauge\n");
    let odd = [
        "NaN",
        "+Inf",
        "-Inf",
        "-0",
        "1e+300",
        "0.1",
        "5e-324",
        "123456789.123",
    ];
    for (i, t) in times() {
        writeln!(
            page,
            "load{{host=\"a\\\"b\\\\c\\nd\",zone=\"ü\"}} {} {t}.123",
            odd[i as usize % odd.len()]
        )
        .unwrap();
    }
    writeln!(page, "{{\"größe.mm\",\"an.der\"=\"x\"}} 17 {end_s}.500").unwrap();
    page.push_str("# EOF\n");
    page
}

fn import(page: &Path, data: &Path) {
    let said = lapwing(&[
        "import",
        "openmetrics",
        "--quiet",
        text(page),
        "--data",
        text(data),
    ]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Names, labels, numbers and times, whatever their order on the page and the spelling of a number.
#[test]
fn what_was_imported_goes_out_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str| dir.path().join(name);
    let end_s = now_ms() / 1_000 - 3 * 86_400;
    let (input, first, second) = (of("in.om"), of("first.om"), of("second.om"));
    std::fs::write(&input, page(end_s)).unwrap();
    import(&input, &of("data"));
    let out = lapwing(&["export", "--data", text(&of("data")), "-o", text(&first)]);
    assert_eq!((out.code, out.out.as_str()), (Some(0), ""), "{}", out.err);
    assert!(!of("first.om.partial").exists());
    let written = std::fs::read_to_string(&first).unwrap();
    // `_created` has a time here, which the sample has that it was told with.
    let told = |text: &str| -> Vec<String> {
        let lines = sorted(text)
            .into_iter()
            .map(|line| match line.split_once("_created{kind=\"train\"} ") {
                Some((name, rest)) => format!("{name}_created {}", rest.split(' ').next().unwrap_or("")),
                None => line.to_owned(),
            });
        lines.collect()
    };
    assert_eq!(told(&written), told(&page(end_s)), "{written}");
    assert!(written.ends_with("\n# EOF\n"));

    import(&first, &of("again"));
    let out = lapwing(&["export", "--data", text(&of("again"))]);
    assert_eq!(
        (out.code, out.out.as_str()),
        (Some(0), written.as_str()),
        "{}",
        out.err
    );

    // Of a server, which has series of its own, as lines of JSON, and back through its own door.
    let config = of("lapwing.yml");
    std::fs::write(
        &config,
        "store: { retention: forever, out_of_order_window: 60d }\nhost: { enabled: false }\n",
    )
    .unwrap();
    let server = Server::start(&of("again"), &["--config", text(&config)]);
    let lines = lapwing(&[
        "export",
        "{__name__!=\"\",job!=\"lapwing\"}",
        "--server",
        &server.url,
        "--format",
        "jsonl",
        "-o",
        text(&second),
    ]);
    assert_eq!((lines.code, lines.out.as_str()), (Some(0), ""), "{}", lines.err);
    let lines = std::fs::read_to_string(&second).unwrap();
    // Forty days are two windows of each series but the one with a single sample.
    assert_eq!(lines.lines().count(), 13, "{lines}");
    let other = Server::start(&of("other"), &["--config", text(&config)]);
    let kept = other.post("/api/v1/import", &[], lines.as_bytes());
    assert_eq!(kept.status, 200, "{}", kept.body);
    let back = other
        .get("/api/v1/export?match[]=%7B__name__!=%22%22,job!=%22lapwing%22%7D")
        .body;
    assert_eq!(sorted(&back), sorted(&lines));
}

#[test]
fn a_part_can_be_asked_for_and_a_series_goes_out_once() {
    let dir = tempfile::tempdir().unwrap();
    let (input, data) = (dir.path().join("in.om"), dir.path().join("data"));
    let end_s = now_ms() / 1_000 - 3 * 86_400;
    std::fs::write(&input, page(end_s)).unwrap();
    import(&input, &data);
    let export = |args: &[&str]| {
        let all = [&["export", "--data", text(&data)], args].concat();
        let said = lapwing(&all);
        (said.code, said.out, said.err)
    };
    let (start, end) = (end_s - 86_400, end_s);
    let (code, out, err) = export(&[
        "load",
        "{zone=\"ü\"}",
        "--start",
        &start.to_string(),
        "--end",
        &end.to_string(),
    ]);
    assert_eq!(code, Some(0), "{err}");
    // The last one of them is a fraction behind the end.
    assert_eq!(out.matches("load{").count(), 1, "{out}");
    let (code, out, _) = export(&["latency_seconds_sum", "--since", "4d", "--format", "jsonl"]);
    assert_eq!(code, Some(0));
    assert_eq!(out.lines().count(), 1);
    let line: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        line["metric"],
        serde_json::json!({ "__name__": "latency_seconds_sum" })
    );
    assert_eq!(line["values"], serde_json::json!([195]), "{line}");
}

#[test]
fn what_cannot_be_exported_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (input, data, file) = (
        dir.path().join("in.om"),
        dir.path().join("data"),
        dir.path().join("out.om"),
    );
    std::fs::write(&input, page(now_ms() / 1_000)).unwrap();
    import(&input, &data);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let nowhere = dir.path().join("no/such/folder.om");
    for (args, code, expect) in [
        (vec!["nothing", "--data", text(&data)], 4, "no data"),
        (vec!["load{", "--data", text(&data)], 2, "match[]"),
        (vec!["--since", "soon", "--data", text(&data)], 2, "--since"),
        (vec!["--start", "soon", "--data", text(&data)], 2, "--start"),
        (vec!["--server", &nobody], 3, "is Lapwing running there?"),
        (vec!["--data", text(&nowhere)], 1, "not a data directory"),
        (
            vec!["--data", text(&data), "-o", text(&nowhere)],
            1,
            "cannot write",
        ),
    ] {
        let out = ["-o", text(&file)];
        let all = [vec!["export"], out.to_vec(), args.clone()].concat();
        let all = if args.contains(&"-o") {
            [vec!["export"], args].concat()
        } else {
            all
        };
        let said = lapwing(&all);
        assert_eq!(said.code, Some(code), "{all:?}: {}", said.err);
        assert!(said.err.contains(expect), "{all:?}: {}", said.err);
        let left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}

/// Prometheus's own tool makes blocks of it; names in quotes are more than a Prometheus before 3 reads.
#[test]
fn promtool_takes_the_text() {
    if !has("promtool") {
        eprintln!("SKIPPED promtool_takes_the_text: promtool is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, data, out) = (
        dir.path().join("in.om"),
        dir.path().join("data"),
        dir.path().join("out.om"),
    );
    std::fs::write(&input, page(now_ms() / 1_000 - 86_400)).unwrap();
    import(&input, &data);
    let plain = "{__name__=~\"[a-z_]+\"}";
    assert_eq!(
        lapwing(&["export", plain, "--data", text(&data), "-o", text(&out)]).code,
        Some(0)
    );
    let made = said_by(
        Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", text(&out)])
            .arg(dir.path().join("blocks")),
    );
    assert_eq!(made.code, Some(0), "{}{}", made.out, made.err);
}
