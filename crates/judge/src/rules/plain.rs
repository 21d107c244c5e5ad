//! Plain words to PromQL.
//!
//! - A well-known name (`cpu_usage`) becomes the expression of its table.
//! - A number directly followed by `%` is divided by 100, unless the `%` is a modulo: something to divide by follows.
//! - `alert("a")` is true while an alert of that name fires; `and not` is PromQL's `unless`; `at_least(2, "a", "b", "c")` is
//!   true while so many of them fire.

use super::names;
use lapwing_query::promql::{Expr, parse};

/// Identifiers outside of strings.
pub(super) fn words(condition: &str) -> Vec<String> {
    let mut found = Vec::new();
    scan(condition, &mut |piece| {
        if let Piece::Word(word) = piece {
            found.push(word.to_owned());
        }
    });
    found
}

enum Piece<'a> {
    Word(&'a str),
    Number(&'a str),
    Other(&'a str),
}

fn scan<'a>(text: &'a str, visit: &mut dyn FnMut(Piece<'a>)) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => {
                let mut escaped = false;
                let inner = rest[1..].find(|c| {
                    let ends = c == first && !escaped;
                    escaped = c == '\\' && !escaped && first != '`';
                    ends
                });
                inner.map_or(rest.len(), |at| at + 2)
            }
            c if c.is_ascii_digit() => rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
                .unwrap_or(rest.len()),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        visit(match first {
            c if c.is_ascii_digit() => Piece::Number(piece),
            c if is_word(c) => Piece::Word(piece),
            _ => Piece::Other(piece),
        });
        rest = after;
    }
}

/// What is wrong, and which byte of what was written it speaks of.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) reason: String,
    pub(super) at: Option<usize>,
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Problem { reason, at: None }
    }
}

/// Plain words as PromQL, parsed. A mistake is named by the word that was written, not by a column of what it expands to.
pub(super) fn read(written: &str, matchers: &str) -> Result<(Expr, String), Problem> {
    let expanded = expand(written, matchers);
    match parse(&expanded.promql) {
        Ok(parsed) => Ok((parsed, expanded.promql)),
        Err(error) => {
            let at = expanded.origin(error.start);
            let place = match word_at(written, at) {
                Some(word) => format!("{word:?}"),
                None => "its end".to_owned(),
            };
            let mut reason = format!("{written:?} is not understood at {place}: {}", error.message);
            if expanded.promql != written {
                reason.push_str(&format!(" (read as {})", expanded.promql));
            }
            Err(Problem { reason, at: Some(at) })
        }
    }
}

/// The word that stands there, or else the character; none at the end.
fn word_at(text: &str, at: usize) -> Option<&str> {
    let rest = text.get(at..)?;
    let mut found = None;
    scan(rest, &mut |piece| {
        let (Piece::Word(piece) | Piece::Number(piece) | Piece::Other(piece)) = piece;
        found.get_or_insert(piece);
    });
    found.filter(|word| !word.trim().is_empty())
}

struct Expanded {
    promql: String,
    /// Where a piece begins in `promql`, where in what was written, and whether it stands there as it was written.
    origins: Vec<(usize, usize, bool)>,
    written_len: usize,
}

impl Expanded {
    /// The byte of what was written that a byte of the PromQL comes from.
    fn origin(&self, at: usize) -> usize {
        if at >= self.promql.len() {
            return self.written_len;
        }
        let next = self.origins.partition_point(|(begin, _, _)| *begin <= at);
        match next.checked_sub(1).and_then(|i| self.origins.get(i)) {
            Some((begin, written, true)) => written + (at - begin),
            Some((_, written, false)) => *written,
            None => 0,
        }
    }
}

