//! `${NAME}` and `${NAME:-default}` inside text values, after parsing: a value can never change the shape of the file.
//!
//! `$$` is a literal dollar. Keys are not expanded. The environment is passed in, so that nothing else reads it.

use super::diagnostic::Diagnostics;
use super::yaml::{Key, Node, Value};

pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Sections whose text has `$` of its own (`$labels`, `$1` in a relabel rule): only the braced form is expanded
/// anywhere, so those stay as they are.
pub(crate) fn expand(node: &mut Node, path: &str, lookup: Lookup<'_>, notes: &mut Diagnostics) {
    match &mut node.value {
        Value::Text(text) if text.contains("${") => match expand_text(text, lookup) {
            Ok(expanded) => {
                *text = expanded;
                node.is_expanded = true;
            }
            Err(message) => notes.error(node.at, path, message),
        },
        Value::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                expand(item, &format!("{path}[{i}]"), lookup, notes);
            }
        }
        Value::Map(pairs) => {
            let groups = if path.contains("relabel_configs[") {
                named_groups(pairs)
            } else {
                Vec::new()
            };
            // `${host}` in a relabel rule is what its regex calls so.
            let own = |name: &str| match groups.iter().any(|group| group == name) {
                true => Some(format!("${{{name}}}")),
                false => lookup(name),
            };
            let lookup: Lookup<'_> = &own;
            for (key, value) in pairs {
                let inner = if path.is_empty() {
                    key.text.clone()
                } else {
                    format!("{path}.{}", key.text)
                };
                expand(value, &inner, lookup, notes);
            }
        }
        _ => {}
    }
}

/// The names of the groups in the `regex` of a relabel rule: `(?P<host>…)`, `(?<host>…)`.
fn named_groups(rule: &[(Key, Node)]) -> Vec<String> {
    let regex = rule.iter().find(|(key, _)| key.text == "regex");
    let Some(text) = regex.and_then(|(_, node)| node.text()) else {
        return Vec::new();
    };
    let openings = text.split("(?").skip(1);
    let names = openings.filter_map(|rest| {
        let rest = rest.strip_prefix('P').unwrap_or(rest).strip_prefix('<')?;
        Some(rest.split_once('>')?.0.to_owned())
    });
    names.collect()
}

/// `${1}` and the like belong to relabel rules; a variable's name begins with a letter or underscore.
fn expand_text(text: &str, lookup: Lookup<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = from.find('}') else {
            return Err(format!("\"${{\" without a closing brace in {text:?}"));
        };
        let (name, default) = match from[2..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&from[2..end], None),
        };
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            out.push_str(&from[..=end]);
        } else {
            match lookup(name)
                .filter(|v| !v.is_empty())
                .or(default.map(str::to_owned))
            {
                Some(value) => out.push_str(&value),
                None => {
                    return Err(format!(
                        "environment variable {name:?} is not set and has no default"
                    ));
                }
            }
        }
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// As Go's `os.Expand`, which Prometheus uses on external labels: `$NAME`, `${NAME}`, and `$$` for a dollar. Gives the names, too,
/// that are not set.
pub(crate) fn expand_as_go(text: &str, lookup: Lookup<'_>) -> (String, Vec<String>) {
    let (mut out, mut missing) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let from = &rest[at + 1..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = if let Some(braced) = from.strip_prefix('{') {
            // An open brace and what it is part of are nothing.
            braced.split_once('}').unwrap_or(("", braced))
        } else if let Some(dollar) = from.strip_prefix('$') {
            ("$", dollar)
        } else {
            from.split_at(from.find(|c| !is_name(c)).unwrap_or(from.len()))
        };
        match name {
            "$" => out.push('$'),
            "" if !from.starts_with('{') => out.push('$'),
            "" => {}
            name => match lookup(name) {
                Some(value) => out.push_str(&value),
                None => missing.push(name.to_owned()),
            },
        }
        rest = after;
    }
    out.push_str(rest);
    (out, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_labels_expand_as_go_does_it() {
        let lookup = |name: &str| (name == "HOST").then(|| "db".to_owned());
        let check = |text: &str, expect: &str, missing: &[&str]| {
            let (found, names) = expand_as_go(text, &lookup);
            assert_eq!(
                (found.as_str(), names.as_slice()),
                (
                    expect,
                    &missing.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>()[..]
                ),
                "{text}"
            );
        };
        check("plain", "plain", &[]);
        check("${HOST}-1", "db-1", &[]);
        check("a$HOST.b", "adb.b", &[]);
        check("$$x $${HOST}", "$x ${HOST}", &[]);
        check("5 $ and $", "5 $ and $", &[]);
        check("x${NOT_SET}y$ALSO_NOT", "xy", &["NOT_SET", "ALSO_NOT"]);
        check("a${open", "aopen", &[]);
    }

    #[test]
    fn a_relabel_rule_keeps_the_groups_that_its_regex_names() {
        let text = "scrape_configs:\n- relabel_configs:\n  - regex: '(?P<host>[^:]+):(?<port>\\d+)'\n    \
                    replacement: '${host}-${port}-$1-${HOST}'\n    target_label: '${host}'\n\
                    other: '${host}'\n";
        let mut tree = crate::config::yaml::parse(text).unwrap();
        let mut notes = Diagnostics::new("lapwing.yml");
        let lookup = |name: &str| (name == "HOST").then(|| "db".to_owned());
        expand(&mut tree, "", &lookup, &mut notes);
        let shown = crate::config::decode::to_json(&tree).to_string();
        assert!(
            shown.contains("\"replacement\":\"${host}-${port}-$1-db\""),
            "{shown}"
        );
        assert!(shown.contains("\"target_label\":\"${host}\""), "{shown}");
        assert_eq!(
            notes.found.len(),
            1,
            "outside of the rule it is a variable: {:?}",
            notes.found
        );
    }

    fn check(text: &str, expect: Result<&str, &str>) {
        let lookup = |name: &str| match name {
            "HOST" => Some("db".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let got = expand_text(text, &lookup);
        assert_eq!(got.as_deref().map_err(String::as_str), expect);
    }

    #[test]
    fn expands_only_what_is_braced_and_named() {
        check("http://${HOST}:80", Ok("http://db:80"));
        check("${NONE:-x}${EMPTY:-y}", Ok("xy"));
        check("$1 $labels ${1}", Ok("$1 $labels ${1}"));
        check("$${HOST}", Ok("${HOST}"));
        check(
            "${NONE}",
            Err("environment variable \"NONE\" is not set and has no default"),
        );
        check("${HOST", Err("\"${\" without a closing brace in \"${HOST\""));
    }
}
