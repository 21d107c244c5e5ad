//! A condition on one label: `name="v"`, `!=`, `=~`, `!~`. An absent label has the value "".

use crate::Labels;
use crate::go_regex::go_regex_whole;
use regex::Regex;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

impl MatchOp {
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }
}

/// Compiled once, at the border; a regular expression is anchored at both ends and `.` matches newlines.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub name: String,
    pub op: MatchOp,
    pub value: String,
    regex: Option<Regex>,
    /// The regex spelled as a finite set of literals (`a|b|c`), when it is one.
    literals: Option<Vec<String>>,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("invalid regular expression {pattern:?}")]
pub struct MatcherError {
    pub pattern: String,
    #[source]
    pub source: regex::Error,
}

impl Matcher {
    pub fn new(op: MatchOp, name: impl Into<String>, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let is_regex = matches!(op, MatchOp::Regex | MatchOp::NotRegex);
        let literals = is_regex.then(|| literal_alternatives(&value)).flatten();
        let regex = if is_regex && literals.is_none() {
            let compiled = go_regex_whole(&value).map_err(|source| MatcherError {
                pattern: value.clone(),
                source,
            })?;
            Some(compiled)
        } else {
            None
        };
        Ok(Matcher {
            name,
            op,
            value,
            regex,
            literals,
        })
    }

    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Matcher {
            name: name.into(),
            op: MatchOp::Equal,
            value: value.into(),
            regex: None,
            literals: None,
        }
    }

    /// Whether a label with this value ("" when absent) satisfies the condition.
    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => self.pattern_matches(value),
            MatchOp::NotRegex => !self.pattern_matches(value),
        }
    }

    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name).unwrap_or(""))
    }

    /// The literals that a regex matcher stands for, when there are finitely many: an index answers those by look-up.
    pub fn literals(&self) -> Option<&[String]> {
        self.literals.as_deref()
    }

    /// Text that every value matched by this regex starts with.
    pub fn literal_prefix(&self) -> &str {
        let special = |c: char| r".+*?()|[]{}^$\".contains(c);
        match self.value.find(special) {
            // "ab*" promises only "a"; an alternation promises nothing.
            Some(at) if self.value.contains('|') || at == 0 => "",
            Some(at) if "*?{".contains(&self.value[at..=at]) => {
                let shorter = self.value[..at].char_indices().next_back().map_or(0, |(i, _)| i);
                &self.value[..shorter]
            }
            Some(at) => &self.value[..at],
            None => &self.value,
        }
    }

    fn pattern_matches(&self, value: &str) -> bool {
        match (&self.literals, &self.regex) {
            (Some(literals), _) => literals.iter().any(|l| l == value),
            (None, Some(regex)) => regex.is_match(value),
            (None, None) => unreachable!("a regex matcher has literals or a compiled pattern"),
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op.as_str(), self.value)
    }
}

/// `a|b|c` with no other syntax, also inside one pair of parentheses.
fn literal_alternatives(pattern: &str) -> Option<Vec<String>> {
    let inner = pattern
        .strip_prefix("(?:")
        .or_else(|| pattern.strip_prefix('('))
        .and_then(|p| p.strip_suffix(')'))
        .unwrap_or(pattern);
    if inner.contains(|c: char| r".+*?()[]{}^$\".contains(c)) {
        return None;
    }
    Some(inner.split('|').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(op: MatchOp, pattern: &str, yes: &[&str], no: &[&str]) {
        let matcher = Matcher::new(op, "l", pattern).unwrap();
        for value in yes {
            assert!(matcher.matches(value), "{matcher} should match {value:?}");
        }
        for value in no {
            assert!(!matcher.matches(value), "{matcher} should not match {value:?}");
        }
    }

    #[test]
    fn a_regex_is_anchored_and_dot_matches_newline() {
        check(MatchOp::Equal, "a", &["a"], &["", "ab"]);
        check(MatchOp::NotEqual, "a", &["", "b"], &["a"]);
        check(MatchOp::Regex, "a.*", &["a", "a\nb"], &["ba", ""]);
        check(MatchOp::NotRegex, "a.*", &["ba", ""], &["a"]);
        check(MatchOp::Regex, "a|b", &["a", "b"], &["ab", "a|b"]);
        check(MatchOp::Regex, "(a|b)", &["a", "b"], &["(a|b)"]);
        check(MatchOp::Regex, "", &[""], &["a"]);
        check(MatchOp::Regex, "a||b", &["", "a"], &["c"]);
    }

    #[test]
    fn names_the_pattern_that_does_not_compile() {
        let error = Matcher::new(MatchOp::Regex, "l", "a(").unwrap_err();
        assert_eq!(error.to_string(), r#"invalid regular expression "a(""#);
    }

    #[test]
    fn literal_prefix_is_a_promise() {
        let prefix = |p: &str| {
            Matcher::new(MatchOp::Regex, "l", p)
                .unwrap()
                .literal_prefix()
                .to_owned()
        };
        assert_eq!(prefix("host-00.*"), "host-00");
        assert_eq!(prefix("ab*"), "a");
        assert_eq!(prefix("ab+"), "ab");
        assert_eq!(prefix("é?x.*"), "");
        assert_eq!(prefix("ab|cd.*"), "");
        assert_eq!(prefix(".*"), "");
    }
}
