//! `lapwing health`: how is it, worst first? Exit codes: 0 fine, 1 failing, 3 unreachable, 4 nothing is watched.

use super::Exit;
use super::remote::{Call, ServerArgs};
use comfy_table::{ContentArrangement, Table, presets};
use lapwing::health::{CheckView, HealthView, ModelView};
use lapwing_types::HealthState;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Only this model or check
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(serde::Deserialize)]
struct Envelope {
    data: HealthView,
}

pub(crate) fn run(args: &HealthArgs) -> Exit {
    let mut view = match args.server.ask::<Envelope>(Call::get("/api/v1/health")) {
        Ok(envelope) => envelope.data,
        Err(error) => return error.complain(),
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