fn expand(condition: &str, matchers: &str) -> Expanded {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut begins: Vec<usize> = Vec::new();
    let mut begin = 0;
    scan(condition, &mut |piece| {
        let (Piece::Word(text) | Piece::Number(text) | Piece::Other(text)) = &piece;
        begins.push(begin);
        begin += text.len();
        pieces.push(piece);
    });
    let mut origins = Vec::new();
    let text = |p: &Piece<'_>| match p {
        Piece::Word(t) | Piece::Number(t) | Piece::Other(t) => (*t).to_owned(),
    };
    let mut out = String::new();
    let mut at = 0;
    let mut braces = 0usize;
    while let Some(piece) = pieces.get(at) {
        let (written, expanded_from) = (begins[at], out.len());
        at += 1;
        match piece {
            Piece::Other("{") => braces += 1,
            Piece::Other("}") => braces = braces.saturating_sub(1),
            _ => {}
        }
        match piece {
            Piece::Number(n) if matches!(pieces.get(at), Some(Piece::Other("%"))) => {
                let rest: String = pieces[at + 1..].iter().map(text).collect();
                match n.parse::<f64>() {
                    Ok(number) if is_percent(&rest) => {
                        out.push_str(&(number / 100.0).to_string());
                        at += 1;
                    }
                    _ => out.push_str(n),
                }
            }
            Piece::Word("alert") if let Some((names, used)) = arguments(&pieces[at..]) => {
                at += used;
                out.push_str(&one_fires(&names));
            }
            Piece::Word("at_least") if let Some((names, used)) = arguments(&pieces[at..]) => {
                at += used;
                out.push_str(&some_fire(&names));
            }
            Piece::Word("and") if let Some(used) = followed_by_not(&pieces[at..]) => {
                at += used;
                out.push_str("unless");
            }
            Piece::Word("not") if let Some((names, used)) = negated(&pieces[at..]) => {
                at += used;
                out.push_str(&format!("absent({})", firing(&names)));
            }
            Piece::Word(word) if braces == 0 => {
                let Some(known) = names::find(word) else {
                    out.push_str(word);
                    origins.push((expanded_from, written, true));
                    continue;
                };
                let mut narrowed = matchers.to_owned();
                if matches!(pieces.get(at), Some(Piece::Other("{"))) {
                    let inner: String = pieces[at + 1..]
                        .iter()
                        .take_while(|p| !matches!(p, Piece::Other("}")))
                        .map(text)
                        .collect();
                    let taken = pieces[at + 1..]
                        .iter()
                        .position(|p| matches!(p, Piece::Other("}")))
                        .unwrap_or(0);
                    at += taken + 2;
                    if !narrowed.is_empty() {
                        narrowed.push_str(", ");
                    }
                    narrowed.push_str(&inner);
                }
                out.push_str(&names::expand(known, &narrowed));
            }
            piece => out.push_str(&text(piece)),
        }
        let is_same =
            condition.get(written..written + (out.len() - expanded_from)) == out.get(expanded_from..);
        origins.push((expanded_from, written, is_same));
    }
    Expanded {
        promql: out,
        origins,
        written_len: condition.trim_end().len(),
    }
}

/// Nothing to divide by follows: the end, a closing parenthesis, or a word such as `and`.
fn is_percent(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty()
        || rest.starts_with(')')
        || ["and", "or", "unless"]
            .iter()
            .any(|w| rest.strip_prefix(w).is_some_and(|r| r.starts_with([' ', '('])))
}

