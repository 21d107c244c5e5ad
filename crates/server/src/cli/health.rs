//! `lapwing health`: how is it, worst first? Exit codes: 0 fine, 1 failing, 3 unreachable, 4 nothing is watched.

use super::{Exit, complain};
use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use lapwing::health::{CheckView, HealthView, ModelView};
use lapwing_types::HealthState;
use std::time::Duration;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// The server to ask
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9595",
        env = "LAPWING_SERVER"
    )]
    server: String,
    /// A token with the role read
    #[arg(long, value_name = "TOKEN", env = "LAPWING_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Only this model or check
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(serde::Deserialize)]
struct Envelope {
    data: HealthView,
}

pub(crate) fn run(args: &HealthArgs) -> Exit {
    let body = match ask(args) {
        Ok(body) => body,
        Err(error) => {
            complain(&error);
            return Exit::Unreachable;
        }
    };
    let mut view = match serde_json::from_str::<Envelope>(&body) {
        Ok(envelope) => envelope.data,
        Err(error) => {
            complain(&anyhow::Error::new(error).context("this is not Lapwing's answer"));
            return Exit::Failed;
        }
    };
    if let Some(name) = &args.name {
        view.models.retain(|m| m.name == *name);
        view.checks.retain(|c| c.name == *name);
        view.state = states(&view).max().unwrap_or(HealthState::Unknown);
    }
    if view.models.is_empty() && view.checks.is_empty() {
        let of = args
            .name
            .as_deref()
            .unwrap_or("models: and checks: in lapwing.yml say what is watched");
        eprintln!("lapwing: nothing is watched: {of}");
        return Exit::NoData;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&view).unwrap_or_default());
    } else {
        print!("{}", shown(&view));
    }
    if states(&view).any(HealthState::is_failing) {
        Exit::Failed
    } else {
        Exit::Fine
    }
}

fn states(view: &HealthView) -> impl Iterator<Item = HealthState> {
    let models = view.models.iter().map(|m| m.state);
    models.chain(view.checks.iter().map(|c| c.state))
}

fn ask(args: &HealthArgs) -> anyhow::Result<String> {
    let url = format!("{}/api/v1/health", args.server.trim_end_matches('/'));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()
            .context("cannot make a client")?;
        let mut request = client.get(&url);
        if let Some(token) = &args.token {
            request = request.bearer_auth(token);
        }
        let answer = request
            .send()
            .await
            .with_context(|| format!("cannot reach {url}"))?;
        let answer = answer.error_for_status().context("the server refused")?;
        answer.text().await.context("the answer was cut off")
    })
}

fn shown(view: &HealthView) -> String {
    let mut out = format!("{}\n", view.state);
    if view.own_network_down {
        out.push_str("Lapwing's own network is down: what lies outside of this machine is not judged.\n");
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["STATE", "NAME", "WHY"]);
    for model in &view.models {
        table.add_row([model.state.to_string(), model.name.clone(), why_model(model)]);
        for check in model.endpoints.iter().flat_map(|e| &e.checks) {
            table.add_row([check.state.to_string(), format!("  {}", check.name), why(check)]);
        }
    }
    for check in &view.checks {
        table.add_row([check.state.to_string(), check.name.clone(), why(check)]);
    }
    out.push_str(&table.to_string());
    out.push('\n');
    out
}

fn why_model(model: &ModelView) -> String {
    let notes = [
        model
            .consequence_of
            .as_ref()
            .map(|root| format!("because of {root}")),
        model
            .maintenance
            .as_ref()
            .map(|name| format!("planned work: {name}")),
        model.on_fallback.then(|| "served by a fallback".to_owned()),
        model.traffic.is_failing().then(|| "requests fail".to_owned()),
    ];
    notes.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn why(check: &CheckView) -> String {
    let notes = [
        check
            .consequence_of
            .as_ref()
            .map(|root| format!("because of {root}")),
        check
            .maintenance
            .as_ref()
            .map(|name| format!("planned work: {name}")),
        check
            .reason
            .map(|reason| format!("{reason}: {}", one_line(&check.detail))),
    ];
    notes.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What a server said is its own words: none of them may move the cursor.
fn one_line(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_stays_in_its_row() {
        assert_eq!(one_line("no unit\nof that name\r\n"), "no unit of that name");
        assert_eq!(one_line("\u{1b}[2Jgone\u{7}"), "[2Jgone");
    }
}
