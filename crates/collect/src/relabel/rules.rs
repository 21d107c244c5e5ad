//! A list of rules, applied in order until one drops the label set.

use super::action::{Rule, StepOutcome};
use super::config::{RelabelConfig, RelabelError};
use lapwing_types::{Labels, LabelsBuilder};

/// Checked rules; cheap to apply, made once per configuration.
#[derive(Clone, Debug, Default)]
pub struct RelabelRules {
    rules: Vec<Rule>,
}

/// What one rule made of the labels.
#[derive(Clone, Debug, PartialEq)]
pub struct RelabelStep {
    pub rule: RelabelConfig,
    pub labels: Labels,
    pub outcome: StepOutcome,
}

impl RelabelRules {
    pub fn new(configs: &[RelabelConfig]) -> Result<Self, RelabelError> {
        let mut rules = Vec::with_capacity(configs.len());
        for (index, config) in configs.iter().enumerate() {
            rules.push(
                config
                    .compile()
                    .map_err(|reason| RelabelError { index, reason })?,
            );
        }
        Ok(RelabelRules { rules })
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// False: dropped; the builder then holds what the dropping rule saw.
    pub fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        self.rules.iter().all(|rule| rule.apply(labels))
    }

    /// Each rule with what it did, for a person who asks why; ends with the rule that dropped.
    pub fn steps(&self, labels: &Labels) -> Vec<RelabelStep> {
        let mut builder = labels.to_builder();
        let mut before = labels.clone();
        let mut steps = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let kept = rule.apply(&mut builder);
            let after = builder.build();
            let outcome = match (kept, after == before) {
                (false, _) => StepOutcome::Dropped,
                (true, true) => StepOutcome::Unchanged,
                (true, false) => StepOutcome::Changed,
            };
            steps.push(RelabelStep {
                rule: rule.config.clone(),
                labels: after.clone(),
                outcome,
            });
            if !kept {
                break;
            }
            before = after;
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, RelabelReason};
    use super::*;

