//! Reasons on record: `xtask/tidy-reasons.txt`, one `CHECK PATH REASON` a line, `#` begins a comment.
//!
//! A reason excuses one check in one file. It must say why in words, and it must still be needed.

use super::house::House;
use super::{CHECKS, Check, Finding};

pub(super) const FILE: &str = "xtask/tidy-reasons.txt";

struct Reason {
    check: String,
    path: String,
    line: usize,
    used: bool,
}

/// The reasons, and which of them have excused something in this run.
pub(super) struct Book(Vec<Reason>);

impl Book {
    /// Reads the file; a line that says nothing useful is a finding at once.
    pub(super) fn read(house: &House) -> (Book, Vec<Finding>) {
        let mut book = Book(Vec::new());
        let mut findings = Vec::new();
        let text = house.file(FILE).map_or("", |f| f.text.as_str());
        for (i, line) in text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.splitn(3, char::is_whitespace);
            let (check, path, why) = (
                words.next().unwrap_or(""),
                words.next().unwrap_or(""),
                words.next(),
            );
            if why.is_none_or(|w| w.trim().is_empty()) {
                findings.push(Finding::new(
                    FILE,
                    i,
                    "a reason without words",
                    "write `CHECK PATH REASON`",
                ));
            } else if !CHECKS.iter().any(|c| c.name == check && c.excusable) {
                let what = format!("no check `{check}` that a reason can excuse");
                findings.push(Finding::new(FILE, i, what, "see `cargo xtask tidy --list`"));
            } else {
                book.0.push(Reason {
                    check: check.to_owned(),
                    path: path.to_owned(),
                    line: i,
                    used: false,
                });
            }
        }
        (book, findings)
    }

    pub(super) fn excuses(&mut self, check: &str, path: &str) -> bool {
        let found = self.0.iter_mut().find(|r| r.check == check && r.path == path);
        found.is_some_and(|reason| {
            reason.used = true;
            true
        })
    }

    /// Reasons of the checks that ran and that excused nothing.
    pub(super) fn unused(&self, ran: &[&Check]) -> Vec<Finding> {
        let idle = self
            .0
            .iter()
            .filter(|r| !r.used && ran.iter().any(|c| c.name == r.check));
        idle.map(|r| {
            let what = format!("the reason for `{} {}` excuses nothing any more", r.check, r.path);
            Finding::new(FILE, r.line, what, "delete the line")
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_words_or_with_an_unknown_check_is_a_finding() {
        let house = House::of(&[(
            FILE,
            "# why\n\nlengths a.rs\nmanners a.rs because\nunsafety a.rs because\n",
        )]);
        let (book, findings) = Book::read(&house);
        assert!(book.0.is_empty());
        assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
