//! Another list of what is watched takes the place of the one in force; a start is an exchange of nothing for something.
//!
//! 1. What is the same in both keeps everything: state, streaks, the look that is under way.
//! 2. What changed keeps its state, so that a page is neither repeated nor taken back by an edit; where it asks something
//!    else now, its streaks begin anew.
//! 3. What is gone ends its series with staleness and leaves no row. Starts of repairs within the last hour stay: writing
//!    a model anew must not give it another budget.

use super::board::{Board, CheckRow, Last, Live};
use super::event::HealthEvent;
use super::hosts::{is_below, place_of};
use super::models::ModelLive;
use super::series::{LabelCache, push_stale};
use super::spec::{CheckKind, CheckSpec, HealthOptions, ModelSpec};
use lapwing_judge::health::{CheckState, DependencyGraph, RecoveryState};
use lapwing_types::HealthState;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;
/// Pings of one host, or connections to one port, from which dependencies are learned: more of them say the same.
const BASES_MAX: usize = 4;

impl Board {
    pub(super) fn exchange(&mut self, options: Arc<HealthOptions>, now_ms: i64) {
        let before = std::mem::replace(&mut self.options, options);
        self.exchange_checks(&before, now_ms);
        self.exchange_models(&before, now_ms);
        self.learn_dependencies();
        self.forget_quiet();
        self.forget_repairs(now_ms);
        self.resume_repairs(now_ms);
        self.note_exchange(&before, now_ms);
    }

    fn exchange_checks(&mut self, before: &HealthOptions, now_ms: i64) {
        let options = self.options.clone();
        let old = before.checks.iter().zip(std::mem::take(&mut self.checks));
        let mut old: HashMap<&str, (&CheckSpec, Live)> = old
            .map(|(spec, live)| (spec.name.as_str(), (spec, live)))
            .collect();
        for spec in &options.checks {
            let live = match old.remove(spec.name.as_str()) {
                Some((was, live)) if was == spec => live,
                Some((was, mut live)) => {
                    let row = std::mem::take(&mut live.row);
                    let mut next = live_of(spec, row_anew(row, was, spec));
                    if next.labels.is_base_of(&live.labels) {
                        next.labels = live.labels;
                    } else {
                        push_stale(&mut self.batch, &live.labels, now_ms);
                    }
                    (next.missed, next.is_suppressed) = (live.missed, live.is_suppressed);
                    next
                }
                None => {
                    let kept = self.check_rows.claim(&spec.name);
                    live_of(spec, row_at_start(kept.unwrap_or_default(), now_ms))
                }
            };
            self.checks.push(live);
        }
        for (name, (_, gone)) in old {
            push_stale(&mut self.batch, &gone.labels, now_ms);
            self.check_rows.remove(name);
        }
        self.check_rows.forget_unclaimed();
        let names = options.checks.iter().enumerate();
        self.by_name = names.map(|(i, c)| (c.name.clone(), i)).collect();
    }

    fn exchange_models(&mut self, before: &HealthOptions, now_ms: i64) {
        let options = self.options.clone();
        let old = before.models.iter().zip(std::mem::take(&mut self.models));
        let mut old: HashMap<&str, (&ModelSpec, ModelLive)> = old
            .map(|(spec, live)| (spec.name.as_str(), (spec, live)))
            .collect();
        for spec in &options.models {
            let mut live = match old.remove(spec.name.as_str()) {
                Some((was, live)) if was == spec => live,
                Some((_, live)) => {
                    let mut next = ModelLive::new(spec, live.row, now_ms);
                    if next.labels.is_base_of(&live.labels) {
                        next.labels = live.labels;
                    } else {
                        push_stale(&mut self.batch, &live.labels, now_ms);
                    }
                    (next.parts, next.requests) = (live.parts, live.requests);
                    next.is_suppressed = live.is_suppressed;
                    next
                }
                None => {
                    let kept = self.rows.get(&format!("model/{}", spec.name));
                    let row = kept.and_then(|v| serde_json::from_value(v.clone()).ok());
                    ModelLive::new(spec, row.unwrap_or_default(), now_ms)
                }
            };
            let parts = options.checks.iter().enumerate();
            let mine = parts.filter(|(_, c)| c.model.as_ref().is_some_and(|p| p.model == spec.name));
            live.checks = mine.map(|(i, _)| i).collect();
            self.models.push(live);
        }
        let mut gone: Vec<(&str, ModelLive)> = old.into_iter().map(|(n, (_, live))| (n, live)).collect();
        gone.sort_by_key(|(name, _)| *name);
        for (name, live) in gone {
            push_stale(&mut self.batch, &live.labels, now_ms);
            let state = live.row.state;
            let mut event = HealthEvent::of_state(format!("model/{name}"), (state, state), now_ms);
            "removed".clone_into(&mut event.to);
            "it is no longer among the models".clone_into(&mut event.detail);
            self.record(event);
        }
        let is_known = |key: &str| {
            let name = key.strip_prefix("model/");
            name.is_none_or(|name| options.models.iter().any(|m| m.name == name))
        };
        let gone: Vec<String> = self
            .rows
            .keys()
            .filter(|key| !is_known(key))
            .map(str::to_owned)
            .collect();
        for key in gone {
            self.rows.remove(&key);
        }
    }

