//! What is chosen of a board's variables, and expressions with it filled in: the same as the web UI's `dashboards.ts`.

use super::board::Variable;
use std::collections::BTreeMap;

/// By the names of variables; without an entry everything is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices(BTreeMap<String, Vec<String>>);

impl Choices {
    /// Within what the variable allows. `options` are its values, asked for only where one must be chosen and none was.
    pub(crate) fn choose(
        &mut self,
        variable: &Variable,
        written: Vec<String>,
        options: impl FnOnce() -> Vec<String>,
    ) {
        let mut chosen: Vec<String> = written.into_iter().filter(|v| !v.is_empty()).collect();
        if chosen.is_empty() && !variable.all {
            chosen = options();
            chosen.truncate(1);
        }
        if !variable.several {
            chosen.truncate(1);
        }
        self.0.insert(variable.name.clone(), chosen);
    }

    /// For the head of a document: `model: chat, embed`; of what is not narrowed nothing is said.
    pub(crate) fn said(&self) -> Vec<String> {
        let narrowed = self.0.iter().filter(|(_, chosen)| !chosen.is_empty());
        narrowed
            .map(|(name, chosen)| format!("{name}: {}", chosen.join(", ")))
            .collect()
    }

    /// `$window` and the chosen values in their places, as regular expressions inside of quotes. What is put in is not looked
    /// through again, and of two names the longer one counts.
    pub(crate) fn fill(&self, expr: &str, window: &str) -> String {
        let mut out = String::with_capacity(expr.len());
        let mut rest = expr;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let window = Some(("window", window.to_owned()));
            let of_window = window.filter(|(name, _)| rest.starts_with(name));
            let chosen = self.0.iter().filter(|(name, _)| rest.starts_with(name.as_str()));
            let longest = chosen.max_by_key(|(name, _)| name.len());
            let of_choice = longest.map(|(name, chosen)| (name.as_str(), quoted(&pattern(chosen))));
            let found = of_window
                .into_iter()
                .chain(of_choice)
                .max_by_key(|(name, _)| name.len());
            match found {
                Some((name, value)) => {
                    out.push_str(&value);
                    rest = &rest[name.len()..];
                }
                None => out.push('$'),
            }
        }
        out.push_str(rest);
        out
    }
}

/// One value as itself, several in brackets, so that what stands around them holds for each; none is everything.
fn pattern(chosen: &[String]) -> String {
    let escaped: Vec<String> = chosen.iter().map(|value| escaped(value)).collect();
    match escaped.as_slice() {
        [] => ".*".to_owned(),
        [one] => one.clone(),
        many => format!("({})", many.join("|")),
    }
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if r"\^$.|?*+()[]{}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// As it stands inside of a PromQL string.
fn quoted(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, all: bool, several: bool) -> Variable {
        Variable {
            name: name.to_owned(),
            all,
            several,
            ..Variable::default()
        }
    }

    fn check(written: &[&str], expr: &str, expect: &str) {
        let mut choices = Choices::default();
        let written = written.iter().map(|w| (*w).to_owned()).collect();
        choices.choose(&variable("model", true, true), written, Vec::new);
        choices.choose(&variable("model_name", true, true), Vec::new(), Vec::new);
        assert_eq!(choices.fill(expr, "60s"), expect);
    }

    #[test]
    fn choices_stand_as_regular_expressions_inside_of_quotes() {
        check(
            &[],
            r#"rate(x{m=~"$model"}[$window])"#,
            r#"rate(x{m=~".*"}[60s])"#,
        );
        check(&["a.b"], r#"x{m=~"$model"}"#, r#"x{m=~"a\\.b"}"#);
        check(&["a", "b\""], r#"x{m=~"$model"}"#, r#"x{m=~"(a|b\")"}"#);
        check(&["$window"], r#"x{m=~"$model"}"#, r#"x{m=~"\\$window"}"#);
        check(
            &["a"],
            r#"x{m=~"$model_name", n="$other$"}"#,
            r#"x{m=~".*", n="$other$"}"#,
        );
    }

    #[test]
    fn what_must_be_chosen_is_the_first_there_is() {
        let mut choices = Choices::default();
        let options = || vec!["a".to_owned(), "b".to_owned()];
        choices.choose(&variable("host", false, false), Vec::new(), options);
        choices.choose(&variable("gpu", true, false), options(), Vec::new);
        choices.choose(&variable("job", true, true), Vec::new(), options);
        assert_eq!(choices.said(), ["gpu: a", "host: a"]);
        assert_eq!(choices.fill("$host $gpu $job", ""), "a a .*");
    }
}
