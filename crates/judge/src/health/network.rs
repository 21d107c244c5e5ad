//! Is it them, or is it us? When nothing outside this machine answers, the targets are not to blame.
//!
//! Canaries, where the owner named some, decide alone: all of them silent means our network is down. Without canaries it
//! takes silence from every one of at least three different hosts, and no answer from any.

use std::collections::{BTreeMap, BTreeSet};

/// Fewer hosts could well be down at the same time by themselves.
const HOSTS_MIN: usize = 3;

/// The last look at one remote host; loopback is left out, for it answers without a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkLook<'a> {
    pub host: &'a str,
    pub is_canary: bool,
    /// Nothing came back at all: a refusal is an answer.
    pub is_silent: bool,
}

pub fn is_own_network_down<'a>(looks: impl IntoIterator<Item = NetworkLook<'a>>) -> bool {
    let mut canaries: BTreeMap<&str, bool> = BTreeMap::new();
    let (mut hosts, mut answering) = (BTreeSet::new(), false);
    for look in looks {
        if look.is_canary {
            *canaries.entry(look.host).or_insert(true) &= look.is_silent;
        } else {
            hosts.insert(look.host);
            answering |= !look.is_silent;
        }
    }
    if canaries.is_empty() {
        hosts.len() >= HOSTS_MIN && !answering
    } else {
        canaries.values().all(|silent| *silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(looks: &[(&str, bool, bool)], expect: bool) {
        let looks = looks.iter().map(|(host, is_canary, is_silent)| NetworkLook {
            host,
            is_canary: *is_canary,
            is_silent: *is_silent,
        });
        assert_eq!(
            is_own_network_down(looks.clone()),
            expect,
            "{:?}",
            looks.collect::<Vec<_>>()
        );
    }

    #[test]
    fn all_of_three_hosts_or_all_canaries() {
        check(&[], false);
        check(&[("a", false, true), ("b", false, true)], false);
        check(
            &[("a", false, true), ("b", false, true), ("c", false, true)],
            true,
        );
        check(
            &[("a", false, true), ("b", false, true), ("c", false, false)],
            false,
        );
        check(
            &[("a", false, true), ("a", false, true), ("a", false, true)],
            false,
        );
        check(&[("r", true, true), ("a", false, false)], true);
        check(
            &[
                ("r", true, false),
                ("a", false, true),
                ("b", false, true),
                ("c", false, true),
            ],
            false,
        );
    }
}
