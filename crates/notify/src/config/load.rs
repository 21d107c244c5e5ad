//! From text to a configuration that can be trusted: names exist, templates parse, nothing is left to chance at three
//! in the morning.

use super::error::ConfigError;
use super::extras::{Extras, Whom};
use super::inhibit::InhibitRule;
use super::interval::TimeInterval;
use super::raw::{Global, RawConfig};
use super::receiver::Receiver;
use super::route::{Route, compile};
use crate::message::Templates;
use lapwing_types::parse_duration_ms;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Everything that dispatch and the channels need to know; immutable.
#[derive(Clone, Debug)]
pub struct NotifyConfig {
    pub global: Global,
    pub resolve_timeout_ms: i64,
    pub route: Route,
    pub receivers: BTreeMap<String, Receiver>,
    pub inhibit_rules: Vec<InhibitRule>,
    pub intervals: BTreeMap<String, TimeInterval>,
    pub templates: Arc<Templates>,
    pub extras: Extras,
    pub external_url: String,
    /// As it was typed; secrets are taken out where it is shown.
    pub original: String,
    /// What was read and has no meaning here.
    pub warnings: Vec<String>,
}

impl NotifyConfig {
    /// Where nothing is configured: one receiver that tells nobody. Alerts are still grouped, shown and kept.
    pub fn quiet() -> Self {
        const TEXT: &str = "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n";
        match load_notify_config(TEXT, &[], "") {
            Ok(config) => config,
            Err(errors) => unreachable!("a constant configuration is valid: {errors:?}"),
        }
    }
}

/// The globs of `templates:`; whoever may read files reads them and hands the texts to [`load_notify_config`].
pub fn template_globs(text: &str) -> Result<Vec<String>, ConfigError> {
    Ok(parse(text)?.templates)
}

