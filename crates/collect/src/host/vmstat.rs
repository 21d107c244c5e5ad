//! Paging, faults, swapping and the out-of-memory killer, from `/proc/vmstat`.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;
use lapwing_types::MetricKind;

/// node_exporter's default choice: oom_kill, pgpg*, pswp*, pg*fault*.
fn is_wanted(name: &str) -> bool {
    ["oom_kill", "pgpg", "pswp"].iter().any(|p| name.starts_with(p))
        || name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"))
}

pub(super) fn parse(text: &str) -> Result<Vec<(&str, f64)>, HostError> {
    let mut counters = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if let Some(name) = words.next().filter(|n| is_wanted(n)) {
            counters.push((name, number(words.next(), "a counter in /proc/vmstat")?));
        }
    }
    Ok(counters)
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let text = state.root.read("proc/vmstat")?;
    for (name, value) in parse(&text)? {
        let name = format!("node_vmstat_{name}");
        page.family(
            &name,
            MetricKind::Unknown,
            "Counter of the kernel's memory management.",
        )
        .set(&[], value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_many() {
        let text =
            "nr_free_pages 1\npgpgin 2\npswpout 3\npgfault 4\npgmajfault 5\noom_kill 6\npgactivate 7\n";
        let expect = [
            ("pgpgin", 2.0),
            ("pswpout", 3.0),
            ("pgfault", 4.0),
            ("pgmajfault", 5.0),
            ("oom_kill", 6.0),
        ];
        assert_eq!(parse(text).unwrap(), expect);
    }
}
