//! What a dashboard's file says.
//!
//! `$window` in an expression is the window for `rate()` that fits the page's range; `$name` is what is chosen of a
//! variable, as a regular expression: "all" is `.*`, several values are `(a|b)`, so an expression compares with `=~`.

use serde::{Deserialize, Serialize};

/// More panels than this are no dashboard but a wall.
const PANELS_MAX: usize = 200;
const QUERIES_MAX: usize = 20;
const TEXT_BYTES_MAX: usize = 256 * 1024;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Board {
    pub(crate) title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) about: String,
    /// It is offered first when this metric exists.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) needs: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) variables: Vec<Variable>,
    pub(crate) panels: Vec<Panel>,
}

/// A value that the reader of the page chooses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Its values are those of this label …
    pub(crate) label: String,
    /// … among the series of this metric.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) of: String,
    /// Whether "all" can be chosen, and is at first.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub(crate) all: bool,
    /// Whether several values can be chosen at once.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub(crate) several: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Panel {
    pub(crate) title: String,
    #[serde(default, skip_serializing_if = "is_graph")]
    pub(crate) kind: Kind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) unit: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) queries: Vec<Query>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) thresholds: Vec<Threshold>,
    /// What a text panel shows, as it stands.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Graph,
    Stat,
    Gauge,
    Bar,
    Heatmap,
    Table,
    States,
    Text,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    pub(crate) expr: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Threshold {
    pub(crate) value: f64,
    #[serde(default)]
    pub(crate) tone: Tone,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tone {
    Info,
    #[default]
    Warn,
    Crit,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_yes(all: &bool) -> bool {
    *all
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_graph(kind: &Kind) -> bool {
    *kind == Kind::Graph
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BoardError {
    #[error("a dashboard of {bytes} bytes is too long")]
    TooLong { bytes: usize },
    #[error("{reason}")]
    Yaml { reason: String },
    #[error("{place}: {reason}")]
    Wrong { place: String, reason: String },
}

impl Board {
    pub(crate) fn read(text: &str) -> Result<Self, BoardError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(BoardError::TooLong { bytes: text.len() });
        }
        let board: Board = serde_saphyr::from_str(text).map_err(|e| BoardError::Yaml {
            reason: e.to_string(),
        })?;
        board.check()?;
        Ok(board)
    }

    pub(crate) fn to_yaml(&self) -> Result<String, BoardError> {
        serde_saphyr::to_string(self).map_err(|e| BoardError::Yaml {
            reason: e.to_string(),
        })
    }

    fn check(&self) -> Result<(), BoardError> {
        let wrong = |place: String, reason: &str| {
            Err(BoardError::Wrong {
                place,
                reason: reason.to_owned(),
            })
        };
        if self.title.trim().is_empty() {
            return wrong("title".to_owned(), "a dashboard needs one");
        }
        if self.panels.len() > PANELS_MAX {
            return wrong("panels".to_owned(), "there are more than 200");
        }
        for (i, variable) in self.variables.iter().enumerate() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if variable.name.is_empty() || !variable.name.chars().all(is_word) || variable.name == "window" {
                return wrong(
                    format!("variables[{i}].name"),
                    "a name is made of letters, digits and _, and is not `window`",
                );
            }
        }
        for (i, panel) in self.panels.iter().enumerate() {
            if panel.queries.len() > QUERIES_MAX {
                return wrong(format!("panels[{i}].queries"), "there are more than 20");
            }
            if panel.kind != Kind::Text && panel.queries.is_empty() {
                return wrong(format!("panels[{i}]"), "a panel needs a query, or `kind: text`");
            }
            for (j, query) in panel.queries.iter().enumerate() {
                let plain = self.filled_in(&query.expr);
                if let Err(error) = lapwing_query::promql::parse(&plain) {
                    return wrong(format!("panels[{i}].queries[{j}].expr"), &error.to_string());
                }
            }
        }
        Ok(())
    }

    /// The expression as it is asked with everything chosen.
    fn filled_in(&self, expr: &str) -> String {
        let mut plain = expr.replace("$window", "5m");
        for variable in &self.variables {
            plain = plain.replace(&format!("${}", variable.name), ".*");
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let error = Board::read(text).expect_err("it is wrong").to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        check("title: x", "panels");
        check("title: ''\npanels: []", "title: a dashboard needs one");
        check("title: x\npanels: [{ title: a, colour: red }]", "colour");
        check(
            "title: x\npanels: [{ title: a }]",
            "panels[0]: a panel needs a query",
        );
        check(
            "title: x\npanels: [{ title: a, queries: [{ expr: 'rate(' }] }]",
            "panels[0].queries[0].expr",
        );
        check(
            "title: x\nvariables: [{ name: 'a b', label: l }]\npanels: []",
            "variables[0].name",
        );
    }

    #[test]
    fn what_is_written_reads_back() {
        let board = Board::read(
            "title: x\nvariables: [{ name: m, label: model }]\npanels:\n  - { title: a, kind: stat, queries: [{ expr: 'up{model=~\"$m\"}' }], thresholds: [{ value: 1 }] }",
        )
        .unwrap();
        assert_eq!(Board::read(&board.to_yaml().unwrap()).unwrap(), board);
    }
}
