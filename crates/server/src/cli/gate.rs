//! `lapwing gate`: is this run worse than its baseline? Baselines are files that can be committed.
//!
//! Exit codes: 0 the gate is open, 1 it is not, 2 the input is wrong, 3 the server is not to be reached, 4 there is no baseline or no data.

use super::remote::ServerArgs;
use super::{Exit, complain};
use anyhow::{Context, bail};
use lapwing_judge::gate::{
    Condition, Format, GateOptions, GateWindow, Missing, NoiseModel, Points, gate, held, measured, render,
};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing gate save main results.json --pin          keep a run as the baseline \"main\"\n  \
    lapwing gate check results.json --baseline main    compare a run with it\n  \
    lapwing gate check results.json --baseline old.json --relative 0.1 --format markdown\n  \
    lapwing gate check results.json --baseline main --condition 'error_rate < 0.01' --junit gate.xml\n  \
    lapwing gate check --window 30m --query 'latency=p95{version=\"2\"}' --baseline-query 'latency=p95{version=\"1\"}'\n\n\
    A file holds {\"metric\": number}, {\"metric\": [numbers]}, {\"metric\": {\"values\": […], \"direction\": \"lower\"}} or [{\"name\", \"value\", \"tags\"}].\n    \
    Without a direction the name says it (latency, accuracy); a name that does not is held to its value both ways.")]
