//! One server, its incidents and its kills.

use super::hook::Hook;
use super::mail::Mail;
use crate::crash::kill_after;
use crate::support::{Server, now_ms, series};
use lapwing::clock::Stopwatch;
use lapwing_types::WriteBatch;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

/// The time that the last retries may take on a busy machine.
const END_TIMEOUT: Duration = Duration::from_secs(120);
/// Long enough for something to happen between two kills.
const KILL_AFTER_MS_MAX: u64 = 1_600;
const PAUSE: Duration = Duration::from_millis(40);
const LEDGER_ROWS_MAX: usize = 100_000;
/// Every so many rounds of a bad day the configuration changes.
const ROUNDS_PER_RELOAD: usize = 9;
/// Refused with everything that stands in it; the old one goes on.
const BROKEN: &str = "route: { receiver: nobody }\nreceivers: [{ name: hook }]\nrules: [{ name: busy, condition: 'load >' }]\n";

/// One stretch of trouble of one series.
pub(super) struct Incident {
    pub(super) name: String,
    /// Since the end of the one before.
    pub(super) after_ms: u64,
    pub(super) lasts_ms: u64,
}

/// What a receiver took.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) delivery: String,
    pub(super) told: Vec<Line>,
    /// The receiver hung up instead of saying that it took it.
    pub(super) unsure: bool,
    pub(super) at_ms: i64,
}

/// One alert of a page.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) alert: String,
    pub(super) incident: String,
    pub(super) is_end: bool,
}

/// What was seen of a day when it was over.
pub(super) struct Lived {
    pub(super) kills: usize,
    /// Other configurations that were taken, and broken ones that were not.
    pub(super) reloads: (usize, usize),
    pub(super) hook: Vec<Page>,
    pub(super) mail: Vec<Page>,
    /// By delivery: how often a start found it under way.
    pub(super) interrupted: BTreeMap<String, usize>,
    /// Told as over before the end was sent.
    pub(super) told_too_early: Vec<String>,
}

pub(super) struct World<'a> {
    hook: &'a Hook,
    mail: &'a Mail,
    dir: tempfile::TempDir,
    server: Option<Server>,
    /// Ends the server soon, if it is a bad day.
    killer: Option<JoinHandle<()>>,
    dice: Option<SmallRng>,
    kills: usize,
    rounds: usize,
    reloads: (usize, usize),
    /// By incident: when its end was first sent, whether or not it arrived.
    ends_ms: BTreeMap<String, i64>,
}

/// Where a lane stands.
struct Lane<'a> {
    left: &'a [Incident],
    is_bad: bool,
    since: Stopwatch,
    /// Of which nobody was there: a machine under load takes seconds to start a server, and what no server saw promises nothing.
    unseen: Duration,
}

impl<'a> World<'a> {
    pub(super) fn new(hook: &'a Hook, mail: &'a Mail, bad: Option<u64>) -> World<'a> {
        let dir = tempfile::tempdir().expect("a directory");
        let mut world = World {
            hook,
            mail,
            dir,
            server: None,
            killer: None,
            dice: bad.map(SmallRng::seed_from_u64),
            kills: 0,
            rounds: 0,
            reloads: (0, 0),
            ends_ms: BTreeMap::new(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        self.start_in_peace();
        let server = self.server.as_ref().expect("just started");
        self.killer = self.dice.as_mut().map(|dice| {
            let wait = Duration::from_millis(dice.random_range(0..KILL_AFTER_MS_MAX));
            let pid = server.pid();
            std::thread::spawn(move || kill_after(pid, wait))
        });
    }

    fn start_in_peace(&mut self) {
        self.configure(&config(&self.hook.url, &self.mail.address, false));
        let config = format!("--config={}", self.dir.path().join("lapwing.yml").display());
        self.server = Some(Server::start(&self.dir.path().join("data"), &[&config]));
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.dir.path().join("lapwing.yml"), text).expect("a file");
    }

