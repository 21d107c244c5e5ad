//! One check: `http: { … }` (or any other kind of probe) beside what is common to all of them.

use super::recovery;
use crate::config::decode::decode_any;
use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use crate::config::yaml::{Key, Node, Position, Value};
use lapwing::health::{CheckKind, CheckSpec, ModelPart};
use lapwing_collect::probe::Probe;
use lapwing_judge::health::CheckPolicy;
use lapwing_types::format_duration_ms;
use std::collections::BTreeMap;

const INTERVAL_MS: i64 = 30_000;
const INTERVAL_MS_MIN: i64 = 100;
const TIMEOUT_MS: i64 = 5_000;
const TIMEOUT_MS_MAX: i64 = 3_600_000;
/// A job that reports is judged by its deadline alone, looked at this often at most.
const CHECK_IN_LOOK_MS: i64 = 60_000;

/// What a model's `health:` says once for all of its probes.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) interval_ms: i64,
    pub(super) timeout_ms: i64,
    /// What nobody said is no longer than the interval.
    pub(super) is_timeout_said: bool,
    pub(super) degraded_above_ms: Option<i64>,
    pub(super) policy: CheckPolicy,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            interval_ms: INTERVAL_MS,
            timeout_ms: TIMEOUT_MS,
            is_timeout_said: false,
            degraded_above_ms: None,
            policy: CheckPolicy::default(),
        }
    }
}