pub(crate) struct GateArgs {
    #[command(subcommand)]
    command: GateCommand,
    /// Where baselines are kept
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = ".lapwing/baselines",
        env = "LAPWING_BASELINES"
    )]
    dir: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum GateCommand {
    /// Compare a run with a baseline
    Check(Box<CheckArgs>),
    /// Keep a run as a baseline
    Save {
        name: String,
        /// The run; - reads standard input
        file: PathBuf,
        /// Not to be overwritten
        #[arg(long)]
        pin: bool,
    },
    /// Say which baselines there are
    List,
    /// Keep a baseline from being overwritten
    Pin { name: String },
    /// Let a baseline be overwritten again
    Unpin { name: String },
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The run; - reads standard input
    #[arg(required_unless_present = "query")]
    file: Option<PathBuf>,
    /// A metric of the run, measured by the server over the window: a canary
    #[arg(long, value_name = "NAME=PROMQL", conflicts_with = "file")]
    query: Vec<String>,
    /// A metric of the baseline, measured the same way
    #[arg(long, value_name = "NAME=PROMQL", conflicts_with = "baseline")]
    baseline_query: Vec<String>,
    /// How long queries are measured, and conditions have to hold without a break [default: 10m for queries; conditions hold now]
    #[arg(long, value_name = "DURATION")]
    window: Option<String>,
    /// The name of a baseline, or a file
    #[arg(long, value_name = "NAME|FILE", default_value = "main")]
    baseline: String,
    /// How much worse is allowed, relatively
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    relative: f64,
    /// A smaller worsening than this never counts
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    absolute: f64,
    /// How sure the noise model has to be
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    alpha: f64,
    /// Fewer values than this on either side and only the thresholds decide
    #[arg(long, value_name = "N", default_value_t = 5)]
    values_min: usize,
    /// How noise is told from a regression: by ranks (mann-whitney), or by drawing the means again (bootstrap)
    #[arg(long, value_name = "MODEL", default_value = "mann-whitney")]
    noise: String,
    /// A metric that is on one side only fails the gate
    #[arg(long)]
    strict: bool,
    /// PromQL that has to return something, asked of the server
    #[arg(long, value_name = "PROMQL")]
    condition: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// What to print: text, markdown, junit, github or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,
    /// Also write JUnit's XML here
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also write Markdown here (in GitHub's workflows: "$GITHUB_STEP_SUMMARY")
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    name: String,
    /// Seconds since 1970, as the Python package writes it.
    saved_at: f64,
    pinned: bool,
    metrics: Points,
}

/// A baseline of a name that nobody saved.
#[derive(Debug, thiserror::Error)]
#[error("no baseline is called {name:?} in {dir}: save one with `lapwing gate save {name} FILE`")]
struct NoBaseline {
    name: String,
    dir: String,
}

/// A metric that the server was to measure.
#[derive(Debug, thiserror::Error)]
#[error("{name} has no samples in the window: {expr}")]
struct NoSamples {
    name: String,
    expr: String,
}

const WINDOW_MS_DEFAULT: i64 = 600_000;

pub(crate) fn run(args: &GateArgs) -> Exit {
    let done = match &args.command {
        GateCommand::Check(check) => compare(&args.dir, check),
        GateCommand::Save { name, file, pin } => save(&args.dir, (name, file), *pin),
        GateCommand::List => list(&args.dir),
        GateCommand::Pin { name } => set_pin(&args.dir, name, true),
        GateCommand::Unpin { name } => set_pin(&args.dir, name, false),
    };
    done.unwrap_or_else(|error| {
        complain(&error);
        match error.downcast_ref::<super::query::AskError>() {
            Some(super::query::AskError::Unreachable { .. }) => Exit::Unreachable,
            _ if error.is::<NoBaseline>() || error.is::<NoSamples>() => Exit::NoData,
            _ => Exit::Usage,
        }
    })
}

fn compare(dir: &Path, args: &CheckArgs) -> anyhow::Result<Exit> {
    let format = Format::parse(&args.format).with_context(|| {
        format!(
            "--format {}: use text, markdown, junit, github or json",
            args.format
        )
    })?;
    let window = window(args)?;
    let current = match &args.file {
        Some(file) => points(file)?,
        None => asked_points(args, &args.query, window)?,
    };
    let as_file = Path::new(&args.baseline);
    let (name, baseline) = if !args.baseline_query.is_empty() {
        ("the server", asked_points(args, &args.baseline_query, window)?)
    } else if as_file.is_file() {
        (args.baseline.as_str(), points(as_file)?)
    } else {
        (args.baseline.as_str(), load(dir, &args.baseline)?.metrics)
    };
    let options = GateOptions {
        relative: args.relative,
        absolute: args.absolute,
        alpha: args.alpha,
        values_min: args.values_min,
        noise: NoiseModel::parse(&args.noise)
            .with_context(|| format!("--noise {}: use mann-whitney or bootstrap", args.noise))?,
        missing: if args.strict { Missing::Fail } else { Missing::Warn },
        ..GateOptions::default()
    };
    let over = args.window.as_ref().map(|_| window);
    let asked = args.condition.iter().map(|c| ask(args, over, c)).collect();
    let report = gate(name, &baseline, &current, &options).with_conditions(asked);
    print!("{}", render(&report, format));
    for (file, format) in [(&args.junit, Format::Junit), (&args.markdown, Format::Markdown)] {
        if let Some(file) = file {
            std::fs::write(file, render(&report, format))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(match report.passed {
        true => Exit::Fine,
        false if report.nothing_compared() => Exit::NoData,
        false => Exit::Failed,
    })
}

/// What `--window` says, before now.
fn window(args: &CheckArgs) -> anyhow::Result<GateWindow> {
    let length_ms = match &args.window {
        None => WINDOW_MS_DEFAULT,
        Some(text) => lapwing_types::parse_duration_ms(text).with_context(|| format!("--window {text}"))?,
    };
    if length_ms <= 0 {
        bail!("--window 0s: a window is longer than nothing");
    }
    Ok(GateWindow::before(lapwing::Clock::system().now_ms(), length_ms))
}

/// Metrics that the server measures. One without data ends the gate: a canary that nobody watches has not passed.
fn asked_points(args: &CheckArgs, queries: &[String], window: GateWindow) -> anyhow::Result<Points> {
    let mut points = Points::default();
    for query in queries {
        let (name, expr) = query
            .split_once('=')
            .filter(|(name, expr)| !name.trim().is_empty() && !expr.trim().is_empty())
            .with_context(|| format!("{query:?}: write NAME=PROMQL"))?;
        let range = (expr, window.start_ms, window.end_ms, window.step_ms);
        let answer = super::query::ask_range(&args.server.url(), args.server.token(), range)?;
        let values = measured(name, expr, &answer)?;
        if values.is_empty() {
            return Err(NoSamples {
                name: name.to_owned(),
                expr: expr.to_owned(),
            }
            .into());
        }
        points.metrics.entry(name.trim().to_owned()).or_default().values = values;
    }
    Ok(points)
}

fn ask(args: &CheckArgs, over: Option<GateWindow>, expr: &str) -> Condition {
    if let Some(window) = over {
        let range = (expr, window.start_ms, window.end_ms, window.step_ms);
        return match super::query::ask_range(&args.server.url(), args.server.token(), range) {
            Ok(answer) => held(expr, window, &answer),
            Err(reason) => Condition {
                expr: expr.to_owned(),
                holds: false,
                detail: format!("could not be asked: {reason}"),
            },
        };
    }
    let answer = super::query::ask_instant(&args.server.url(), args.server.token(), expr);
    let (holds, detail) = match answer {
        Ok(0) => (false, "no series fulfils it".to_owned()),
        Ok(n) => (true, format!("{n} series")),
        Err(reason) => (false, format!("could not be asked: {reason}")),
    };
    Condition {
        expr: expr.to_owned(),
        holds,
        detail,
    }
}

fn points(file: &Path) -> anyhow::Result<Points> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    Points::parse(&text).with_context(|| format!("{} is not a run", file.display()))
}

fn path_of(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        bail!("{name:?} cannot be the name of a baseline: no slashes, not beginning with a dot");
    }
    Ok(dir.join(format!("{name}.json")))
}

fn load(dir: &Path, name: &str) -> anyhow::Result<Kept> {
    let path = path_of(dir, name)?;
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Err(NoBaseline {
            name: name.to_owned(),
            dir: dir.display().to_string(),
        }
        .into());
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not a baseline", path.display()))
}

/// The file appears when it is whole.
fn write(dir: &Path, kept: &Kept) -> anyhow::Result<PathBuf> {
    let path = path_of(dir, &kept.name)?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let part = path.with_extension(format!("part{}", std::process::id()));
    let text = serde_json::to_string_pretty(kept)? + "\n";
    std::fs::write(&part, text).with_context(|| format!("cannot write {}", part.display()))?;
    std::fs::rename(&part, &path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn save(dir: &Path, (name, file): (&str, &Path), pinned: bool) -> anyhow::Result<Exit> {
    let metrics = points(file)?;
    if metrics.metrics.is_empty() {
        bail!("{} holds no metric", file.display());
    }
    if let Some(metric) = metrics.not_finite() {
        bail!(
            "{}: metric {metric:?} has a value that is not finite",
            file.display()
        );
    }
    if load(dir, name).is_ok_and(|have| have.pinned) {
        bail!("baseline {name:?} is pinned: `lapwing gate unpin {name}` first");
    }
    let kept = Kept {
        name: name.to_owned(),
        saved_at: lapwing::Clock::system().now_ms() as f64 / 1000.0,
        pinned,
        metrics,
    };
    println!("saved {}", write(dir, &kept)?.display());
    Ok(Exit::Fine)
}

fn set_pin(dir: &Path, name: &str, pinned: bool) -> anyhow::Result<Exit> {
    let kept = Kept {
        pinned,
        ..load(dir, name)?
    };
    write(dir, &kept)?;
    Ok(Exit::Fine)
}

fn list(dir: &Path) -> anyhow::Result<Exit> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .collect();
    names.sort();
    for name in &names {
        let kept = load(dir, name)?;
        let pin = if kept.pinned { "  pinned" } else { "" };
        println!("{name}  {} metrics{pin}", kept.metrics.metrics.len());
    }
    if names.is_empty() {
        eprintln!("no baselines in {}", dir.display());
        return Ok(Exit::NoData);
    }
    Ok(Exit::Fine)
}