fn parse(text: &str) -> Result<RawConfig, ConfigError> {
    serde_saphyr::from_str(text).map_err(|e| {
        let at = e.location();
        ConfigError {
            line: at.map_or(1, |l| l.line()),
            column: at.map_or(1, |l| l.column()),
            place: String::new(),
            reason: e.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    })
}

/// Reads an alertmanager.yml and the texts of its template files.
pub fn load_notify_config(
    text: &str,
    template_files: &[(String, String)],
    external_url: &str,
) -> Result<NotifyConfig, Vec<ConfigError>> {
    let raw = parse(text).map_err(|e| vec![e])?;
    let mut errors: Vec<ConfigError> = Vec::new();
    let mut warnings = Vec::new();
    if raw.tracing.is_some() {
        warnings.push("'tracing' is read and has no meaning here".to_owned());
    }
    let templates = Templates::new(template_files).unwrap_or_else(|e| {
        errors.push(ConfigError::at("templates", e.to_string()));
        Templates::default()
    });
    let route = match &raw.route {
        Some(route) => {
            let mut wrong = Vec::new();
            let made = compile(route, &mut wrong);
            errors.extend(
                wrong
                    .into_iter()
                    .map(|(place, reason)| ConfigError::at(place, reason)),
            );
            Some(made)
        }
        None => {
            errors.push(ConfigError::at("", "no route provided in config"));
            None
        }
    };
    let receivers = receivers(&raw, &templates, &mut errors);
    let intervals = intervals(&raw, &mut errors);
    let mut inhibit_rules = Vec::new();
    for (i, rule) in raw.inhibit_rules.iter().enumerate() {
        match InhibitRule::compile(rule, i) {
            Ok(rule) => inhibit_rules.push(rule),
            Err(reason) => errors.push(ConfigError::at(format!("inhibit_rules[{i}]"), reason)),
        }
    }
    let mut wrong = Vec::new();
    let extras = Extras::compile(&raw.lapwing, &intervals, &mut wrong);
    let beneath = |(place, reason): (String, String)| ConfigError::at(format!("lapwing.{place}"), reason);
    errors.extend(wrong.into_iter().map(beneath));
    let resolve_timeout_ms = match &raw.global.resolve_timeout {
        None => 300_000,
        Some(text) => parse_duration_ms(text).unwrap_or_else(|e| {
            errors.push(ConfigError::at("global.resolve_timeout", e.to_string()));
            300_000
        }),
    };
    if let Some(route) = &route {
        names(route, &extras, &raw, &mut errors);
    }
    match route {
        Some(route) if errors.is_empty() => Ok(NotifyConfig {
            global: raw.global,
            resolve_timeout_ms,
            route,
            receivers,
            inhibit_rules,
            intervals,
            templates: Arc::new(templates),
            extras,
            external_url: external_url.trim_end_matches('/').to_owned(),
            original: text.to_owned(),
            warnings,
        }),
        _ => Err(errors),
    }
}

fn receivers(
    raw: &RawConfig,
    templates: &Templates,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<String, Receiver> {
    let mut receivers = BTreeMap::new();
    for (i, receiver) in raw.receivers.iter().cloned().enumerate() {
        let name = receiver.name.clone();
        if name.is_empty() {
            errors.push(ConfigError::at(
                format!("receivers[{i}]"),
                "missing name in receiver",
            ));
        }
        let made = match Receiver::compile(receiver, &raw.global) {
            Ok(made) => made,
            Err(wrong) => {
                errors.extend(
                    wrong
                        .into_iter()
                        .map(|(at, reason)| ConfigError::at(format!("receivers[{name}].{at}"), reason)),
                );
                continue;
            }
        };
        for channel in &made.channels {
            for text in channel.templates() {
                if let Err(e) = templates.check(text) {
                    let place = format!("receivers[{name}].{}", channel.kind());
                    errors.push(ConfigError::at(place, e.to_string()));
                }
            }
        }
        if receivers.insert(name.clone(), made).is_some() {
            errors.push(ConfigError::at(
                format!("receivers[{i}]"),
                format!("notification config name {name:?} is not unique"),
            ));
        }
    }
    receivers
}

fn intervals(raw: &RawConfig, errors: &mut Vec<ConfigError>) -> BTreeMap<String, TimeInterval> {
    let mut intervals = BTreeMap::new();
    for interval in raw.time_intervals.iter().chain(&raw.mute_time_intervals) {
        match TimeInterval::compile(interval) {
            Ok(made) => {
                if intervals.insert(interval.name.clone(), made).is_some() {
                    let reason = format!("time interval {:?} is not unique", interval.name);
                    errors.push(ConfigError::at("time_intervals", reason));
                }
            }
            Err(reason) => {
                errors.push(ConfigError::at(
                    format!("time_intervals[{}]", interval.name),
                    reason,
                ));
            }
        }
    }
    intervals
}

/// Every name that is used must be defined, rightly or not: of one mistake one thing is said.
fn names(route: &Route, extras: &Extras, raw: &RawConfig, errors: &mut Vec<ConfigError>) {
    let receivers: HashSet<&str> = raw.receivers.iter().map(|r| r.name.as_str()).collect();
    let all = raw.time_intervals.iter().chain(&raw.mute_time_intervals);
    let intervals: HashSet<&str> = all.map(|i| i.name.as_str()).collect();
    let mut wanted: Vec<(String, String)> = Vec::new();
    walk(route, "route", &mut |place, r| {
        wanted.push((place.to_owned(), r.receiver.clone()));
        for name in r.mute_time_intervals.iter().chain(&r.active_time_intervals) {
            if !intervals.contains(name.as_str()) {
                let reason = format!("undefined time interval {name:?}");
                errors.push(ConfigError::at(place, reason));
            }
        }
    });
    wanted.extend(
        extras
            .fallback_receiver
            .iter()
            .map(|r| ("lapwing.fallback_receiver".to_owned(), r.clone())),
    );
    for chain in &extras.escalations {
        for step in &chain.steps {
            let place = format!("lapwing.escalations[{}]", chain.name);
            let on_call = &extras.on_call;
            match &step.whom {
                Whom::Receiver(name) => wanted.push((place, name.clone())),
                Whom::Person(name) if !on_call.people.contains_key(name) => {
                    errors.push(ConfigError::at(place, format!("undefined person {name:?}")));
                }
                Whom::Schedule(name) if !on_call.schedules.contains_key(name) => {
                    errors.push(ConfigError::at(place, format!("undefined schedule {name:?}")));
                }
                Whom::Person(_) | Whom::Schedule(_) => {}
            }
        }
    }
    for (person, receiver) in &extras.on_call.people {
        wanted.push((format!("lapwing.people[{person}]"), receiver.clone()));
    }
    for (place, name) in wanted {
        if !name.is_empty() && !receivers.contains(name.as_str()) {
            errors.push(ConfigError::at(place, format!("undefined receiver {name:?}")));
        }
    }
}

/// Every route with its place, the outer ones first.
fn walk<'a>(route: &'a Route, place: &str, see: &mut dyn FnMut(&str, &'a Route)) {
    see(place, route);
    for (nth, child) in route.routes.iter().enumerate() {
        walk(child, &format!("{place}.routes[{nth}]"), see);
    }
}
