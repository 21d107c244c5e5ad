//! Unfinished work does not get in: no `todo!`, `unimplemented!`, `dbg!`, ignored tests, TODO or FIXME.

use super::house::{File, House};
use super::{Check, Finding, rust};

pub(super) const CHECK: Check = Check {
    name: "leftovers",
    rule: "no todo!, unimplemented!, dbg!, #[ignore], TODO or FIXME",
    excusable: true,
    run,
};

const MACROS: &[(&str, &str)] = &[
    ("todo!", "write it, or leave the feature out"),
    ("unimplemented!", "write it, or return a named error"),
    ("dbg!", "delete it"),
];

const NOTES: &[&str] = &["TODO", "FIXME"];

fn run(house: &House) -> Vec<Finding> {
    house.rust_files().flat_map(left_in).collect()
}

fn left_in(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |at: usize, what: String, remedy: &str| {
        findings.push(Finding::new(&file.path, file.line_of(at), what, remedy));
    };
    for (name, remedy) in MACROS {
        rust::places(&file.code, name)
            .into_iter()
            .for_each(|at| add(at, format!("`{name}`"), remedy));
    }
    for at in rust::places(&file.code, "ignore")
        .into_iter()
        .filter(|at| in_attribute(&file.code, *at))
    {
        add(
            at,
            "an ignored test".into(),
            "make it pass, or let it print `SKIPPED name: reason` where a peer is missing",
        );
    }
    for note in NOTES {
        // What is in the text but not in the code is a comment or a literal.
        let notes = rust::places(&file.text, note)
            .into_iter()
            .filter(|at| file.code.as_bytes()[*at] == b' ');
        notes.for_each(|at| add(at, format!("a {note} note"), "do it, or write an issue"));
    }
    findings
}

/// Whether the word at `at` stands in an attribute as one of its own words: `#[ignore…` or `#[cfg_attr(…, ignore…`.
fn in_attribute(code: &str, at: usize) -> bool {
    let before = &code[..at];
    let Some(open) = before.rfind("#[") else {
        return false;
    };
    let inside = &before[open + 2..];
    let direct = inside.trim().is_empty();
    let conditional = inside.trim_start().starts_with("cfg_attr") && !inside.contains(']');
    direct || conditional
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(usize, &str)]) {
        let house = House::of(&[("crates/a/src/b.rs", text)]);
        let found = run(&house);
        let found: Vec<_> = found.iter().map(|f| (f.line, f.what.as_str())).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn what_is_left_is_found() {
        check("fn a() {\n    todo!()\n}", &[(2, "`todo!`")]);
        check(
            "dbg!(1); unimplemented!()",
            &[(1, "`unimplemented!`"), (1, "`dbg!`")],
        );
        check(
            "#[test]\n#[ignore = \"slow\"]\nfn a() {}",
            &[(2, "an ignored test")],
        );
        check(
            "#[cfg_attr(not(unix), ignore)]\nfn a() {}",
            &[(1, "an ignored test")],
        );
        let note = NOTES[0];
        check(&format!("fn a() {{}} // {note}: more"), &[(1, "a TODO note")]);
    }

    #[test]
    fn words_that_only_look_like_it_are_fine() {
        check(
            "/// Never `todo!()`.\nlet s = \"dbg!\"; fn ignore() {} struct Todo;",
            &[],
        );
        check("#[derive(Debug)]\nstruct A { ignore: bool }", &[]);
    }
}
