//! `lapwing notify-test`: one page, marked as a test, through the real channels of a receiver, and what they answered.
//!
//! Nothing is written to any ledger: this asks whether the way is open, and not whether somebody has to be told.

use super::Exit;
use crate::config::{self, Config, load_either};
use lapwing_notify::channels::{Sent, Transport};
use lapwing_notify::config::{Channel, NotifyConfig};
use lapwing_notify::message::{Context, Notification};
use lapwing_types::{Alert, Labels};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing notify-test team                                  send one test page by each channel of this receiver\n  \
    lapwing notify-test team --dry-run                        print what would leave, and send nothing\n  \
    lapwing notify-test team --channel slack --severity info\n  \
    lapwing notify-test pager --config /etc/alertmanager/alertmanager.yml --resolved\n\n\
    Exit codes: 0 every channel took it, 1 one did not, 2 no such receiver, or a mistake in the configuration")]
pub(crate) struct NotifyTestArgs {
    /// The receiver
    #[arg(value_name = "RECEIVER")]
    receiver: String,
    /// A lapwing.yml or an alertmanager.yml
    #[arg(long, value_name = "FILE", default_value = "lapwing.yml")]
    config: PathBuf,
    /// Only its channels of this kind: slack, email, webhook, …
    #[arg(long, value_name = "KIND")]
    channel: Option<String>,
    /// Print what would leave, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// As if the trouble were over
    #[arg(long)]
    resolved: bool,
    /// How bad the test says that it is
    #[arg(long, value_name = "SEVERITY", default_value = "info")]
    severity: String,
    /// More labels of the test alert
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
}

const NAME: &str = "LapwingTest";
const SUMMARY: &str = "This is a test of Lapwing. Nothing is wrong, and nothing has to be done.";
const TEN_MINUTES_MS: i64 = 600_000;

pub(crate) fn run(args: &NotifyTestArgs) -> Exit {
    let (loaded, _) = load_either(&args.config);
    eprint!(
        "{}",
        config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok())
    );
    let Some(config) = loaded.config else {
        return Exit::Usage;
    };
    let usage = |message: String| {
        eprintln!("lapwing: {message}");
        Exit::Usage
    };
    let alert = match alert_of(args) {
        Ok(alert) => alert,
        Err(message) => return usage(message),
    };
    let notify = &config.alerting.paging.notify;
    let pages = match pages(args, notify, &alert) {
        Ok(pages) => pages,
        Err(message) => return usage(message),
    };
    if args.dry_run {
        return dry_run(&pages, notify);
    }
    match send(&pages, &config) {
        Ok(exit) => exit,
        Err(error) => usage(format!("cannot start the runtime: {error}")),
    }
}

fn alert_of(args: &NotifyTestArgs) -> Result<Alert, String> {
    let now_ms = lapwing::Clock::system().now_ms();
    let mut labels = Labels::empty().to_builder();
    labels.set("alertname", NAME);
    labels.set("severity", args.severity.clone());
    for word in &args.labels {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("--label: {word:?} is not NAME=VALUE"))?;
        labels.set(name, value);
    }
    let annotations = Labels::from_pairs([("summary", SUMMARY)]).unwrap_or_default();
    Ok(Alert {
        labels: labels.build(),
        annotations,
        starts_at_ms: now_ms - TEN_MINUTES_MS,
        ends_at_ms: args.resolved.then_some(now_ms),
        ..Alert::default()
    })
}

/// One for each channel that is meant.
fn pages(args: &NotifyTestArgs, notify: &NotifyConfig, alert: &Alert) -> Result<Vec<Notification>, String> {
    let receiver = notify.receivers.get(&args.receiver).ok_or_else(|| {
        let near = config::did_you_mean(&args.receiver, notify.receivers.keys().map(String::as_str));
        let known: Vec<&str> = notify.receivers.keys().map(String::as_str).collect();
        let hint = near.map_or_else(
            || format!("there are: {}", known.join(", ")),
            |near| format!("did you mean {near:?}?"),
        );
        format!("there is no receiver {:?}\n  hint: {hint}", args.receiver)
    })?;
    let wanted = |channel: &&Arc<Channel>| args.channel.as_ref().is_none_or(|kind| channel.kind() == kind);
    let found: Vec<&Arc<Channel>> = receiver.channels.iter().filter(wanted).collect();
    if found.is_empty() {
        let kinds: Vec<&str> = receiver.channels.iter().map(|c| c.kind()).collect();
        return Err(match &args.channel {
            Some(kind) => format!(
                "{} has no channel {kind:?}; it has: {}",
                receiver.name,
                kinds.join(", ")
            ),
            None => format!("{} has no channel: a page to it tells nobody", receiver.name),
        });
    }
    let now_ms = alert.ends_at_ms.unwrap_or(alert.starts_at_ms + TEN_MINUTES_MS);
    let page = |(nth, channel): (usize, &Arc<Channel>)| Notification {
        // Where a channel tells pages apart by their key, a test is its own.
        id: format!("test-{now_ms}-{nth}"),
        attempt: 1,
        receiver: receiver.name.clone(),
        channel: channel.clone(),
        group_key: format!("test:{now_ms}"),
        group_labels: Labels::from_pairs([("alertname", NAME)]).unwrap_or_default(),
        alerts: vec![alert.clone()],
        reason: if args.resolved { "resolved" } else { "firing" }.to_owned(),
        now_ms,
        external_url: notify.external_url.clone(),
        picture: None,
        continues: None,
    };
    Ok(found.into_iter().enumerate().map(page).collect())
}