impl Defaults {
    pub(super) fn read(mut self, map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Self {
        let interval = map.duration_ms("interval", notes);
        let timeout = map.duration_ms("timeout", notes);
        let degraded_above = map.duration_ms("degraded_above", notes);
        self.interval_ms = interval.unwrap_or(self.interval_ms);
        self.is_timeout_said |= timeout.is_some();
        self.timeout_ms = match timeout {
            Some(said_ms) => said_ms,
            None if self.is_timeout_said => self.timeout_ms,
            None => self.timeout_ms.min(self.interval_ms),
        };
        if self.interval_ms < INTERVAL_MS_MIN {
            notes.error(
                map.at,
                &map.path.clone(),
                "a check is looked at ten times a second at most",
            );
        }
        if self.timeout_ms > TIMEOUT_MS_MAX {
            notes.error(
                map.at,
                &map.path.clone(),
                "a look takes an hour at most: the timeout is longer",
            );
        }
        self.degraded_above_ms = degraded_above.or(self.degraded_above_ms);
        if interval.or(timeout).or(degraded_above).is_some() {
            self.check_degraded_above(map, notes);
        }
        if timeout == Some(0) {
            let at = map.node("timeout").map_or(map.at, |n| n.at);
            notes.error(at, &map.path_of("timeout"), "no look is over in no time");
        }
        self.policy.failures = at_least_one(map, "failures", notes).unwrap_or(self.policy.failures);
        self.policy.passes = at_least_one(map, "passes", notes).unwrap_or(self.policy.passes);
        let stale_ms = map.duration_ms("unknown_after", notes);
        // A look that hangs says so at the end of its timeout, of the moment at which it began: two of them are not silence.
        let two_looks_ms = 2 * self.timeout_ms + self.interval_ms;
        let unknown_after_ms = (5 * self.interval_ms).max(60_000).max(two_looks_ms);
        self.policy.stale_after_ms = stale_ms.unwrap_or(unknown_after_ms);
        self
    }

    /// What always holds, or never can, says nothing.
    fn check_degraded_above(&self, map: &mut MapReader<'_>, notes: &mut Diagnostics) {
        let Some(allowed_ms) = self.degraded_above_ms else {
            return;
        };
        let at = map.node("degraded_above").map_or(map.at, |n| n.at);
        let path = map.path_of("degraded_above");
        if allowed_ms <= 0 {
            notes.error(at, &path, "every look takes longer than no time");
        } else if allowed_ms >= self.timeout_ms {
            let message = never_degraded(allowed_ms, self.timeout_ms);
            notes.error_with_hint(at, &path, message, "write less, or a longer timeout");
        }
    }
}

/// How many looks in a row it takes.
fn at_least_one(map: &mut MapReader<'_>, key: &'static str, notes: &mut Diagnostics) -> Option<u32> {
    let n = map.count(key, notes)?;
    if n == 0 {
        let at = map.node(key).map_or(map.at, |n| n.at);
        notes.error_with_hint(at, &map.path_of(key), "it takes one look at least", "write 1");
    }
    Some(n.clamp(1, 1000) as u32)
}

fn never_degraded(allowed_ms: i64, timeout_ms: i64) -> String {
    let (allowed, timeout) = (format_duration_ms(allowed_ms), format_duration_ms(timeout_ms));
    format!("no look comes to {allowed}: its timeout is {timeout}")
}

/// A check of `checks:`.
pub(super) fn read_alone(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<CheckSpec> {
    read(node, path, (&Defaults::default(), None), notes)
}

/// `of` gives the base and the place in a model.
pub(super) fn read(
    node: &Node,
    path: &str,
    (defaults, of): (&Defaults, Option<(&str, ModelPart)>),
    notes: &mut Diagnostics,
) -> Option<CheckSpec> {
    let mut map = MapReader::new(node, path, notes);
    let name = map.text("name", notes);
    let check_in = map.duration_ms("check_in", notes);
    if check_in == Some(0) {
        let at = map.node("check_in").map_or(node.at, |n| n.at);
        let hint = "write how long it may take until the next report, such as 1d";
        notes.error_with_hint(at, &map.path_of("check_in"), "nothing reports all the time", hint);
    }
    let mut timing = defaults.clone().read(&mut map, notes);
    let endpoint = map.text("endpoint", notes);
    let labels = labels_of(&mut map, node, notes);
    let depends_on = match map.node("depends_on") {
        Some(list) => super::names_of(list, path, notes),
        None => Vec::new(),
    };
    let is_canary = map.bool("canary", notes).unwrap_or(false);
    let repairs = map.list("recovery", notes);
    let recovery = recovery::read(&repairs, notes);
    let mut probes: Vec<Probe> = Vec::new();
    for kind in Probe::KINDS {
        if let Some(settings) = map.node(kind) {
            probes.extend(read_probe(kind, settings, &map.path_of(kind), notes));
        }
    }
    let slow_path = map.path_of("degraded_above");
    let slow = map.node("degraded_above").map(|n| (n.at, slow_path.as_str()));
    let before = notes.found.len();
    map.finish(notes);
    let is_unknown_key = notes.found.len() > before;
    let what = match (check_in, probes.pop()) {
        (Some(deadline_ms), None) => {
            timing.interval_ms = CHECK_IN_LOOK_MS.min(deadline_ms.max(1000));
            // A deadline that passed is a fact, and a report is one too: neither has to be said twice.
            (timing.policy.failures, timing.policy.passes) = (1, 1);
            timing.degraded_above_ms = None;
            if let Some((at, path)) = slow {
                notes.error(at, path, "a check-in is a moment: there is no time that it takes");
            }
            CheckKind::CheckIn { deadline_ms }
        }
        (None, Some(probe)) if probes.is_empty() => {
            check_own_degraded_above(&probe, timing.timeout_ms, (slow, (node.at, path)), notes);
            probe.into()
        }
        (None, None) => {
            let has_kind = matches!(&node.value, Value::Map(pairs) if pairs.iter().any(|(k, _)| Probe::KINDS.contains(&k.text.as_str())));
            if !is_unknown_key && !has_kind {
                let hint = format!("one of: {}, check_in", Probe::KINDS.join(", "));
                notes.error_with_hint(node.at, path, "no kind of probe is named", hint);
            }
            return None;
        }
        _ => {
            notes.error(node.at, path, "a check is of one kind; write several checks");
            return None;
        }
    };
    let (base, model) = match of {
        Some((base, part)) => (Some(base.to_owned()), Some(part)),
        None => (endpoint, None),
    };
    let kind = match &what {
        CheckKind::Probe(probe) => {
            check_target(probe, base.as_deref(), (node, path), notes);
            probe.kind()
        }
        CheckKind::CheckIn { .. } => "check_in",
    };
    let name = match (&model, name) {
        (Some(part), name) => {
            let suffix = name.unwrap_or_else(|| kind.to_owned());
            format!("{}/{}/{suffix}", part.model, short(&part.part))
        }
        (None, Some(name)) => name,
        (None, None) => default_name(&what, base.as_deref()),
    };
    Some(CheckSpec {
        name,
        model,
        what,
        base,
        interval_ms: timing.interval_ms,
        timeout_ms: timing.timeout_ms,
        degraded_above_ms: timing.degraded_above_ms,
        policy: timing.policy,
        labels,
        depends_on,
        is_canary,
        recovery,
    })
}

fn labels_of(map: &mut MapReader<'_>, node: &Node, notes: &mut Diagnostics) -> BTreeMap<String, String> {
    let labels: BTreeMap<String, String> = map.text_map("labels", notes).into_iter().collect();
    if let Some(name) = labels.keys().find(|name| name.starts_with("__")) {
        let message = format!("{name:?} is no label for a check: names that begin with __ are not its own");
        let at = map.node("labels").map_or(node.at, |n| n.at);
        notes.error(at, &map.path_of("labels"), message);
    }
    labels
}

/// A check that nobody can be asked for would be unknown for ever, which pages nobody.
fn check_target(probe: &Probe, base: Option<&str>, (node, path): (&Node, &str), notes: &mut Diagnostics) {
    let kind = probe.kind();
    let at = match &node.value {
        Value::Map(pairs) => pairs.iter().find(|(k, _)| k.text == kind).map(|(k, _)| k.at),
        _ => None,
    };
    let (at, path) = (at.unwrap_or(node.at), format!("{path}.{kind}"));
    if let Err(why) = probe.check_target(base) {
        match probe.address().or(base) {
            Some(_) => notes.error(at, &path, why),
            None => {
                let hint = format!("write it in {kind}: {{ … }}, or endpoint: beside it");
                notes.error_with_hint(at, &path, why, hint);
            }
        }
    }
    // No error: it may come before the first look, or this be another machine.
    for file in probe.tls_files() {
        if let Err(error) = std::fs::metadata(file) {
            notes.warning(at, &path, format!("tls: {}: {error}", file.display()));
        }
    }
}

type Place<'a> = (Position, &'a str);

/// The spelling within a kind's own settings, which is older than the one beside it. No error where it can never hold: it was none.
fn check_own_degraded_above(
    probe: &Probe,
    timeout_ms: i64,
    (beside, check): (Option<Place<'_>>, Place<'_>),
    notes: &mut Diagnostics,
) {
    let Some(allowed_ms) = probe.degraded_above_ms() else {
        return;
    };
    let kind = probe.kind();
    if let Some((at, path)) = beside {
        let message = format!("{kind} has a degraded_above of its own: write one of them");
        notes.error(at, path, message);
    } else if allowed_ms >= timeout_ms {
        let (at, path) = check;
        notes.warning(
            at,
            &format!("{path}.{kind}"),
            never_degraded(allowed_ms, timeout_ms),
        );
    }
}

fn read_probe(kind: &str, settings: &Node, path: &str, notes: &mut Diagnostics) -> Option<Probe> {
    let key = Key {
        text: kind.to_owned(),
        at: settings.at,
    };
    let tagged = Node::new(Value::Map(vec![(key, settings.clone())]), settings.at);
    // The path of a mistake names the kind already.
    let above = path.strip_suffix(&format!(".{kind}")).unwrap_or(path);
    let probe: Probe = decode_any(&tagged, above, notes)?;
    match probe.check() {
        Ok(()) => Some(probe),
        Err(why) => {
            notes.error(settings.at, path, why);
            None
        }
    }
}

fn default_name(what: &CheckKind, base: Option<&str>) -> String {
    match what {
        CheckKind::CheckIn { .. } => "check_in".to_owned(),
        CheckKind::Probe(probe) => match probe.address().or(base) {
            Some(address) => address.to_owned(),
            None => probe.kind().to_owned(),
        },
    }
}

/// `10.0.0.5:8000` of `http://10.0.0.5:8000/`.
fn short(url: &str) -> &str {
    url.split_once("://")
        .map_or(url, |(_, rest)| rest)
        .trim_end_matches('/')
}
