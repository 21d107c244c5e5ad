//! `lapwing report`: what a running Lapwing knows, to be kept, printed or sent on.
//!
//! - `dashboard`: one as a PDF. `output`: where it is written, whole or not at all.
//! - `performance`: what programs did and how it went, as text.

mod dashboard;
mod output;
mod performance;

use super::Exit;
use jiff::Timestamp;
use jiff::tz::TimeZone;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing report dashboard                            which dashboards there are\n  \
    lapwing report dashboard host --since 1d            the last day of one, as host.pdf\n  \
    lapwing report performance --hours 168              what programs did in a week, and what to do about it\n\n\
    `lapwing report dashboard --help` and `lapwing report performance --help` say more.")]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    command: ReportCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ReportCommand {
    /// Write a dashboard as a PDF, or list the dashboards
    Dashboard(Box<dashboard::DashboardArgs>),
    /// Say how operations went: totals, the slowest, what to do
    Performance(performance::PerformanceArgs),
}

pub(crate) fn run(args: &ReportArgs) -> Exit {
    match &args.command {
        ReportCommand::Dashboard(args) => dashboard::run(args),
        ReportCommand::Performance(args) => performance::run(args),
    }
}

/// The reader's clock; UTC where that is wanted, or where this machine does not say its zone.
fn zone(utc: bool) -> TimeZone {
    let system = TimeZone::system();
    if utc || system.is_unknown() {
        TimeZone::UTC
    } else {
        system
    }
}

/// How far a zone is ahead of UTC at this time.
fn offset_s(zone: &TimeZone, at_ms: i64) -> i32 {
    let at = Timestamp::from_millisecond(at_ms);
    at.map_or(0, |at| zone.to_offset(at).seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_and_winter_have_their_own_offset() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        let berlin = TimeZone::posix(berlin).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(offset_s(&berlin, at("2026-07-01T12:00:00Z")), 7200);
        assert_eq!(offset_s(&berlin, at("2026-12-01T12:00:00Z")), 3600);
        assert_eq!(offset_s(&TimeZone::UTC, at("2026-07-01T12:00:00Z")), 0);
        assert_eq!(offset_s(&berlin, i64::MAX), 0, "no such time");
    }
}
