//! External labels: what series are told to have when they leave the house, by federation and remote read.

use crate::http::AppState;
use lapwing_types::{Labels, MatchOp, Matcher, MatcherError};

pub(super) struct External(Vec<(String, String)>);

impl External {
    pub(super) fn of(state: &AppState) -> Self {
        External(state.config().global.external_labels.clone())
    }

    /// They fill in what the series does not say itself.
    pub(super) fn add_to(&self, labels: &Labels) -> Labels {
        if self.0.is_empty() {
            return labels.clone();
        }
        let mut builder = labels.to_builder();
        for (name, value) in &self.0 {
            if builder.get(name).is_none() {
                builder.set(name, value.as_str());
            }
        }
        builder.build()
    }

    /// What is asked of series with these labels, asked of those that are kept without: a series that has no such label will
    /// be told to have the one that is asked for.
    pub(super) fn look_through(&self, matchers: &[Matcher]) -> Result<Vec<Matcher>, MatcherError> {
        let kept = matchers.iter().map(|matcher| {
            let is_external = |pair: &&(String, String)| pair.0 == matcher.name && pair.1 == matcher.value;
            match self.0.iter().find(is_external) {
                Some((name, value)) if matcher.op == MatchOp::Equal => {
                    Matcher::new(MatchOp::Regex, name, format!("|{}", regex::escape(value)))
                }
                _ => Ok(matcher.clone()),
            }
        });
        kept.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_can_be_asked_for() {
        let external = External(vec![("region".to_owned(), "eu.1".to_owned())]);
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).unwrap();
        let (bare, here, there) = (
            labels(&[("a", "b")]),
            labels(&[("a", "b"), ("region", "eu.1")]),
            labels(&[("a", "b"), ("region", "us")]),
        );
        assert_eq!(external.add_to(&bare), here);
        assert_eq!(external.add_to(&there), there);
        let asks = |value: &str| {
            let matchers = external.look_through(&[Matcher::equal("region", value)]).unwrap();
            [&bare, &here, &there].map(|labels| matchers.iter().all(|m| m.matches_labels(labels)))
        };
        assert_eq!(asks("eu.1"), [true, true, false]);
        assert_eq!(asks("us"), [false, false, true]);
        assert_eq!(asks("eu71"), [false, false, false]);
    }
}
