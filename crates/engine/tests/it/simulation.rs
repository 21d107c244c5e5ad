//! From samples to pages on a hand-turned clock: random series through real rules and real dispatch, with kills at every
//! point of the protocol, processes that stay away, dead receivers, gaps in the input, and reloads.
//!
//! Oracles:
//! 1. with kills, rules find the same alerts at the same instants, and the same pages leave, as without;
//! 2. whatever happens, each firing that lasted longer than its `group_wait` was paged, or believed firing all along;
//! 3. when all is over, whoever heard of a beginning heard of its end;
//! 4. repetitions are at most as many as deliveries were under way at a kill.
//!
//! A failing seed is printed; `LAPWING_SEED` runs it alone, `LAPWING_SEEDS` asks for more.

use crate::killed_day::{Day, Found, GROUP_WAIT_MS, Page, START_MS, STEP_MS, Trouble, live};
use std::collections::BTreeSet;

/// In CI.
const SEEDS: u64 = 60;

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    match number("LAPWING_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("LAPWING_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

/// Days have nothing to do with each other: as many at once as there are processors. Returns the sum of what they say.
fn each_day(day: impl Fn(u64) -> usize + Sync) -> usize {
    let seeds = seeds();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let day = &day;
    let share = |nth: usize| seeds.iter().copied().skip(nth).step_by(threads);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|nth| scope.spawn(move || share(nth).map(day).sum::<usize>()))
            .collect();
        let ended = running.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|sum| sum.expect("the seed stands in the message above"))
            .sum()
    })
}

#[test]
fn kills_change_neither_what_rules_find_nor_who_is_told() {
    let pages = each_day(|seed| {
        let calm = live(seed, Trouble::default());
        let killed = live(
            seed,
            Trouble {
                kills: true,
                ..Trouble::default()
            },
        );
        assert_eq!(calm.repetitions_allowed, 0);
        assert!(killed.kills > 0, "seed {seed}: nobody was killed");
        let differ = first_difference(&sorted(&calm.found), &sorted(&killed.found));
        assert!(differ.is_none(), "seed {seed}: found {differ:?}");
        let in_order = |day: &Day| day.pages.iter().cloned().collect::<BTreeSet<Page>>();
        let (expect, got) = (in_order(&calm), in_order(&killed));
        let differ: Vec<_> = expect.symmetric_difference(&got).collect();
        assert!(differ.is_empty(), "seed {seed}: {differ:?}");
        check_repetitions(seed, &killed);
        expect.len()
    });
    assert!(pages > seeds().len() * 5, "the days were too good: {pages} pages");
}

#[test]
fn no_page_is_lost_on_any_bad_day() {
    let pages = each_day(|seed| {
        let day = live(
            seed,
            Trouble {
                kills: true,
                away: true,
                outages: true,
                reloads: true,
            },
        );
        check_every_firing_was_paged(seed, &day);
        check_every_end_was_told(seed, &day);
        check_repetitions(seed, &day);
        day.pages.len()
    });
    assert!(pages > seeds().len() * 5, "the days were too good: {pages} pages");
}

/// What is found at one instant is found in no order.
fn sorted(found: &[Found]) -> Vec<Found> {
    let mut found = found.to_vec();
    found.sort();
    found
}

fn first_difference(expect: &[Found], got: &[Found]) -> Option<(Option<Found>, Option<Found>)> {
    let len = expect.len().max(got.len());
    let at = (0..len).find(|i| expect.get(*i) != got.get(*i))?;
    Some((expect.get(at).cloned(), got.get(at).cloned()))
}

/// Firings of one alert: from when until when.
fn firings<'d>(day: &'d Day, labels: &'d str) -> Vec<(i64, i64)> {
    let mut all = Vec::new();
    for found in day.found.iter().filter(|f| f.labels == labels) {
        if found.is_end {
            let last: &mut (i64, i64) = all.last_mut().expect("an end follows a beginning");
            last.1 = found.at_ms;
        } else {
            all.push((found.at_ms, day.now_ms));
        }
    }
    all
}

fn check_every_firing_was_paged(seed: u64, day: &Day) {
    let alerts: BTreeSet<&str> = day.found.iter().map(|f| f.labels.as_str()).collect();
    for labels in alerts {
        for (start_ms, end_ms) in firings(day, labels) {
            if end_ms - start_ms <= GROUP_WAIT_MS + STEP_MS {
                continue;
            }
            for receiver in Day::receivers_of(labels) {
                let about = |p: &&Page| p.receiver == *receiver && p.is_about(labels);
                let mut since = day.pages.iter().filter(about).filter(|p| p.at_ms >= start_ms);
                let told = since.any(|p| p.firing.contains(labels));
                let before = day.pages.iter().filter(about).rfind(|p| p.at_ms < start_ms);
                let believed = before.is_some_and(|p| p.firing.contains(labels));
                assert!(
                    told || believed,
                    "seed {seed}: nobody at {receiver} was paged for {labels}, firing from {} s to {} s",
                    (start_ms - START_MS) / 1000,
                    (end_ms - START_MS) / 1000
                );
            }
        }
    }
}

fn check_every_end_was_told(seed: u64, day: &Day) {
    let alerts: BTreeSet<&str> = day.found.iter().map(|f| f.labels.as_str()).collect();
    for labels in alerts {
        for receiver in Day::receivers_of(labels) {
            let mut about = day.pages.iter().filter(|p| p.receiver == *receiver);
            let last = about.rfind(|p| p.is_about(labels));
            assert!(
                last.is_none_or(|p| p.resolved.contains(labels)),
                "seed {seed}: {receiver} still believes in {labels}"
            );
        }
    }
    assert!(day.is_quiet(), "seed {seed}: something is still owed");
}

fn check_repetitions(seed: u64, day: &Day) {
    assert!(
        day.repetitions() <= day.repetitions_allowed,
        "seed {seed}: {} repetitions, {} allowed",
        day.repetitions(),
        day.repetitions_allowed
    );
}
