//! `lapwing why`: why was I, or was I not, paged? The decisions about an alert in the order in which they were made, and in
//! one sentence what came of them.

use super::Exit;
use super::alerts::{is_fingerprint, pick, state_of};
use super::remote::{Call, RemoteError, ServerArgs};
use super::shown::shown;
use comfy_table::{ContentArrangement, Table, presets};
use lapwing_types::{Decision, DecisionReason};

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing why HighLoss                 each alert of this name, also when it is over\n  \
    lapwing why 0c1d2e3f4a5b6c7d         one of them, by the ID that `lapwing alerts` shows\n  \
    lapwing why HighLoss --limit 1000 --json\n\n\
    Exit codes: 0 found, 3 unreachable, 4 nothing is recorded about such an alert")]
pub(crate) struct WhyArgs {
    /// Its name, or the beginning of its ID
    #[arg(value_name = "ALERT")]
    alert: String,
    /// The newest so many decisions
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Print them as JSON, the newest first
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// As the API takes it.
const FINGERPRINT_CHARS: usize = 16;

pub(crate) fn run(args: &WhyArgs) -> Exit {
    let decisions = match ask(args) {
        Ok(decisions) => decisions,
        Err(error) => return error.complain(),
    };
    if decisions.is_empty() {
        eprintln!(
            "lapwing: nothing is recorded about {}\n  hint: `lapwing alerts` shows what fires; decisions are kept for a month unless \
             notify.lapwing.keep_history says otherwise",
            args.alert
        );
        return Exit::NoData;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&decisions).unwrap_or_default());
        return Exit::Fine;
    }
    let firing = pick(&args.server, &[]).unwrap_or_default();
    for alert in alerts_of(&decisions) {
        let print = alert[0].fingerprint.to_string();
        let row = firing.iter().find(|row| row.fingerprint == print);
        let is_pending = alert.last().is_some_and(|d| d.reason == DecisionReason::Pending);
        let gone = if is_pending { "pending" } else { "over" };
        let state = row.map_or_else(|| gone.to_owned(), state_of);
        println!("{} ({print}), {state}", shown(&alert[0].alertname));
        if let Some(row) = row {
            let labels: Vec<String> = row
                .labels
                .iter()
                .map(|(n, v)| format!("{}={}", shown(n), shown(v)))
                .collect();
            println!("  {}", labels.join(" "));
        }
        println!("  {}\n\n{}\n", in_short(&alert), table(&alert));
    }
    Exit::Fine
}

fn ask(args: &WhyArgs) -> Result<Vec<Decision>, RemoteError> {
    let limit = args.limit.to_string();
    let call = Call::get("/api/v1/decisions").with("limit", limit);
    if !is_fingerprint(&args.alert) {
        return args.server.ask(call.with("alertname", &args.alert));
    }
    let mut print = args.alert.clone();
    if print.len() < FINGERPRINT_CHARS {
        let found = pick(&args.server, &[print.clone()])?;
        match found.first() {
            Some(row) => print.clone_from(&row.fingerprint),
            None => return Ok(Vec::new()),
        }
    }
    args.server.ask(call.with("fingerprint", print))
}

/// By alert, the one with the newest decision first; within an alert the oldest first.
fn alerts_of(newest_first: &[Decision]) -> Vec<Vec<&Decision>> {
    let mut alerts: Vec<Vec<&Decision>> = Vec::new();
    for decision in newest_first {
        match alerts
            .iter_mut()
            .find(|a| a[0].fingerprint == decision.fingerprint)
        {
            Some(alert) => alert.push(decision),
            None => alerts.push(vec![decision]),
        }
    }
    alerts.iter_mut().for_each(|alert| alert.reverse());
    alerts
}

/// The last decision that says whether somebody was told; where it says no, also that somebody was told before.
fn in_short(oldest_first: &[&Decision]) -> String {
    let said = oldest_first
        .iter()
        .rev()
        .find_map(|d| Some((outcome(d.reason)?, d)));
    let Some((words, d)) = said else {
        return "In short: nothing was decided yet about telling anybody.".to_owned();
    };
    let told = told_before(oldest_first).filter(|_| words.starts_with(NOT_TOLD));
    let words = match (told, words.strip_prefix(NOT_TOLD)) {
        (Some(at_ms), Some(why)) => format!("last told {}; since then not told{why}", time(at_ms)),
        _ => words.to_owned(),
    };
    let of_end = d.detail.strip_prefix("Resolved ");
    if let (Some(words), Some(detail)) = (of_end.and(told_of_end(oldest_first, d)), of_end) {
        return format!("In short: {words} {} ({}).", shown(detail), time(d.at_ms));
    }
    match d.detail.as_str() {
        "" => format!("In short: {words} ({}).", time(d.at_ms)),
        detail => format!("In short: {words}: {} ({}).", shown(detail), time(d.at_ms)),
    }
}

