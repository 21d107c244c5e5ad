//! What a storm costs: 50 000 alerts posted over Alertmanager's API v2, through routes, groups and an inhibition rule to a
//! webhook, and then their ends.
//!
//! Configuration and alerts are the same for both servers, each of which runs alone. A server is only believed when it told
//! every alert, and its end. There are two storms: one with routes and groups alone, and one in which an inhibition rule has to be
//! weighed for each alert, which is more than every server can do.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Entry;
use super::options::Options;
use super::servers::{ALERTMANAGER, Running, SERVERS, Server};
use super::table::{Row, render};
use crate::clock;
use crate::load::{Sink, Told};

pub(super) const STORM: Entry = Entry {
    name: "storm",
    measures: "--alerts alerts to a webhook: time to the first page and to all, pages, CPU, memory",
    how: "the release binary and prometheus-alertmanager in turn, without and with an inhibition rule (a minute each)",
    run,
};

const ALERTS_PER_HOST: usize = 50;
const TEAMS: usize = 10;
/// As many as Prometheus puts into one request.
const BATCH: usize = 256;
const GROUP_WAIT: Duration = Duration::from_secs(2);
const GROUP_INTERVAL: Duration = Duration::from_secs(5);
/// Ends are posted so long after the groups were told last, by everyone: the next time is as far away then.
const ENDS_AFTER: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

const WHAT: [&str; 9] = [
    "taking all alerts, s",
    "first page after group_wait, s",
    "all told after the first post, s",
    "pages of beginnings",
    "all ends told after the first post, s",
    "pages of ends",
    "CPU s",
    "resident MiB while all fire",
    "resident peak MiB",
];

pub(super) fn run(options: &Options) -> Result<()> {
    let hosts = options.alerts.div_ceil(ALERTS_PER_HOST);
    for inhibits in [false, true] {
        let with = if inhibits { "with" } else { "without" };
        println!(
            "{} alerts in {hosts} groups, {with} an inhibition rule",
            hosts * ALERTS_PER_HOST
        );
        storm(options, hosts, inhibits)?;
    }
    Ok(())
}

fn storm(options: &Options, hosts: usize, inhibits: bool) -> Result<()> {
    let ours = SERVERS.iter().filter(|s| s.name == "lapwing");
    static PEER: Server = ALERTMANAGER;
    let mut columns = Vec::new();
    for server in ours.chain([&PEER]).filter(|s| options.wants(s.name)) {
        match measure(server, hosts, inhibits) {
            Ok(column) => columns.push((server.name, column)),
            Err(error) => println!("SKIPPED {}: {error:#}", server.name),
        }
    }
    if columns.is_empty() {
        bail!("no server could be measured");
    }
    let row = |(i, what): (usize, &&str)| Row {
        what: (*what).to_owned(),
        values: columns.iter().map(|(_, c)| Some(c[i])).collect(),
    };
    let rows: Vec<Row> = WHAT.iter().enumerate().map(row).collect();
    let names: Vec<&str> = columns.iter().map(|(n, _)| *n).collect();
    println!("\n{}", render(&names, &rows, names.first() == Some(&"lapwing")));
    Ok(())
}

fn measure(server: &'static Server, hosts: usize, inhibits: bool) -> Result<[f64; WHAT.len()]> {
    let alerts = hosts * ALERTS_PER_HOST;
    let sink = Sink::serve()?;
    let running = Running::start_with(server, &|data| configure(server, data, (&sink.url, inhibits)))?;
    println!("{}: in the storm", server.name);
    let before = running.usage()?.cpu_s;
    let begun_ms = clock::unix_ms();
    let begun = clock::now();
    post(&running, hosts, (begun_ms, begun_ms + 3_600_000))?;
    let taken = begun.elapsed();
    let told = wait(&sink, |t| t.firing >= alerts).context("beginnings")?;
    let pages = told.pages;
    let resident = running.usage()?.resident_bytes;
    wait_for_phase(begun);
    let over = clock::now();
    post(&running, hosts, (begun_ms, clock::unix_ms()))?;
    let ended = wait(&sink, |t| t.resolved >= alerts).context("ends")?;
    let usage = running.usage()?;
    let since = |from: Instant, at: Option<Instant>| at.map_or(0.0, |at| (at - from).as_secs_f64());
    let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    Ok([
        taken.as_secs_f64(),
        since(begun, told.first) - GROUP_WAIT.as_secs_f64(),
        since(begun, told.last),
        pages as f64,
        since(over, ended.last),
        (ended.pages - pages) as f64,
        usage.cpu_s - before,
        mebibytes(resident),
        mebibytes(usage.resident_peak_bytes),
    ])
}

