//! The tree of routes: who is told what, in which groups, how often.

use super::matchers::{MatchersError, parse_matchers};
use super::raw::RawRoute;
use lapwing_types::{Labels, MatchOp, Matcher, parse_duration_ms};

/// Labels that alerts are grouped by; `...` is every label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    All,
    Labels(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct Route {
    /// Its place in the tree and its matchers: stable over reloads that do not touch it.
    pub id: String,
    /// As Alertmanager names it, so that what is derived from it (PagerDuty's `dedup_key`) stays the same after taking over.
    /// Siblings with the same matchers share it; nothing of ours is kept by it.
    pub key: String,
    pub receiver: String,
    pub matchers: Vec<Matcher>,
    pub group_by: GroupBy,
    pub group_wait_ms: i64,
    pub group_interval_ms: i64,
    pub repeat_interval_ms: i64,
    pub goes_on: bool,
    pub mute_time_intervals: Vec<String>,
    pub active_time_intervals: Vec<String>,
    pub routes: Vec<Route>,
}

impl GroupBy {
    /// The labels that name an alert's group.
    pub fn labels_of(&self, labels: &Labels) -> Labels {
        match self {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels.keep(names),
        }
    }
}

impl Route {
    /// The routes that an alert takes: the deepest that match, and more where `continue` says so.
    pub fn matching<'a>(&'a self, labels: &Labels) -> Vec<&'a Route> {
        if !self.matchers.iter().all(|m| m.matches_labels(labels)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for child in &self.routes {
            let below = child.matching(labels);
            let matched = !below.is_empty();
            found.extend(below);
            if matched && !child.goes_on {
                break;
            }
        }
        if found.is_empty() {
            found.push(self);
        }
        found
    }

    pub fn find(&self, id: &str) -> Option<&Route> {
        if self.id == id {
            return Some(self);
        }
        self.routes.iter().find_map(|r| r.find(id))
    }
}

/// Defaults of Alertmanager for the root.
fn root_defaults() -> Route {
    Route {
        id: String::new(),
        key: String::new(),
        receiver: String::new(),
        matchers: Vec::new(),
        group_by: GroupBy::Labels(Vec::new()),
        group_wait_ms: 30_000,
        group_interval_ms: 300_000,
        repeat_interval_ms: 4 * 3_600_000,
        goes_on: false,
        mute_time_intervals: Vec::new(),
        active_time_intervals: Vec::new(),
        routes: Vec::new(),
    }
}

const DEPTH_MAX: usize = 50;

/// Compiles the tree; each mistake is told with the path of its route.
pub(crate) fn compile(raw: &RawRoute, errors: &mut Vec<(String, String)>) -> Route {
    let mut root = route(raw, &root_defaults(), ("route", 0), errors);
    if raw.receiver.as_deref().unwrap_or("").is_empty() {
        errors.push((
            "route".to_owned(),
            "root route must specify a default receiver".to_owned(),
        ));
    }
    if !root.matchers.is_empty() {
        errors.push((
            "route".to_owned(),
            "root route must not have any matchers".to_owned(),
        ));
    }
    if !root.mute_time_intervals.is_empty() || !root.active_time_intervals.is_empty() {
        errors.push((
            "route".to_owned(),
            "root route must not have any time intervals".to_owned(),
        ));
    }
    if root.goes_on {
        errors.push((
            "route".to_owned(),
            "root route must not have continue set".to_owned(),
        ));
    }
    root.matchers.clear();
    root
}