    /// Declared ones, and those that follow from who speaks to the same host and port.
    fn learn_dependencies(&mut self) {
        let options = self.options.clone();
        self.graph = DependencyGraph::default();
        let models: BTreeSet<&str> = options.models.iter().map(|m| m.name.as_str()).collect();
        let node = |name: &String| -> Option<String> {
            if models.contains(name.as_str()) {
                Some(format!("model/{name}"))
            } else {
                self.by_name.get(name).map(|i| self.checks[*i].node.clone())
            }
        };
        let mut edges: Vec<(String, String)> = Vec::new();
        for model in &options.models {
            let parents = model.depends_on.iter().filter_map(node);
            edges.extend(parents.map(|p| (format!("model/{}", model.name), p)));
        }
        for (spec, live) in options.checks.iter().zip(&self.checks) {
            let parents = spec.depends_on.iter().filter_map(node);
            edges.extend(parents.map(|p| (live.node.clone(), p)));
        }
        // Only a ping or a bare connection can be below another; looked up by host, for there may be thousands of both.
        let mut bases: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, spec) in options.checks.iter().enumerate() {
            if let Some(place) = &self.checks[i].place
                && matches!(spec.what.kind(), "icmp" | "tcp")
            {
                let known = bases.entry(&place.host).or_default();
                let is_alike = |at: &&usize| {
                    self.checks[**at].place == self.checks[i].place
                        && options.checks[**at].what.kind() == spec.what.kind()
                };
                if known.iter().filter(is_alike).count() < BASES_MAX {
                    known.push(i);
                }
            }
        }
        // A model stands on what all of its endpoints stand on: a fallback that is gone excuses no other.
        let mut checks_of: HashMap<&str, usize> = HashMap::new();
        let mut below_of: BTreeMap<(&str, &str), BTreeSet<usize>> = BTreeMap::new();
        for (number, (child, live)) in options.checks.iter().zip(&self.checks).enumerate() {
            *checks_of.entry(&live.node).or_default() += 1;
            let Some(at) = &live.place else { continue };
            for i in bases.get(at.host.as_str()).into_iter().flatten() {
                let Some(below) = &self.checks[*i].place else {
                    continue;
                };
                if is_below((child, at), (&options.checks[*i], below)) {
                    let edge = (live.node.as_str(), self.checks[*i].node.as_str());
                    below_of.entry(edge).or_default().insert(number);
                }
            }
        }
        for ((child, parent), numbers) in below_of {
            if checks_of.get(child) == Some(&numbers.len()) {
                edges.push((child.to_owned(), parent.to_owned()));
            }
        }
        for (child, parent) in edges {
            self.graph.add(&child, &parent);
        }
    }

    /// What was said of those that are gone: should they come back, it is to be said anew.
    fn forget_quiet(&mut self) {
        let models = self.options.models.iter().map(|m| format!("model/{}", m.name));
        let checks = self.options.checks.iter().map(|c| format!("check/{}", c.name));
        let known: BTreeSet<String> = models.chain(checks).collect();
        self.quiet.retain(|node, _| known.contains(node));
    }

    /// Repairs of what is gone, but for those that started something within the hour.
    fn forget_repairs(&mut self, now_ms: i64) {
        let bound = self.repair_keys();
        self.repairs.retain(|key, _| bound.contains(key));
        let is_spent = |row: &Value| {
            let state: RecoveryState = serde_json::from_value(row.clone()).unwrap_or_default();
            state.started_ms.iter().all(|at| now_ms - at >= HOUR_MS)
        };
        let gone: Vec<String> = self
            .rows
            .iter()
            .filter(|(key, row)| key.starts_with("repair/") && !bound.contains(*key) && is_spent(row))
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in gone {
            self.rows.remove(&key);
        }
    }
}

/// As it was when this process ended. Nobody could look meanwhile: silence counts from now.
fn row_at_start(mut row: CheckRow, now_ms: i64) -> CheckRow {
    if row.heard_ms == 0 {
        row.heard_ms = now_ms;
    }
    if row.state.state != HealthState::Unknown {
        row.state.seen_ms = row.state.seen_ms.max(now_ms);
    }
    row
}

fn row_anew(mut row: CheckRow, was: &CheckSpec, is: &CheckSpec) -> CheckRow {
    if was.what != is.what || was.base != is.base {
        row.state = CheckState {
            state: row.state.state,
            since_ms: row.state.since_ms,
            seen_ms: row.state.seen_ms,
            ..CheckState::default()
        };
        (row.last_good, row.last_bad) = (None, None);
    }
    row
}