    /// On a bad day somebody works on the configuration, and not always with success.
    fn reload(&mut self) {
        self.rounds += 1;
        if self.dice.is_none() || !self.rounds.is_multiple_of(ROUNDS_PER_RELOAD) {
            return;
        }
        let nth = self.rounds / ROUNDS_PER_RELOAD % 3;
        let is_broken = nth == 2;
        match is_broken {
            true => self.configure(BROKEN),
            false => self.configure(&config(&self.hook.url, &self.mail.address, nth == 1)),
        }
        let server = self.server.as_ref().expect("one lives");
        // Without an answer it was killed meanwhile.
        if let Ok(answer) = server.try_post("/-/reload", &[], b"") {
            assert_eq!(answer.status == 200, !is_broken, "{}", answer.body);
            let (taken, refused) = &mut self.reloads;
            *(if is_broken { refused } else { taken }) += 1;
        }
    }

    /// The killed one is buried and followed by the next.
    fn revive(&mut self, lanes: &mut [Lane<'_>]) {
        if self.killer.as_ref().is_some_and(JoinHandle::is_finished) {
            let watch = Stopwatch::start();
            self.bury();
            self.start();
            for lane in lanes {
                lane.unseen += watch.elapsed();
            }
        }
    }

    fn bury(&mut self) {
        if let Some(killer) = self.killer.take() {
            killer.join().expect("the killer ends");
            self.kills += 1;
        }
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Lives through all incidents. An incident lasts from the first write that was acknowledged to the next.
    pub(super) fn live(&mut self, schedule: &[Vec<Incident>]) {
        let mut lanes: Vec<Lane<'_>> = schedule
            .iter()
            .map(|left| Lane {
                left,
                is_bad: false,
                since: Stopwatch::start(),
                unseen: Duration::ZERO,
            })
            .collect();
        while lanes.iter().any(|l| !l.left.is_empty()) {
            for at in 0..lanes.len() {
                self.revive(&mut lanes);
                self.turn(&mut lanes[at]);
            }
            self.revive(&mut lanes);
            self.reload();
            std::thread::park_timeout(PAUSE);
        }
    }

    fn turn(&mut self, lane: &mut Lane<'_>) {
        let Some(incident) = lane.left.first() else {
            return;
        };
        let wait_ms = if lane.is_bad {
            incident.lasts_ms
        } else {
            incident.after_ms
        };
        if lane.since.elapsed() < Duration::from_millis(wait_ms) + lane.unseen {
            return;
        }
        if lane.is_bad {
            self.ends_ms.entry(incident.name.clone()).or_insert_with(now_ms);
        }
        if !self.write(&incident.name, if lane.is_bad { 0.0 } else { 1.0 }) {
            return;
        }
        if lane.is_bad {
            lane.left = &lane.left[1..];
        }
        lane.is_bad = !lane.is_bad;
        lane.since = Stopwatch::start();
        lane.unseen = Duration::ZERO;
    }

    /// By one door or the other; true when it was acknowledged.
    fn write(&mut self, incident: &str, value: f64) -> bool {
        let server = self.server.as_ref().expect("one lives");
        let by_json = self.dice.as_mut().is_none_or(|dice| dice.random_bool(0.5));
        let answer = if by_json {
            let body =
                format!(r#"{{"name": "load", "value": {value}, "labels": {{"incident": "{incident}"}}}}"#);
            server.try_post(
                "/api/v1/push",
                &[("Content-Type", "application/json")],
                body.as_bytes(),
            )
        } else {
            server.remote_write(&WriteBatch {
                series: vec![series(
                    &[("__name__", "load"), ("incident", incident)],
                    &[(now_ms(), value)],
                )],
                ..WriteBatch::default()
            })
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                assert!(self.dice.is_some(), "nobody killed it: {error}");
                return false;
            }
        };
        assert!(matches!(answer.status, 200 | 204), "{}", answer.body);
        true
    }

    pub(super) fn taken(&self) -> (Vec<Page>, Vec<Page>) {
        (self.hook.taken(), self.mail.taken())
    }

    /// No kills any more: what is owed arrives.
    pub(super) fn end(mut self, is_complete: impl Fn(&World<'_>) -> bool) -> Lived {
        // In peace nobody is killed, not even now: what is on its way would be interrupted.
        if self.dice.take().is_some() {
            self.bury();
            self.start_in_peace();
        }
        let watch = Stopwatch::start();
        let mut ledger = self.ledger();
        while !(is_complete(&self) && nothing_is_owed(&ledger)) {
            // What is missing is said by the oracle, which knows the names.
            if watch.elapsed() > END_TIMEOUT {
                break;
            }
            std::thread::park_timeout(PAUSE);
            ledger = self.ledger();
        }
        let mut interrupted = BTreeMap::new();
        for row in ledger.iter().filter(|row| row["event"] == "interrupted") {
            let delivery = row["delivery"].as_str().unwrap_or_default().to_owned();
            *interrupted.entry(delivery).or_default() += 1;
        }
        let (hook, mail) = self.taken();
        let told_too_early = too_early(hook.iter().chain(&mail), &self.ends_ms);
        Lived {
            kills: self.kills,
            reloads: self.reloads,
            hook,
            mail,
            interrupted,
            told_too_early,
        }
    }

    fn ledger(&self) -> Vec<serde_json::Value> {
        let server = self.server.as_ref().expect("one lives");
        let rows = server.get(&format!("/api/v1/ledger?limit={LEDGER_ROWS_MAX}"));
        rows.json().as_array().expect("rows").clone()
    }
}

/// Every delivery that was intended came to an end. The newest row is the first.
fn nothing_is_owed(ledger: &[serde_json::Value]) -> bool {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for row in ledger {
        let word = |name: &str| row[name].as_str().unwrap_or_default();
        last.entry(word("delivery")).or_insert_with(|| word("event"));
    }
    last.values()
        .all(|event| ["delivered", "superseded"].contains(event))
}

fn too_early<'p>(pages: impl Iterator<Item = &'p Page>, ends_ms: &BTreeMap<String, i64>) -> Vec<String> {
    let mut wrong = Vec::new();
    for page in pages {
        for line in page.told.iter().filter(|l| l.is_end) {
            if ends_ms
                .get(&line.incident)
                .is_none_or(|end_ms| page.at_ms < *end_ms)
            {
                wrong.push(format!("{} {}", line.alert, line.incident));
            }
        }
    }
    wrong
}

/// At the webhook each alert is a group of its own, in the mail all of one name are one. The other one differs in what must not
/// change who is told of what.
fn config(hook: &str, mail: &str, is_other: bool) -> String {
    let (interval, spare_rule, spare_receiver) = if is_other {
        (
            "2s",
            "\n  - { name: spare, condition: load > 9000 }",
            "\n  - name: spare",
        )
    } else {
        ("1s", "", "")
    };
    format!(
        r#"
host: {{ enabled: false }}
discover: {{ local: false }}
packs: {{ gpu: off, health: off, host: off, models: off, scrape: off, self: off }}
global: {{ evaluation_interval: 1s }}
rules:
  - {{ name: busy, condition: load > 0.5, severity: warning }}
  - {{ name: stuck, condition: load > 0.5, for: 2s, severity: critical }}{spare_rule}
route:
  receiver: hook
  group_wait: 1s
  group_interval: {interval}
  repeat_interval: 4h
  routes:
    - {{ receiver: hook, matchers: ['incident=~".+"'], group_by: ["..."], continue: true }}
    - {{ receiver: mail, matchers: ['incident=~".+"'], group_by: [alertname] }}
receivers:{spare_receiver}
  - name: hook
    webhook_configs: [{{ url: '{hook}', timeout: 3s }}]
  - name: mail
    email_configs:
      - to: oncall@example.org
        from: lapwing@example.org
        smarthost: '{mail}'
        require_tls: false
        send_resolved: true
        headers:
          X-Told: '{{{{ range .Alerts }}}}{{{{ .Status }}}}/{{{{ .Labels.alertname }}}}/{{{{ .Labels.incident }}}} {{{{ end }}}}'
"#
    )
}