fn route(
    raw: &RawRoute,
    parent: &Route,
    (place, depth): (&str, usize),
    errors: &mut Vec<(String, String)>,
) -> Route {
    let mut error = |reason: String| errors.push((place.to_owned(), reason));
    let mut duration = |text: &Option<String>, inherited: i64, zero_ok: bool| match text {
        None => inherited,
        Some(text) => match parse_duration_ms(text) {
            Ok(0) if !zero_ok => {
                error("group_interval and repeat_interval cannot be zero".to_owned());
                inherited
            }
            Ok(ms) => ms,
            Err(e) => {
                error(e.to_string());
                inherited
            }
        },
    };
    let group_wait_ms = duration(&raw.group_wait, parent.group_wait_ms, true);
    let group_interval_ms = duration(&raw.group_interval, parent.group_interval_ms, false);
    let repeat_interval_ms = duration(&raw.repeat_interval, parent.repeat_interval_ms, false);
    let matchers = raw_matchers(&raw.matchers, &raw.match_, &raw.match_re).unwrap_or_else(|e| {
        error(e.to_string());
        Vec::new()
    });
    let group_by = match &raw.group_by {
        None => parent.group_by.clone(),
        Some(names) if names.iter().any(|n| n == "...") => {
            if names.len() > 1 {
                error("cannot have wildcard group_by (`...`) and other labels at the same time".to_owned());
            }
            GroupBy::All
        }
        Some(names) => {
            let mut sorted = names.clone();
            sorted.sort();
            if sorted.windows(2).any(|w| w[0] == w[1]) {
                error("duplicated label in group_by".to_owned());
            }
            GroupBy::Labels(sorted)
        }
    };
    if depth > DEPTH_MAX {
        error(format!("routes are nested deeper than {DEPTH_MAX}"));
        return parent.clone();
    }
    let shown: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    let mut made = Route {
        id: child_id(&parent.id, &shown.join(",")),
        key: child_id(&parent.key, &alertmanager_matchers(raw, &matchers)),
        receiver: raw
            .receiver
            .clone()
            .filter(|r| !r.is_empty())
            .unwrap_or_else(|| parent.receiver.clone()),
        matchers,
        group_by,
        group_wait_ms,
        group_interval_ms,
        repeat_interval_ms,
        goes_on: raw.continue_,
        mute_time_intervals: raw.mute_time_intervals.clone(),
        active_time_intervals: raw.active_time_intervals.clone(),
        routes: Vec::new(),
    };
    for (i, child) in raw.routes.iter().enumerate() {
        let place = format!("{place}.routes[{i}]");
        let mut compiled = route(child, &made, (&place, depth + 1), errors);
        // Two siblings with the same matchers are different routes.
        if made.routes.iter().any(|r: &Route| r.id == compiled.id) {
            relabel(&mut compiled, &made.id, i);
        }
        made.routes.push(compiled);
    }
    made
}

/// Sorted, and an old `match_re` with the anchors that it stands for.
fn alertmanager_matchers(raw: &RawRoute, matchers: &[Matcher]) -> String {
    // The patterns of `match_re` come last.
    let first_old_regex = matchers.len().saturating_sub(raw.match_re.len());
    let mut all: Vec<(&str, String, MatchOp)> = Vec::new();
    for (i, matcher) in matchers.iter().enumerate() {
        let value = if i >= first_old_regex {
            format!("^(?:{})$", matcher.value)
        } else {
            matcher.value.clone()
        };
        all.push((&matcher.name, value, matcher.op));
    }
    all.sort_by_key(|(name, value, op)| (name.to_string(), value.clone(), *op as u8));
    let shown = all.iter().map(|(name, value, op)| {
        let escaped = value
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('"', "\\\"");
        let is_reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
        if name.contains(is_reserved) {
            format!("{name:?}{}\"{escaped}\"", op.as_str())
        } else {
            format!("{name}{}\"{escaped}\"", op.as_str())
        }
    });
    shown.collect::<Vec<String>>().join(",")
}

fn child_id(parent: &str, matchers: &str) -> String {
    if parent.is_empty() {
        format!("{{{matchers}}}")
    } else {
        format!("{parent}/{{{matchers}}}")
    }
}

fn relabel(route: &mut Route, parent: &str, nth: usize) {
    let rest = route.id[parent.len()..].to_owned();
    let (old, new) = (route.id.clone(), format!("{parent}#{nth}{rest}"));
    fn rename(route: &mut Route, old: &str, new: &str) {
        route.id = format!("{new}{}", &route.id[old.len()..]);
        for child in &mut route.routes {
            rename(child, old, new);
        }
    }
    rename(route, &old, &new);
}

/// `matchers`, and the older `match` and `match_re`.
pub(crate) fn raw_matchers(
    texts: &[String],
    equal: &std::collections::BTreeMap<String, String>,
    regex: &std::collections::BTreeMap<String, String>,
) -> Result<Vec<Matcher>, MatchersError> {
    let mut all = Vec::new();
    for text in texts {
        all.extend(parse_matchers(text)?);
    }
    for (name, value) in equal {
        all.push(Matcher::equal(name, value));
    }
    for (name, pattern) in regex {
        let made = Matcher::new(MatchOp::Regex, name, pattern).map_err(|e| MatchersError {
            text: pattern.clone(),
            reason: e.to_string(),
        })?;
        all.push(made);
    }
    Ok(all)
}