/// Until [`ENDS_AFTER`] a time at which the groups that were opened first were told.
fn wait_for_phase(begun: Instant) {
    let mut at = begun + GROUP_WAIT + ENDS_AFTER;
    while at < clock::now() {
        at += GROUP_INTERVAL;
    }
    clock::wait(at - clock::now());
}

/// All alerts, from and until these instants.
fn post(running: &Running, hosts: usize, (starts_ms, ends_ms): (i64, i64)) -> Result<()> {
    let agent = ureq::agent();
    let (starts, ends) = (rfc3339(starts_ms), rfc3339(ends_ms));
    for batch in (0..hosts * ALERTS_PER_HOST).collect::<Vec<_>>().chunks(BATCH) {
        let alerts: Vec<String> = batch
            .iter()
            .map(|n| alert((n % hosts, n / hosts), &starts, &ends))
            .collect();
        let body = format!("[{}]", alerts.join(","));
        agent
            .post(running.url("/api/v2/alerts"))
            .header("content-type", "application/json")
            .send(&body)
            .context("post alerts")?;
    }
    Ok(())
}

/// The alerts of one host are spread over the storm, as they are when a rack goes.
fn alert((host, nth): (usize, usize), starts: &str, ends: &str) -> String {
    let severity = ["warning", "critical", "info"][nth % 3];
    format!(
        "{{\"labels\":{{\"alertname\":\"Alert{nth}\",\"host\":\"host-{host:05}\",\"team\":\"team-{}\",\"severity\":\"{severity}\",\
         \"job\":\"node\",\"zone\":\"eu-{}\"}},\"annotations\":{{\"summary\":\"Alert{nth} on host-{host:05}\",\
         \"description\":\"A description that is as long as they usually are, with a value of {host}.\"}},\
         \"startsAt\":\"{starts}\",\"endsAt\":\"{ends}\",\"generatorURL\":\"http://prometheus:9090/graph?g0.expr=up\"}}",
        host % TEAMS,
        host % 3,
    )
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |t| t.to_string())
}

fn wait(sink: &Sink, is_complete: impl Fn(&Told) -> bool) -> Result<Told> {
    let start = clock::now();
    loop {
        let told = sink.told();
        if is_complete(&told) {
            return Ok(told);
        }
        if start.elapsed() > PATIENCE {
            bail!(
                "{} beginnings and {} ends were told within {PATIENCE:?}",
                told.firing,
                told.resolved
            );
        }
        clock::wait(LOOK_AGAIN);
    }
}

/// alertmanager.yml, which is a lapwing.yml too.
fn configure(server: &Server, data: &Path, (hook, inhibits): (&str, bool)) -> Result<Vec<String>> {
    let config = data.with_extension("yml");
    let mut text = format!(
        "route:\n  receiver: hook\n  group_by: [host]\n  group_wait: {}s\n  group_interval: {}s\n  repeat_interval: 4h\n  routes:\n",
        GROUP_WAIT.as_secs(),
        GROUP_INTERVAL.as_secs()
    );
    for team in 0..TEAMS {
        text.push_str(&format!(
            "    - {{ matchers: ['team=\"team-{team}\"'], receiver: hook }}\n"
        ));
    }
    text.push_str(&format!(
        "receivers: [{{ name: hook, webhook_configs: [{{ url: '{hook}' }}] }}]\n"
    ));
    // Sources and targets there are, but never of the same alert: all has to be weighed, and all is told.
    if inhibits {
        text.push_str(
            "inhibit_rules: [{ source_matchers: [severity=\"critical\"], target_matchers: [severity=\"warning\"], equal: [alertname, host] }]\n",
        );
    }
    let ours = server.name == "lapwing";
    if ours {
        text.push_str("host: { enabled: false }\ndiscover: { local: false }\n");
    }
    std::fs::write(&config, text).context("write the configuration")?;
    Ok(if ours {
        vec!["--config".to_owned(), config.display().to_string()]
    } else {
        Vec::new()
    })
}
