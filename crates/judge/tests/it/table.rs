//! A world in which expressions have the values that a test gives them.

use lapwing_judge::rules::{
    EvalError, Evaluate, Evaluated, RuleGroup, Rules, RulesOptions, RulesState, Tick, load_rule_file,
};
use lapwing_types::{Labels, SeriesWrite};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) values: BTreeMap<String, Result<Vec<Evaluated>, String>>,
    pub(crate) remembered: Vec<SeriesWrite>,
}

impl Evaluate for Table {
    fn instant(&self, expr: &str, _at_ms: i64) -> Result<Vec<Evaluated>, EvalError> {
        match self.values.get(expr) {
            Some(Ok(vector)) => Ok(vector.clone()),
            Some(Err(reason)) => Err(EvalError {
                expr: expr.to_owned(),
                reason: reason.clone(),
            }),
            None => Ok(Vec::new()),
        }
    }

    fn remember(&mut self, written: &[SeriesWrite]) {
        self.remembered.extend_from_slice(written);
    }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

/// One rule set, one state, one clock that only goes where it is told.
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) state: RulesState,
    pub(crate) table: Table,
    pub(crate) now_ms: i64,
}

pub(crate) fn load(text: &str) -> Vec<RuleGroup> {
    load_rule_file("rules.yml", text, &RulesOptions::default(), &|_| Ok(())).unwrap()
}

impl World {
    pub(crate) fn new(text: &str) -> World {
        World::of(load(text))
    }

    pub(crate) fn of(groups: Vec<RuleGroup>) -> World {
        let options = RulesOptions {
            interval_ms: 10_000,
            ..RulesOptions::default()
        };
        let mut world = World {
            rules: Rules::new(groups, options),
            state: RulesState::default(),
            table: Table::default(),
            now_ms: 1_000_000_000,
        };
        world.tick();
        world
    }

    pub(crate) fn set(&mut self, expr: &str, elements: &[(&[(&str, &str)], f64)]) {
        let vector = elements
            .iter()
            .map(|(l, v)| Evaluated::float(labels(l), *v))
            .collect();
        self.table.values.insert(expr.to_owned(), Ok(vector));
    }

    pub(crate) fn tick(&mut self) -> Tick {
        self.rules.tick(self.now_ms, &mut self.table, &mut self.state)
    }

    pub(crate) fn after(&mut self, ms: i64) -> Tick {
        self.now_ms += ms;
        self.tick()
    }

    /// Kill -9: what was not written down is gone.
    pub(crate) fn restart(&mut self, rows: &mut Rows, away_ms: i64) {
        self.now_ms += away_ms;
        let (state, errors) = RulesState::load(rows.of("rule_group"), rows.of("rule"));
        assert!(errors.is_empty());
        self.state = state;
        self.state.resume(self.now_ms, self.rules.options());
    }
}

/// The state store, as a map.
#[derive(Default)]
pub(crate) struct Rows(BTreeMap<(String, String), String>);

impl Rows {
    pub(crate) fn sync(&mut self, state: &mut RulesState) {
        for change in state.take_changes() {
            let key = (change.kind.as_str().to_owned(), change.key);
            match change.json {
                Some(json) => self.0.insert(key, json),
                None => self.0.remove(&key),
            };
        }
    }

    fn of(&self, kind: &str) -> Vec<(String, String)> {
        let rows = self.0.iter().filter(|((k, _), _)| k == kind);
        rows.map(|((_, key), json)| (key.clone(), json.clone())).collect()
    }
}

/// `Firing a=1` for each event of a tick.
pub(crate) fn events(tick: &Tick) -> Vec<String> {
    tick.events
        .iter()
        .map(|e| {
            let labels = e.alert.labels.drop(&["alertname", "severity"]);
            format!("{:?} {labels}", e.kind)
        })
        .collect()
}