/// `("a", "b")` or `(2, "a")`: what stands between the parentheses, and how many pieces that took.
fn arguments(pieces: &[Piece<'_>]) -> Option<(Vec<String>, usize)> {
    if !matches!(pieces.first(), Some(Piece::Other("("))) {
        return None;
    }
    let mut found = Vec::new();
    for (i, piece) in pieces.iter().enumerate().skip(1) {
        match piece {
            Piece::Other(")") => return Some((found, i + 1)),
            Piece::Other(text) if text.starts_with(['"', '\'', '`']) && text.len() >= 2 => {
                found.push(text[1..text.len() - 1].to_owned());
            }
            Piece::Number(n) => found.push((*n).to_owned()),
            Piece::Other("," | " " | "\t" | "\n") => {}
            _ => return None,
        }
    }
    None
}

fn skip_white(pieces: &[Piece<'_>]) -> usize {
    let white = |p: &&Piece<'_>| matches!(p, Piece::Other(" " | "\t" | "\n"));
    pieces.iter().take_while(white).count()
}

fn followed_by_not(pieces: &[Piece<'_>]) -> Option<usize> {
    let white = skip_white(pieces);
    matches!(pieces.get(white), Some(Piece::Word("not"))).then_some(white + 1)
}

/// `not alert("a")` where nothing stands before it.
fn negated(pieces: &[Piece<'_>]) -> Option<(Vec<String>, usize)> {
    let white = skip_white(pieces);
    if !matches!(pieces.get(white), Some(Piece::Word("alert"))) {
        return None;
    }
    let (names, used) = arguments(&pieces[white + 1..])?;
    Some((names, white + 1 + used))
}

fn firing(names: &[String]) -> String {
    let escaped: Vec<String> = names.iter().map(|n| regex_escape(n)).collect();
    format!(
        "ALERTS{{alertname=~{:?}, alertstate=\"firing\"}}",
        escaped.join("|")
    )
}

fn regex_escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if r".+*?()|[]{}^$\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn one_fires(names: &[String]) -> String {
    format!("(count({}) > 0)", firing(names))
}

/// The first argument says how many.
fn some_fire(arguments: &[String]) -> String {
    let (count, names) = arguments
        .split_first()
        .map_or(("1", arguments), |(c, n)| (c.as_str(), n));
    format!("(count(count by (alertname) ({})) >= {count})", firing(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(condition: &str, expect: &str) {
        let (_, promql) = read(condition, "").unwrap();
        assert_eq!(promql, expect);
    }

    /// `^` stands under what the mistake is said to be at.
    #[track_caller]
    fn check_mistake(condition: &str, caret: &str, expect: &str) {
        let problem = read(condition, "model=\"m\"").unwrap_err();
        assert_eq!(problem.at, caret.find('^'), "{}", problem.reason);
        let said = problem.reason.split(" (read as ").next();
        assert_eq!(said, Some(expect));
    }

    #[test]
    fn a_mistake_is_where_it_was_written() {
        check_mistake(
            "cpu_usage > 80%%",
            "               ^",
            r#""cpu_usage > 80%%" is not understood at "%": unexpected <op:%>"#,
        );
        check_mistake(
            "error_rate > 0.05 and foo(latency) > 3",
            "                      ^",
            r#""error_rate > 0.05 and foo(latency) > 3" is not understood at "foo": unknown function with name "foo""#,
        );
        check_mistake(
            "p95_latency > 2 and error_rate > ",
            "                                ^",
            r#""p95_latency > 2 and error_rate > " is not understood at its end: unexpected end of input"#,
        );
        check_mistake(
            "sum(cpu_usage by (model)) > 80%",
            "              ^",
            r#""sum(cpu_usage by (model)) > 80%" is not understood at "by": unexpected <by> in aggregation"#,
        );
    }

    #[test]
    fn a_percent_sign_is_a_modulo_where_something_follows() {
        check("x % 5 > 3", "x % 5 > 3");
        check("7 % 5", "7 % 5");
        check("x > 7% and y", "x > 0.07 and y");
        check("x > 7%", "x > 0.07");
    }

    #[test]
    fn alerts_can_be_conditions() {
        let one = |name: &str| format!("(count(ALERTS{{alertname=~{name:?}, alertstate=\"firing\"}}) > 0)");
        check(
            "alert(\"a\") and not alert(\"b\")",
            &format!("{} unless {}", one("a"), one("b")),
        );
        check(
            "not alert('a')",
            "absent(ALERTS{alertname=~\"a\", alertstate=\"firing\"})",
        );
        check(
            "at_least(2, \"a\", \"b.c\")",
            "(count(count by (alertname) (ALERTS{alertname=~\"a|b\\\\.c\", alertstate=\"firing\"})) >= 2)",
        );
        check("x{l=\"alert(\"}", "x{l=\"alert(\"}");
    }
}
