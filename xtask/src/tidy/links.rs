//! Relative links in Markdown point at something that is there.

use super::house::{File, House};
use super::{Check, Finding};

pub(super) const CHECK: Check = Check {
    name: "links",
    rule: "relative links in Markdown lead somewhere",
    excusable: true,
    run,
};

fn run(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in house.files.iter().filter(|f| f.path.ends_with(".md")) {
        for (line, target) in links(file) {
            let path = target.split(['#', '?']).next().unwrap_or("");
            if path.is_empty() || is_absolute(path) {
                continue;
            }
            let there = resolve(&file.path, path).is_some_and(|p| exists(house, &p));
            if !there {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!("`{target}` leads nowhere"),
                    "correct or delete the link",
                ));
            }
        }
    }
    findings
}

fn is_absolute(target: &str) -> bool {
    target.starts_with('/')
        || target
            .split_once(':')
            .is_some_and(|(s, _)| s.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// A tracked file, or a folder that holds one.
fn exists(house: &House, path: &str) -> bool {
    let folder = format!("{path}/");
    path.is_empty() || house.paths.iter().any(|p| p == path || p.starts_with(&folder))
}

/// `target` as seen from `from`, or nothing when it leaves the checkout.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The targets of `[words](target)` and `[name]: target`, outside of code.
fn links(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (i, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second piece stands between backquotes.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("x");
        let mut rest = prose.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            let target = rest
                .split(')')
                .next()
                .unwrap_or("")
                .split_whitespace()
                .next()
                .unwrap_or("");
            found.push((i + 1, target.trim_matches(['<', '>']).to_owned()));
        }
        if let Some((_, target)) = prose.split_once("]: ").filter(|(name, _)| name.starts_with('[')) {
            found.push((i + 1, target.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, lines: &[usize]) {
        let house = House::of(&[("docs/a.md", text), ("docs/b/c.md", ""), ("README.md", "")]);
        assert_eq!(
            run(&house).iter().map(|f| f.line).collect::<Vec<_>>(),
            lines,
            "{text}"
        );
    }

    #[test]
    fn good_links() {
        check(
            "[a](b/c.md) [b](b) [c](../README.md#top) [d](#here) [e](https://x.org/y) [f](mailto:a@b)",
            &[],
        );
        check("```\n[a](gone.md)\n```\n`[a](gone.md)`", &[]);
        check("[name]: ../README.md", &[]);
    }

    #[test]
    fn bad_links() {
        check("fine\n[a](gone.md)", &[2]);
        check("[a](../../out.md)", &[1]);
        check("[name]: gone.md", &[1]);
    }
}
