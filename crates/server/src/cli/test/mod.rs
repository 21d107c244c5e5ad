//! `lapwing test`: from samples through rules, routes, inhibition, mute times and escalation to the rendered message, on a clock that
//! goes where the file says. promtool's unit-test files are taken as they are.

mod junit;
mod meanwhile;
mod pages;

use super::Exit;
use crate::config::notify_of;
use crate::http::parse_time_ms;
use lapwing::Telling;
use lapwing_judge::packs::Pack;
use lapwing_judge::rules::{
    RuleFileError, RuleGroup, RulesOptions, check_expr, compile_own_rules, load_rule_file,
};
use lapwing_judge::testing::{Failure, TestCase, TestFile, run_case};
use lapwing_notify::config::NotifyConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing test rules_test.yml                 (promtool's format, or ours: docs/alerting.md)\n  \
    lapwing test tests/*.yml --junit out.xml\n\n\
    Exit codes: 0 all passed, 1 a test failed, 2 a file could not be read")]
pub(crate) struct TestArgs {
    /// Files of unit tests
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    run: Option<String>,
}

/// What became of one test.
struct Ran {
    file: String,
    name: String,
    failures: Vec<Failure>,
}

pub(crate) fn run(args: &TestArgs) -> Exit {
    let mut ran = Vec::new();
    let mut unreadable = 0;
    for path in &args.files {
        match run_file(path, args.run.as_deref()) {
            Ok(more) => ran.extend(more),
            Err(reasons) => {
                unreadable += 1;
                reasons.iter().for_each(|reason| eprintln!("lapwing: {reason}"));
            }
        }
    }
    for test in &ran {
        print!("{}", shown(test));
    }
    let failed = ran.iter().filter(|t| !t.failures.is_empty()).count();
    println!("{} passed, {failed} failed", ran.len() - failed);
    if let Some(path) = &args.junit
        && let Err(error) = std::fs::write(path, junit::xml(&ran))
    {
        eprintln!("lapwing: cannot write {}: {error}", path.display());
        return Exit::Usage;
    }
    match (unreadable, failed) {
        (0, 0) => Exit::Fine,
        (0, _) => Exit::Failed,
        _ => Exit::Usage,
    }
}

fn shown(test: &Ran) -> String {
    if test.failures.is_empty() {
        return format!("ok    {} {}\n", test.file, test.name);
    }
    let mut out = format!("FAIL  {} {}\n", test.file, test.name);
    for failure in &test.failures {
        out.push_str(&format!("  {}:{}: {}\n", test.file, failure.line, failure.what));
        out.push_str(&difference(failure));
    }
    out
}

/// What is on both sides stands once; `-` was expected, `+` was found.
fn difference(failure: &Failure) -> String {
    let mut out = String::new();
    let lines = failure.expected.iter().map(|l| ('-', l, failure.got.contains(l)));
    for (mark, line, is_common) in lines {
        out.push_str(&format!("    {} {line}\n", if is_common { ' ' } else { mark }));
    }
    for line in failure.got.iter().filter(|l| !failure.expected.contains(l)) {
        out.push_str(&format!("    + {line}\n"));
    }
    if failure.expected.is_empty() && !failure.got.is_empty() {
        out.insert_str(0, "    - nothing\n");
    }
    if failure.got.is_empty() && !failure.expected.is_empty() {
        out.push_str("    + nothing\n");
    }
    out
}

fn run_file(path: &Path, wanted: Option<&str>) -> Result<Vec<Ran>, Vec<String>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| vec![format!("cannot read {name}: {e}")])?;
    let file = TestFile::parse(&name, &text).map_err(|e| vec![e.to_string()])?;
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let groups = groups(&name, &file, &base)?;
    let notify = match &file.notify {
        Some(notify) => Arc::new(notify_of(notify.clone(), &base)?),
        None => Arc::new(NotifyConfig::quiet()),
    };
    let mut ran = Vec::new();
    for (nth, test) in file.tests.iter().enumerate() {
        let title = if test.value.name.is_empty() {
            format!("test {}", nth + 1)
        } else {
            test.value.name.clone()
        };
        if wanted.is_some_and(|w| !title.contains(w)) {
            continue;
        }
        let world = (groups.clone(), notify.clone());
        ran.push(Ran {
            file: name.clone(),
            name: title,
            failures: run_test(&file, (&test.value, test.referenced.line()), world),
        });
    }
    Ok(ran)
}

fn run_test(
    file: &TestFile,
    (test, line): (&TestCase, u64),
    (groups, notify): (Vec<RuleGroup>, Arc<NotifyConfig>),
) -> Vec<Failure> {
    let start = test.start_timestamp.as_deref().map(parse_time_ms).transpose();
    let (start_ms, interval_ms) = match (start, file.interval_ms()) {
        (Ok(start), Ok(interval_ms)) => (start.unwrap_or(0), interval_ms),
        (Err(e), _) | (_, Err(e)) => return vec![Failure::said(line, e)],
    };
    let mut deeds = match meanwhile::Deeds::read(&test.meanwhile, start_ms) {
        Ok(deeds) => deeds,
        Err(failure) => return vec![failure],
    };
    let mut telling = Telling::new(notify, start_ms);
    let mut last_ms = start_ms;
    let mut failures = run_case(file, test, (groups, start_ms), &mut |now_ms, events| {
        deeds.until(now_ms, &mut telling);
        telling.hear(now_ms, events);
        last_ms = now_ms;
    });
    let end_ms = last_ms + interval_ms - 1;
    deeds.until(end_ms, &mut telling);
    failures.extend(deeds.end());
    if let Some(expected) = &test.pages {
        telling.pass(end_ms);
        failures.extend(pages::check(expected, &telling.pages, (start_ms, interval_ms)));
    }
    failures
}

fn groups(name: &str, file: &TestFile, base: &Path) -> Result<Vec<RuleGroup>, Vec<String>> {
    let options = RulesOptions {
        interval_ms: file.interval_ms().map_err(|e| vec![format!("{name}: {e}")])?,
        ..RulesOptions::default()
    };
    let said = |errors: Vec<RuleFileError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut groups = Vec::new();
    let mut wrong = Vec::new();
    for pattern in &file.rule_files {
        let found = lapwing_collect::glob::expand(&base.join(pattern));
        if found.is_empty() {
            wrong.push(format!("{name}: no file matches {pattern:?}"));
        }
        for path in found {
            let shown = path.display().to_string();
            match std::fs::read_to_string(&path) {
                Err(error) => wrong.push(format!("cannot read {shown}: {error}")),
                Ok(text) => match load_rule_file(&shown, &text, &options, &check_expr) {
                    Ok(more) => groups.extend(more),
                    Err(errors) => wrong.extend(said(errors)),
                },
            }
        }
    }
    let own: Vec<_> = file
        .rules
        .iter()
        .map(|r| (r.value.clone(), r.referenced.line()))
        .collect();
    match compile_own_rules(name, &own, &options) {
        Ok(group) if !group.rules.is_empty() => groups.push(group),
        Ok(_) => {}
        Err(errors) => wrong.extend(said(errors)),
    }
    for pack in &file.packs {
        match Pack::find(&pack.value).map(|p| p.group(&[], &options)) {
            Some(Ok(group)) => groups.push(group),
            Some(Err(errors)) => wrong.extend(said(errors)),
            None => wrong.push(format!(
                "{name}:{}: no pack is called {:?}",
                pack.referenced.line(),
                pack.value
            )),
        }
    }
    if wrong.is_empty() { Ok(groups) } else { Err(wrong) }
}