    fn rule(change: impl FnOnce(&mut RelabelConfig)) -> RelabelConfig {
        let mut config = RelabelConfig::default();
        change(&mut config);
        config
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    /// Labels before, the rules, labels after ("dropped" when they are).
    fn check(before: &[(&str, &str)], rules: &[RelabelConfig], expect: &str) {
        let mut labels = Labels::from_pairs(before.iter().copied()).unwrap().to_builder();
        let kept = RelabelRules::new(rules).unwrap().apply(&mut labels);
        let after = if kept {
            labels.build().to_string()
        } else {
            "dropped".to_owned()
        };
        assert_eq!(after, expect);
    }

    fn refused(config: RelabelConfig, expect: &str) {
        let error = RelabelRules::new(&[RelabelConfig::default_replace(), config]).unwrap_err();
        assert_eq!(error.to_string(), "relabel rule 1");
        assert_eq!(error.reason.to_string(), expect);
    }

    impl RelabelConfig {
        fn default_replace() -> Self {
            rule(|r| r.target_label = "t".to_owned())
        }
    }

    #[test]
    fn replace_expands_and_removes() {
        let abc = [("a", "foo"), ("b", "bar"), ("c", "baz")];
        let replace = |regex: &str, target: &str, replacement: &str| {
            rule(|r| {
                r.source_labels = names(&["a", "b"]);
                r.regex = regex.to_owned();
                r.target_label = target.to_owned();
                r.replacement = replacement.to_owned();
            })
        };
        check(
            &abc,
            &[replace("f(.*);(.*)r", "d", "ch${1}-$2")],
            r#"{a="foo", b="bar", c="baz", d="choo-ba"}"#,
        );
        check(
            &abc,
            &[replace("f(.*)", "a", "x$1")],
            r#"{a="xoo;bar", b="bar", c="baz"}"#,
        );
        check(
            &abc,
            &[replace("oo;bar", "d", "x")],
            r#"{a="foo", b="bar", c="baz"}"#,
        );
        check(
            &abc,
            &[replace("f(.*);.*", "${1}_$2", "$$1")],
            r#"{a="foo", b="bar", c="baz", oo_="$1"}"#,
        );
        check(&abc, &[replace("(f).*", "c", "$9")], r#"{a="foo", b="bar"}"#);
        check(&abc, &[replace("(f).*", "c", "$1x")], r#"{a="foo", b="bar"}"#);
        check(
            &abc,
            &[replace("x(.*);.*", "$1", "v")],
            r#"{a="foo", b="bar", c="baz"}"#,
        );
        check(
            &[("a", "f\no")],
            &[replace("f.o;", "d", "v")],
            "{a=\"f\\no\", d=\"v\"}",
        );
        check(
            &abc,
            &[RelabelConfig::default_replace()],
            r#"{a="foo", b="bar", c="baz"}"#,
        );
    }

    #[test]
    fn rules_build_on_each_other_and_stop_at_a_drop() {
        let first = rule(|r| {
            r.source_labels = names(&["a"]);
            r.target_label = "b".to_owned();
        });
        let drop = rule(|r| {
            r.source_labels = names(&["b"]);
            r.regex = "f|foo".to_owned();
            r.action = Action::Drop;
        });
        check(&[("a", "foo")], &[first.clone(), drop.clone()], "dropped");
        check(&[("a", "food")], &[first, drop], r#"{a="food", b="food"}"#);
    }

    #[test]
    fn keep_and_equality() {
        let with = |action, target: &str| {
            rule(|r| {
                r.source_labels = names(&["a"]);
                r.target_label = target.to_owned();
                r.action = action;
            })
        };
        let keep = rule(|r| {
            r.source_labels = names(&["a"]);
            r.regex = "f.*".to_owned();
            r.action = Action::Keep;
        });
        check(&[("a", "foo")], std::slice::from_ref(&keep), r#"{a="foo"}"#);
        check(&[("a", "bar")], &[keep], "dropped");
        check(
            &[("a", "1"), ("b", "1")],
            &[with(Action::KeepEqual, "b")],
            r#"{a="1", b="1"}"#,
        );
        check(
            &[("a", "1"), ("b", "2")],
            &[with(Action::KeepEqual, "b")],
            "dropped",
        );
        check(
            &[("a", "1"), ("b", "1")],
            &[with(Action::DropEqual, "b")],
            "dropped",
        );
        check(&[("a", "1")], &[with(Action::DropEqual, "b")], r#"{a="1"}"#);
        check(&[("b", "x")], &[with(Action::KeepEqual, "c")], r#"{b="x"}"#);
    }

    #[test]
    fn hash_mod_shards_as_prometheus_does() {
        let hash = rule(|r| {
            r.source_labels = names(&["c"]);
            r.target_label = "d".to_owned();
            r.modulus = 1000;
            r.action = Action::HashMod;
        });
        check(
            &[("c", "baz")],
            std::slice::from_ref(&hash),
            r#"{c="baz", d="976"}"#,
        );
        check(&[("c", "foo\nbar")], &[hash], "{c=\"foo\\nbar\", d=\"734\"}");
    }

    #[test]
    fn names_are_mapped_dropped_and_kept() {
        let by = |action, regex: &str| {
            rule(|r| {
                r.regex = regex.to_owned();
                r.action = action;
            })
        };
        let labels = [("a", "foo"), ("b1", "bar"), ("b2", "baz")];
        check(
            &labels,
            &[by(Action::LabelMap, "b(.+)")],
            r#"{"1"="bar", "2"="baz", a="foo", b1="bar", b2="baz"}"#,
        );
        check(&labels, &[by(Action::LabelDrop, "b.*")], r#"{a="foo"}"#);
        check(
            &labels,
            &[by(Action::LabelKeep, "b.*")],
            r#"{b1="bar", b2="baz"}"#,
        );
        check(&labels, &[by(Action::LabelDrop, "(.*)")], "{}");
        let meta = rule(|r| {
            r.regex = "__meta_(my_.*)".to_owned();
            r.replacement = "${1}".to_owned();
            r.action = Action::LabelMap;
        });
        check(&[("__meta_my_x", "1")], &[meta], r#"{__meta_my_x="1", my_x="1"}"#);
    }

    #[test]
    fn an_action_may_be_typed_in_any_case() {
        for typed in ["Replace", "LabelDrop", "HASHMOD"] {
            let text = format!("{{\"action\": \"{typed}\"}}");
            let config: RelabelConfig = serde_json::from_str(&text).unwrap();
            let shown = serde_json::to_value(config.action).unwrap();
            assert_eq!(shown, typed.to_lowercase());
        }
        let wrong = serde_json::from_str::<RelabelConfig>(r#"{"action": "replce"}"#).unwrap_err();
        assert!(
            wrong
                .to_string()
                .contains("unknown variant `replce`, expected one of `replace`"),
            "{wrong}"
        );
    }

    #[test]
    fn letter_case() {
        let case = |action| {
            rule(|r| {
                r.source_labels = names(&["a"]);
                r.target_label = "b".to_owned();
                r.action = action;
            })
        };
        check(
            &[("a", "FoO")],
            &[case(Action::Lowercase)],
            r#"{a="FoO", b="foo"}"#,
        );
        check(
            &[("a", "fOo")],
            &[case(Action::Uppercase)],
            r#"{a="fOo", b="FOO"}"#,
        );
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        let with = |action: Action, target: &str| {
            rule(|r| {
                r.action = action;
                r.target_label = target.to_owned();
            })
        };
        refused(with(Action::Replace, ""), "action replace needs a target_label");
        let nameless = rule(|r| {
            r.source_labels = names(&["a", ""]);
            r.target_label = "x".to_owned();
        });
        refused(
            nameless,
            "\"\" in source_labels is no name of a label: leave it out",
        );
        refused(
            with(Action::HashMod, "x"),
            "action hashmod needs a modulus above 0",
        );
        refused(with(Action::LabelDrop, "x"), "action labeldrop takes only regex");
        let mut equal = with(Action::KeepEqual, "x");
        equal.regex = "y".to_owned();
        refused(
            equal,
            "action keepequal takes only source_labels and target_label",
        );
        let mut upper = with(Action::Uppercase, "x");
        upper.replacement = "y".to_owned();
        refused(upper, "action uppercase takes no replacement");
        let mut broken = with(Action::Keep, "");
        broken.regex = "(".to_owned();
        let error = RelabelRules::new(&[broken]).unwrap_err();
        assert!(matches!(error.reason, RelabelReason::Regex { .. }));
    }

    #[test]
    fn steps_tell_what_each_rule_did() {
        let set = rule(|r| {
            r.replacement = "1".to_owned();
            r.target_label = "x".to_owned();
        });
        let drop = rule(|r| {
            r.source_labels = names(&["x"]);
            r.regex = "1".to_owned();
            r.action = Action::Drop;
        });
        let rules = RelabelRules::new(&[set.clone(), set.clone(), drop, set]).unwrap();
        let outcomes: Vec<StepOutcome> = rules.steps(&Labels::empty()).iter().map(|s| s.outcome).collect();
        assert_eq!(
            outcomes,
            [StepOutcome::Changed, StepOutcome::Unchanged, StepOutcome::Dropped]
        );
    }
}
