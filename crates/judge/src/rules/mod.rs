//! Rules: Prometheus rule files as they are, and Lapwing's own.
//!
//! In reading order: a file becomes groups ([`load_rule_file`]), groups are due at slots of time (`schedule`), a slot
//! is evaluated through [`Evaluate`], an alerting rule moves its instances through pending, firing and resolved
//! (`alerting`), and [`Rules::tick`] joins it all.
//!
//! Order of keeping: the samples of a tick go to the metrics store first, then the state's changes to the state store.
//! A crash between the two evaluates the slot again, which writes the same samples; the other order would lose them.

mod alerting;
mod anomaly;
mod burn;
mod condition;
mod evaluate;
mod file;
mod group;
mod keys;
mod mistyped;
mod names;
mod overlay;
mod own;
mod plain;
mod query;
mod replay;
mod schedule;
mod shapes;
mod state;
mod template;
mod tick;
mod tree;
mod trend;
mod view;
mod within;

pub use burn::BURN_PERIOD_MIN_MS;
pub use condition::{Comparison, Condition, Drawn, NoData};
pub use evaluate::{EvalError, Evaluate, Evaluated};
pub use file::{RuleFileError, load_rule_file};
pub use group::{Alerting, Rule, RuleGroup, RuleKind, RulesOptions};
pub use names::{WELL_KNOWN, WellKnown};
pub use own::{
    COOLDOWN_ANNOTATION, Explained, OwnRule, Recorded, compile_own_rules, explain, load_own_rules,
};
pub use query::{QueryEvaluator, check_expr};
pub use replay::{FiredInterval, NoSeries, Replay, Replayed};
pub use shapes::{AnomalyMethod, AnomalyShape, BurnShape, Direction, Share, TrendShape};
pub use state::RulesState;
pub use tick::{Rules, Tick};
pub use view::{ActiveAlertView, AlertsView, RuleGroupView, RuleView};
pub use within::place_within;
