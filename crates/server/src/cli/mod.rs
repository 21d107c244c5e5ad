//! The command line: one file per command; the table of them is [`Command`].
//!
//! Exit codes: 0 fine, 1 failed or firing, 2 usage or configuration, 3 unreachable, 4 no data, 5 timeout.

mod ack;
mod alertmanager;
mod alerts;
mod backup;
mod check;
mod completion;
mod demo;
mod doctor;
#[cfg(test)]
mod documented;
mod export;
mod gate;
mod health;
mod import;
mod import_data;
mod init;
mod notify_test;
mod peer_flags;
mod prometheus;
mod prometheus_flags;
mod query;
mod remote;
mod report;
mod routes;
mod rules;
mod serve;
mod shown;
mod silence;
mod test;
mod top;
mod verify;
mod why;

use crate::config::listen_address;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::ExitCode;

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Fine = 0,
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    NoData = 4,
    Timeout = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

#[derive(Debug, Parser)]
#[command(
    name = "lapwing",
    version,
    about = "Keeps watch over models in production: gathers every signal, keeps it, judges it, tells the right person",
    after_help = "Without a command Lapwing serves on http://127.0.0.1:9595 and keeps its data in ./lapwing-data.\n\n\
                  Examples:\n  lapwing                                   start with defaults\n  \
                  lapwing serve --config lapwing.yml        start with a configuration\n  \
                  lapwing check lapwing.yml                 say everything that is wrong with one\n  \
                  lapwing query 'rate(node_cpu_seconds_total[5m])'\n\n\
                  The commands that ask a running Lapwing find it by --server or LAPWING_URL, with --token or LAPWING_TOKEN.\n\
                  Exit codes: 0 fine, 1 failed or firing, 2 usage or configuration, 3 unreachable, 4 no data, 5 timeout"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start Lapwing (the default)
    Serve(serve::ServeArgs),
    /// Show three invented models with a day of incidents, live
    Demo(demo::DemoArgs),
    /// Ask a question in PromQL, of a server or of a data directory
    Query(query::QueryArgs),
    /// The overview in the terminal
    Top(top::TopArgs),
    /// Reports: a dashboard as a PDF, how operations went as text
    Report(report::ReportArgs),
    /// Say how models and checks are, worst first
    Health(health::HealthArgs),
    /// List what fires, the worst first
    Alerts(alerts::AlertsArgs),
    /// Keep alerts quiet for a while: add, list, expire, preview
    Silence(silence::SilenceArgs),
    /// Say that you have it: repeats and escalation stop
    Ack(ack::AckArgs),
    /// Why was somebody paged about this alert, or why not?
    Why(why::WhyArgs),
    /// Draw the routes, and say where an alert would go
    Routes(routes::RoutesArgs),
    /// Send one test page through a receiver's real channels
    NotifyTest(notify_test::NotifyTestArgs),
    /// Read a configuration and say everything that is wrong with it
    Check(check::CheckArgs),
    /// Compare a run with its baseline, for continuous integration and canaries
    Gate(gate::GateArgs),
    /// Look at everything that a start would meet, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Explain rules, look for mistakes in them, try them on the past
    Rules(rules::RulesArgs),
    /// Run unit tests: from samples through rules and routes to the message
    Test(test::TestArgs),
    /// Write a commented configuration to start from
    Init(init::InitArgs),
    /// Take over what other systems hold: their configuration, their history
    Import(import::ImportArgs),
    /// Write samples as text that other programs read
    Export(export::ExportArgs),
    /// Copy all that Lapwing keeps, while it runs or not
    Backup(backup::BackupArgs),
    /// Put a backup in the place where Lapwing will be started
    Restore(backup::RestoreArgs),
    /// Read every checksum of a data directory or a backup, and say what is lost
    Verify(verify::VerifyArgs),
    /// In the place of Prometheus: its flags, its prometheus.yml
    Prometheus(prometheus::PrometheusArgs),
    /// In the place of Alertmanager: its flags, its alertmanager.yml
    Alertmanager(alertmanager::AlertmanagerArgs),
    /// Print what completes these commands in a shell
    Completion(completion::CompletionArgs),
}

/// Runs the program with these arguments, the program's name first.
pub fn cli_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Fine
            };
            return code.into();
        }
    };
    end_quietly_when_nobody_reads();
    // The HTTP clients of the commands take the process's cryptography; refused when there is one, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exit = match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Query(args)) => query::run(&args),
        Some(Command::Top(args)) => top::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Health(args)) => health::run(&args),
        Some(Command::Alerts(args)) => alerts::run(&args),
        Some(Command::Silence(args)) => silence::run(&args),
        Some(Command::Ack(args)) => ack::run(&args),
        Some(Command::Why(args)) => why::run(&args),
        Some(Command::Routes(args)) => routes::run(&args),
        Some(Command::NotifyTest(args)) => notify_test::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Gate(args)) => gate::run(&args),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Init(args)) => init::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Backup(args)) => backup::back_up(&args),
        Some(Command::Restore(args)) => backup::restore(&args),
        Some(Command::Verify(args)) => verify::run(&args),
        Some(Command::Prometheus(args)) => prometheus::run(&args),
        Some(Command::Alertmanager(args)) => alertmanager::run(&args),
        Some(Command::Rules(args)) => rules::run(&args),
        Some(Command::Test(args)) => test::run(&args),
        Some(Command::Completion(args)) => completion::run(&args),
    };
    exit.into()
}

/// An address to listen on, as `web.listen` takes it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let hint = "write 127.0.0.1:9595, localhost:9595, [::1]:9595, or 0.0.0.0:9595 for all addresses";
    listen_address(text).ok_or_else(|| format!("not an address and port; {hint}"))
}

/// What a shell shows of a process that a closed pipe ended.
const BROKEN_PIPE_EXIT: i32 = 128 + 13;

/// `lapwing check … | head` closes our output before we are done, which `println!` takes for a panic. As with every other tool of a
/// pipe there is nothing to say about it.
fn end_quietly_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload_as_str().unwrap_or("");
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(BROKEN_PIPE_EXIT);
        }
        usual(info);
    }));
}

/// Says on standard error what went wrong, with its causes, each on a line.
fn complain(error: &anyhow::Error) {
    let mut text = format!("lapwing: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    let is_full = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause
            .downcast_ref()
            .is_some_and(lapwing_store::metrics::is_disk_full);
        io || cause
            .downcast_ref()
            .is_some_and(lapwing_store::state::StateError::is_disk_full)
    };
    if error.chain().any(is_full) {
        text.push_str("\n  nothing that was kept is lost: make room on the disk (not in the data directory itself) and try again");
    }
    eprintln!("{text}");
}