fn dry_run(pages: &[Notification], notify: &NotifyConfig) -> Exit {
    let mut exit = Exit::Fine;
    let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("cannot read {path}: {e}"));
    for page in pages {
        let context = Context::new(page, &notify.templates, &read);
        println!("── {} of {}, not sent", page.channel.kind(), page.receiver);
        match page.channel.build(&context) {
            Ok(outgoing) => println!("{}", readable(&outgoing.words())),
            Err(error) => {
                println!("cannot be built: {error}");
                exit = Exit::Failed;
            }
        }
        for failure in context.failures() {
            println!("a template fails, and the page would say so: {failure}");
            exit = Exit::Failed;
        }
    }
    exit
}

/// JSON with lines, for eyes.
fn readable(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap_or_default(),
        Err(_) => text.trim_end().to_owned(),
    }
}

fn send(pages: &[Notification], config: &Config) -> std::io::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let templates = config.alerting.paging.notify.templates.clone();
    let transport = Transport::new();
    let mut exit = Exit::Fine;
    for page in pages {
        let attempt = runtime.block_on(transport.send(page, &templates));
        let who = format!("{} of {}", page.channel.kind(), page.receiver);
        match &attempt.sent {
            Sent::Delivered { detail } => println!("{who}: took it ({detail})"),
            Sent::Later { reason, .. } => {
                exit = Exit::Failed;
                println!("{who}: did not take it: {reason}\n  a real page would be tried again");
            }
            Sent::Refused { reason } => {
                exit = Exit::Failed;
                println!(
                    "{who}: refuses it: {reason}\n  a real page would go to the fallback receiver, or be a dead letter"
                );
            }
        }
        if let Sent::Later { reason, .. } | Sent::Refused { reason } = &attempt.sent {
            println!("  {}", advice(page.channel.kind(), reason));
        }
        for failure in &attempt.failed_templates {
            exit = Exit::Failed;
            println!("  a template failed, and the page said so: {failure}");
        }
    }
    Ok(exit)
}

/// What to do about an answer, by the words that it usually comes with.
fn advice(kind: &str, reason: &str) -> &'static str {
    const BY_WORDS: [(&str, &str); 16] = [
        ("not_in_channel", "invite the bot into the channel: /invite @name"),
        (
            "channel_not_found",
            "name the channel by its ID, or invite the bot into it",
        ),
        (
            "invalid_auth",
            "the token is not valid: look at app_token, or the file that holds it",
        ),
        (
            "not_authed",
            "the token is empty: look at app_token, or the file that holds it",
        ),
        (
            "missing_scope",
            "give the bot the scopes chat:write and files:write, and install it anew",
        ),
        ("no_service", "the webhook was removed: make a new one"),
        (
            "dns error",
            "the name of the host is not known here: look at its spelling, and at /etc/resolv.conf",
        ),
        (
            "Connection refused",
            "nothing listens there: look at address and port",
        ),
        (
            "timed out",
            "nothing answers: see whether a firewall or a proxy stands in between (proxy_url)",
        ),
        (
            "certificate",
            "its certificate is not trusted here: name the authority in tls_config.ca_file",
        ),
        ("HTTP 401", "the login is not accepted: look at token or password"),
        (
            "HTTP 403",
            "the login may not do this: look at the rights of the token",
        ),
        (
            "HTTP 404",
            "there is nothing at this address: look at the URL, and at the key in it",
        ),
        ("HTTP 429", "it takes no more for now: try again later"),
        ("HTTP 5", "the receiver itself is in trouble: try again later"),
        (
            "reading ",
            "the file with the secret cannot be read: look at its path and rights",
        ),
    ];
    let known = BY_WORDS.iter().find(|(words, _)| reason.contains(words));
    match (known, kind) {
        (Some((_, advice)), _) => advice,
        (None, "email") => {
            "look at smarthost, auth_username and auth_password, and whether it speaks TLS (require_tls)"
        }
        (None, "command") => {
            "run the command by hand, with a page on its standard input (--dry-run prints one)"
        }
        _ => "--dry-run prints what was sent; `lapwing doctor` looks at the way to it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_an_advice() {
        for (kind, reason, expect) in [
            ("slack", "not_in_channel", "invite the bot"),
            (
                "webhook",
                "error sending request: tcp connect error: Connection refused (os error 111)",
                "nothing listens",
            ),
            ("webhook", "HTTP 404: no", "nothing at this address"),
            ("email", "permanent error (535)", "auth_password"),
            ("ntfy", "something new", "--dry-run"),
        ] {
            assert!(advice(kind, reason).contains(expect), "{reason}");
        }
    }
}
