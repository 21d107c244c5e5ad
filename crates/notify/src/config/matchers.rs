//! Matchers as Alertmanager writes them: `name="value"`, quoted UTF-8 names, bare values, `{a="b",c=~"d"}`.
//!
//! Alertmanager has two parsers, a classic one and a UTF-8 one, and tries both. One grammar reads what either accepts:
//! name and value may be quoted or bare, a bare value ends at a comma or the closing brace.

use lapwing_types::{MatchOp, Matcher};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad matcher {text:?}: {reason}")]
pub struct MatchersError {
    pub text: String,
    pub reason: String,
}

/// More in one list are a mistake or an attack.
const MATCHERS_MAX: usize = 200;

/// Exactly one matcher.
pub fn parse_matcher(text: &str) -> Result<Matcher, MatchersError> {
    let mut all = parse_matchers(text)?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(MatchersError {
            text: text.to_owned(),
            reason: "expected one matcher".to_owned(),
        }),
    }
}

/// A list, with or without braces; an empty one is allowed.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, MatchersError> {
    let error = |reason: &str| MatchersError {
        text: text.to_owned(),
        reason: reason.to_owned(),
    };
    let trimmed = text.trim();
    let inner = match (trimmed.strip_prefix('{'), trimmed.strip_suffix('}')) {
        (Some(_), Some(_)) if trimmed.len() >= 2 => &trimmed[1..trimmed.len() - 1],
        (None, None) => trimmed,
        // `foo=bar}` is a bare value in the classic syntax.
        (None, Some(_)) => trimmed,
        _ => return Err(error("a brace is not closed")),
    };
    let mut rest = inner.trim();
    let mut matchers = Vec::new();
    while !rest.is_empty() {
        if matchers.len() == MATCHERS_MAX {
            return Err(error("too many matchers"));
        }
        let (name, after) = word(rest, |c| "=!~,".contains(c) || c.is_whitespace()).map_err(|e| error(&e))?;
        let after = after.trim_start();
        let (op, after) = operator(after).ok_or_else(|| error("expected =, !=, =~ or !~ after the name"))?;
        let (value, after) = word(after.trim_start(), |c| c == ',').map_err(|e| error(&e))?;
        if name.is_empty() {
            return Err(error("a label name is empty"));
        }
        matchers.push(Matcher::new(op, name, value.trim_end()).map_err(|e| {
            let detail = std::error::Error::source(&e)
                .map(ToString::to_string)
                .unwrap_or_default();
            error(&format!("{e}: {detail}"))
        })?);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => {}
            None => return Err(error("expected a comma")),
        }
    }
    Ok(matchers)
}

fn operator(text: &str) -> Option<(MatchOp, &str)> {
    let table = [
        ("=~", MatchOp::Regex),
        ("!~", MatchOp::NotRegex),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    table
        .into_iter()
        .find_map(|(word, op)| text.strip_prefix(word).map(|rest| (op, rest)))
}

/// A quoted or a bare word, and what follows it.
fn word(text: &str, ends: impl Fn(char) -> bool) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(ends).unwrap_or(text.len());
        let bare = &text[..end];
        if bare.contains('"') {
            return Err("an unescaped quote".to_owned());
        }
        return Ok((unescape(bare), &text[end..]));
    };
    let mut escaped = false;
    let end = quoted
        .find(|c| {
            let found = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            found
        })
        .ok_or_else(|| "a quote is not closed".to_owned())?;
    Ok((unescape(&quoted[..end]), &quoted[end + 1..]))
}

/// `\"`, `\\` and `\n`; any other backslash stands for itself (regular expressions are full of them).
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match (c, next) {
            ('\\', Some('"')) => {
                out.push('"');
                chars.next();
            }
            ('\\', Some('\\')) => {
                out.push('\\');
                chars.next();
            }
            ('\\', Some('n')) => {
                out.push('\n');
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let shown: Vec<String> = parse_matchers(text)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, expect, "{text}");
    }

    #[test]
    fn reads_the_classic_and_the_utf8_syntax() {
        check("foo=bar", &[r#"foo="bar""#]);
        check(r#" foo = "bar" "#, &[r#"foo="bar""#]);
        check(r#"{foo="bar",  baz!~"a|b",}"#, &[r#"foo="bar""#, r#"baz!~"a|b""#]);
        check("{}", &[]);
        check(r#""föö 🙂"="bar""#, &[r#"föö 🙂="bar""#]);
        check("🙂!=x", &[r#"🙂!="x""#]);
        check(r#"a="x\"y\\z""#, &[r#"a="x\"y\\z""#]);
        check(r#"a=~"\d+""#, &[r#"a=~"\\d+""#]);
        check("a=", &[r#"a="""#]);
        check("a=b c", &[r#"a="b c""#]);
    }

    #[test]
    fn refuses_what_neither_would_read() {
        for text in [
            "foo",
            "=x",
            "{a=b",
            r#"a="b"#,
            r#"a=b"c"#,
            "a=~(",
            r#"a="b" c="d""#,
        ] {
            assert!(parse_matchers(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a{}=!~\",\\\\ é]{0,20}") {
            let _ = parse_matchers(&text);
        }
    }
}