fn live_of(spec: &CheckSpec, row: CheckRow) -> Live {
    let place = place_of(spec);
    let instance = spec.base.clone().or_else(|| match &spec.what {
        CheckKind::Probe(probe) => probe.address().map(str::to_owned),
        CheckKind::CheckIn { .. } => None,
    });
    // A check of a model's endpoint stands for its model in the graph.
    let node = match &spec.model {
        Some(part) => format!("model/{}", part.model),
        None => format!("check/{}", spec.name),
    };
    Live {
        row,
        last: Last::None,
        version: None,
        is_under_way: false,
        missed: 0,
        place,
        node,
        labels: LabelCache::of_check(spec, instance),
        is_suppressed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{Action, ModelPart, RecoverySpec, Role};
    use super::*;
    use lapwing_collect::probe::{HttpProbe, Probe, TcpProbe};
    use lapwing_judge::health::RecoveryPolicy;
    use lapwing_types::{ProbeOutcome, ProbeReason, StateChange, is_stale};

    const T: i64 = 1_700_000_000_000;

    fn check_of(name: &str, url: &str) -> CheckSpec {
        CheckSpec {
            what: Probe::Http(Box::new(HttpProbe {
                url: Some(url.to_owned()),
                ..HttpProbe::default()
            }))
            .into(),
            ..CheckSpec::example(name)
        }
    }

    fn options(checks: Vec<CheckSpec>) -> Arc<HealthOptions> {
        Arc::new(HealthOptions {
            checks,
            ..HealthOptions::default()
        })
    }

    fn rows_of(changes: Vec<StateChange>) -> Vec<(String, String)> {
        changes
            .into_iter()
            .filter_map(|c| Some((c.key, c.json?)))
            .collect()
    }

    fn fails(board: &mut Board, i: usize, times: usize) {
        for n in 0..times {
            board.finish(i, ProbeOutcome::fail(ProbeReason::Status, "no"), T + n as i64);
        }
    }

    fn state(board: &Board, name: &str) -> HealthState {
        board.checks[board.by_name[name]].row.state.state
    }

    #[test]
    fn a_crash_forgets_no_streak_and_a_long_standing_state_stays() {
        let watched = || options(vec![check_of("a", "http://a")]);
        let (mut board, _) = Board::new(watched(), Vec::new(), T);
        board.finish(0, ProbeOutcome::pass(), T);
        fails(&mut board, 0, 2);
        let rows = rows_of(board.take_changes());
        let (mut board, _) = Board::new(watched(), rows, T + 10);
        fails(&mut board, 0, 1);
        assert_eq!(
            state(&board, "a"),
            HealthState::Unhealthy,
            "two before the crash and one after it"
        );
        let rows = rows_of(board.take_changes());
        let month_ms = 30 * 86_400_000;
        let (mut board, _) = Board::new(watched(), rows, T + month_ms);
        board.tick(T + month_ms + 1000);
        assert_eq!(
            state(&board, "a"),
            HealthState::Unhealthy,
            "nobody could look meanwhile"
        );
        board.tick(T + month_ms + 600_000);
        assert_eq!(state(&board, "a"), HealthState::Unknown, "and nobody looks now");
    }

    #[test]
    fn what_is_the_same_keeps_its_streak_and_what_asks_something_else_begins_anew() {
        let (mut board, _) = Board::new(
            options(vec![
                check_of("a", "http://a"),
                check_of("b", "http://b"),
                check_of("c", "http://c"),
            ]),
            Vec::new(),
            T,
        );
        (0..3).for_each(|i| board.finish(i, ProbeOutcome::pass(), T));
        (0..3).for_each(|i| fails(&mut board, i, 2));
        assert!(board.begin(2));
        let before = board.options.clone();
        board.batch.series.clear();
        let mut slower = check_of("c", "http://c");
        slower.interval_ms = 2000;
        board.exchange(options(vec![slower, check_of("b", "http://elsewhere")]), T + 5);
        assert!(
            board
                .batch
                .series
                .iter()
                .all(|s| s.samples.iter().all(|x| is_stale(x.value)))
        );
        assert!(
            !board.batch.series.is_empty()
                && board
                    .take_changes()
                    .iter()
                    .any(|c| c.key == "check/a" && c.json.is_none())
        );
        // A look that began under the former settings counts for nobody, and blocks nobody.
        assert_eq!(board.now_at(&before, 2), None);
        assert!(board.begin(0));
        fails(&mut board, 0, 1);
        fails(&mut board, 1, 1);
        assert_eq!(state(&board, "c"), HealthState::Unhealthy);
        assert_eq!(state(&board, "b"), HealthState::Healthy);
    }

    #[test]
    fn a_model_stands_on_what_all_of_its_endpoints_stand_on() {
        let of_model = |name: &str, url: &str, role: Role| CheckSpec {
            model: Some(ModelPart {
                model: "chat".to_owned(),
                role,
                part: url.to_owned(),
            }),
            ..check_of(name, url)
        };
        let port = |name: &str, address: &str| CheckSpec {
            what: Probe::Tcp(Box::new(TcpProbe {
                address: Some(address.to_owned()),
                ..TcpProbe::default()
            }))
            .into(),
            ..CheckSpec::example(name)
        };
        let parents = |checks: Vec<CheckSpec>| -> Vec<String> {
            let (board, _) = Board::new(options(checks), Vec::new(), T);
            board.graph.parents("model/chat").map(str::to_owned).collect()
        };
        let main = of_model("chat/main", "http://a:1/", Role::Endpoint);
        let spare = of_model("chat/spare", "http://b:2/", Role::Fallback);
        let ports = [port("a-port", "a:1"), port("b-port", "b:2")];
        let with_ports = |checks: Vec<CheckSpec>| [checks, ports.to_vec()].concat();
        assert_eq!(
            parents(with_ports(vec![main.clone(), spare])),
            [""; 0],
            "a spare that is gone excuses nobody"
        );
        assert_eq!(parents(with_ports(vec![main.clone()])), ["check/a-port"]);
        let again = of_model("chat/again", "http://a:1/again", Role::Fallback);
        assert_eq!(parents(with_ports(vec![main, again])), ["check/a-port"]);
    }

    #[test]
    fn nothing_stays_quiet_when_its_cause_is_over_or_it_is_gone() {
        let both = || {
            let mut child = check_of("child", "http://b");
            child.depends_on = vec!["parent".to_owned()];
            vec![check_of("parent", "http://a"), child]
        };
        let (mut board, _) = Board::new(options(both()), Vec::new(), T);
        (0..2).for_each(|i| fails(&mut board, i, 3));
        board.tick(T + 1000);
        let is_quiet = |board: &Board| {
            (
                board.has_suppressed,
                board.quiet.len(),
                board.checks[1].is_suppressed,
            )
        };
        assert_eq!(is_quiet(&board), (true, 1, true));
        assert_eq!(board.decisions.len(), 1);
        for n in 0..2 {
            (0..2).for_each(|i| board.finish(i, ProbeOutcome::pass(), T + 2000 + n));
        }
        board.tick(T + 3000);
        assert_eq!(is_quiet(&board), (false, 0, false));

        (0..2).for_each(|i| fails(&mut board, i, 3));
        board.tick(T + 4000);
        assert_eq!((is_quiet(&board), board.decisions.len()), ((true, 1, true), 2));
        board.exchange(options(both()[..1].to_vec()), T + 5000);
        board.tick(T + 6000);
        assert_eq!((board.has_suppressed, board.quiet.len()), (false, 0));
        board.exchange(options(both()), T + 7000);
        fails(&mut board, 1, 3);
        board.tick(T + 8000);
        assert_eq!((is_quiet(&board), board.decisions.len()), ((true, 1, true), 3));
    }

    #[test]
    fn a_model_written_anew_gets_no_second_budget() {
        let watched = |is_there: bool| {
            let repair = RecoverySpec {
                name: "again".to_owned(),
                action: Action::Command {
                    argv: vec!["true".to_owned()],
                },
                policy: RecoveryPolicy {
                    per_hour_max: 1,
                    backoff_ms: 1,
                    cooldown_ms: 1,
                    ..RecoveryPolicy::default()
                },
                timeout_ms: 1000,
            };
            let mut check = check_of("m/a", "http://a");
            check.model = Some(ModelPart {
                model: "m".to_owned(),
                role: Role::Endpoint,
                part: "a".to_owned(),
            });
            let model = ModelSpec {
                name: "m".to_owned(),
                endpoints: vec!["a".to_owned()],
                recovery: vec![repair],
                ..ModelSpec::default()
            };
            Arc::new(HealthOptions {
                checks: if is_there { vec![check] } else { Vec::new() },
                models: if is_there { vec![model] } else { Vec::new() },
                ..HealthOptions::default()
            })
        };
        let (mut board, _) = Board::new(watched(true), Vec::new(), T);
        fails(&mut board, 0, 3);
        board.tick(T + 1000);
        assert_eq!(board.effects.len(), 1);
        board.exchange(watched(false), T + 2000);
        assert_eq!(board.events.back().map(|e| e.to.as_str()), Some("removed"));
        board.exchange(watched(true), T + 3000);
        fails(&mut board, 0, 3);
        (4..60).for_each(|s| board.tick(T + s * 1000));
        assert_eq!(board.effects.len(), 1, "the hour is not over");
    }
}
