//! A peer's file as the API shows it: what was typed, without the secrets.

use crate::config::write::Out;
use crate::config::yaml::{Node, Value};

/// Endings of keys whose texts are secrets; `password_file` and its like name a place and are none.
const SECRET_ENDINGS: [&str; 5] = ["password", "credentials", "token", "secret", "secret_key"];
/// Keys whose lists are secrets, as under `http_headers`.
const SECRET_LISTS: &str = "secrets";
const HIDDEN: &str = "<secret>";

pub(super) fn shown(root: &Node) -> String {
    out("", root).to_yaml()
}

fn out(key: &str, node: &Node) -> Out {
    match &node.value {
        Value::Map(pairs) => {
            let pairs = pairs.iter();
            Out::Map(
                pairs
                    .map(|(key, node)| (key.text.clone(), out(&key.text, node)))
                    .collect(),
            )
        }
        Value::List(items) => Out::List(items.iter().map(|item| out(key, item)).collect()),
        Value::Null => Out::Plain("null".to_owned()),
        Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_) if is_secret(key) => {
            Out::text(HIDDEN)
        }
        Value::Text(text) => Out::Text(without_password(text)),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => Out::Plain(node.spelling().unwrap_or_default()),
    }
}

fn is_secret(key: &str) -> bool {
    key == SECRET_LISTS || SECRET_ENDINGS.iter().any(|ending| key.ends_with(ending))
}

/// An address may carry a password too.
fn without_password(text: &str) -> String {
    let url = url::Url::parse(text).ok();
    match url.and_then(|url| url.password().map(str::to_owned)) {
        Some(password) if !password.is_empty() => text.replacen(&format!(":{password}@"), ":<secret>@", 1),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_there_but_the_secrets() {
        let text = "global:\n  scrape_interval: 15s\n  external_labels:\n    version: 1.10\n    dollar: \"${A}\"\n\
                    scrape_configs:\n  - job_name: a\n    basic_auth:\n      username: u\n      password: p1\n    \
                    bearer_token_file: /t\n    proxy_url: \"http://u:p2@host/\"\n    http_headers:\n      X-A:\n        \
                    secrets:\n          - p3\n        values:\n          - v\n  - job_name: b\n    oauth2:\n      client_secret: p4\n";
        let expected = text
            .replace("p1", "\"<secret>\"")
            .replace("p2", "<secret>")
            .replace("p3", "\"<secret>\"")
            .replace("p4", "\"<secret>\"");
        assert_eq!(shown(&crate::config::parse_yaml(text).unwrap()), expected);
    }
}