/// A page about ends goes to a whole group: whether this alert was among them.
fn told_of_end(oldest_first: &[&Decision], page: &Decision) -> Option<&'static str> {
    let before = oldest_first.iter().rev().skip_while(|d| !std::ptr::eq(**d, page));
    let mut turns = before.filter(|d| matches!(d.reason, DecisionReason::Firing | DecisionReason::Resolved));
    let is_over = turns.next().is_some_and(|d| d.reason == DecisionReason::Resolved);
    match (page.reason, is_over) {
        (DecisionReason::Delivered, true) => Some("its end was told"),
        (DecisionReason::Delivered, false) => Some("told once more when others of its group ended,"),
        (DecisionReason::SendIntended, true) => Some("its end is on its way"),
        (DecisionReason::SendIntended, false) => Some("a page is on its way, as others of its group ended,"),
        _ => None,
    }
}

const NOT_TOLD: &str = "not told";

/// When a page was taken last since it began to fire.
fn told_before(oldest_first: &[&Decision]) -> Option<i64> {
    let of_this_firing = oldest_first
        .iter()
        .rev()
        .take_while(|d| !matches!(d.reason, DecisionReason::Firing | DecisionReason::Resolved));
    let mut pages = of_this_firing.filter(|d| d.reason == DecisionReason::Delivered);
    pages.next().map(|d| d.at_ms)
}

fn outcome(reason: DecisionReason) -> Option<&'static str> {
    use DecisionReason as R;
    Some(match reason {
        R::Delivered => "a page was taken",
        R::SendIntended | R::Notify | R::RepeatDue | R::Escalated => "a page is on its way",
        R::RetryLater => "a page was not taken yet and is tried again",
        R::FallbackUsed => "the fallback receiver is told instead",
        R::DeadLetter => "nobody took the page",
        R::Inhibited => "not told, because another alert says it already",
        R::Silenced => "not told, because it is silenced",
        R::OutsideActiveTime => "not told, because it is outside of the active times",
        R::MutedByTime => "not told, because the time is muted",
        R::Acknowledged => "not repeated, because somebody has it",
        R::CoolingDown => "not told, because this severity cools down",
        R::Flapping => "not told again, because it comes and goes",
        R::StormCollapsed => "told in the digest of a storm",
        R::ResolvedNotWanted => "its end is not told, because the receiver does not want to hear of ends",
        R::NeverNotified => "its end is not told, because nobody was told of its beginning",
        R::DependencyFailed => "not told, because something fails that it depends on, which is told instead",
        R::PlannedWork => "not told, because work is planned",
        R::PendingEnded => "not told, because it did not last long enough to fire",
        R::Pending => "not told yet, because it has not lasted long enough to fire",
        R::GroupOpened | R::GroupJoined => "not told yet, because its group waits for more of its kind",
        _ => return None,
    })
}

fn table(decisions: &[&Decision]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["WHEN", "STEP", "DECISION", "DETAIL"]);
    for d in decisions {
        table.add_row([
            time(d.at_ms),
            d.step.as_str().to_owned(),
            d.reason.as_str().to_owned(),
            shown(&d.detail),
        ]);
    }
    table
}

fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::{DecisionStep, Fingerprint, Labels};

    fn decision(name: &str, at_ms: i64, reason: DecisionReason) -> Decision {
        let labels = Labels::from_pairs([("alertname", name)]).unwrap();
        Decision {
            at_ms,
            fingerprint: Fingerprint::of(&labels),
            alertname: name.to_owned(),
            step: DecisionStep::Send,
            reason,
            detail: "d".to_owned(),
        }
    }

    #[test]
    fn the_last_word_counts() {
        let newest_first = [
            decision("a", 3_000, DecisionReason::Silenced),
            decision("b", 2_500, DecisionReason::Firing),
            decision("a", 2_000, DecisionReason::Delivered),
            decision("a", 1_000, DecisionReason::RouteMatched),
        ];
        let alerts = alerts_of(&newest_first);
        assert_eq!((alerts.len(), alerts[0].len()), (2, 3));
        assert_eq!(alerts[0][0].at_ms, 1_000);
        assert_eq!(
            in_short(&alerts[0]),
            "In short: last told 1970-01-01 00:00:02 UTC; since then not told, because it is silenced: d (1970-01-01 00:00:03 UTC)."
        );
        // What was told of an earlier firing is not told of this one.
        let again = [
            decision("a", 3_000, DecisionReason::Silenced),
            decision("a", 2_500, DecisionReason::Firing),
            decision("a", 2_000, DecisionReason::Delivered),
        ];
        assert_eq!(
            in_short(&alerts_of(&again)[0]),
            "In short: not told, because it is silenced: d (1970-01-01 00:00:03 UTC)."
        );
        assert!(in_short(&alerts[1]).contains("nothing was decided yet"));
    }

    #[test]
    fn the_end_of_a_group_is_told_apart_from_its_own() {
        let told = |own: DecisionReason| {
            let mut page = decision("a", 3_000, DecisionReason::Delivered);
            page.detail = "Resolved by webhook to x, delivery 1".to_owned();
            let all = [page, decision("a", 2_000, own)];
            in_short(&alerts_of(&all)[0])
        };
        let end = "by webhook to x, delivery 1 (1970-01-01 00:00:03 UTC).";
        assert_eq!(
            told(DecisionReason::Resolved),
            format!("In short: its end was told {end}")
        );
        assert_eq!(
            told(DecisionReason::Firing),
            format!("In short: told once more when others of its group ended, {end}")
        );
    }
}
