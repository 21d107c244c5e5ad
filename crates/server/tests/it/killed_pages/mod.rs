//! Kills the real binary at random moments while rules fire and receivers fail, and proves that no page is lost.
//!
//! Two servers live through the same incidents: one in peace with receivers that take everything, the other killed again
//! and again and made to read other configurations, of which some are broken, with a webhook that answers 500 and 429, hangs
//! and hangs up, and a real SMTP server that is no better.
//!
//! Oracle:
//! 1. every incident that lasted longer than its `group_wait` is told at each receiver as firing and then as resolved;
//! 2. what the killed server told is what the other told;
//! 3. nothing is told as resolved while it lasts;
//! 4. a receiver takes one delivery more than once only where a kill interrupted it or the receiver hung up after taking it.
//!
//! Needs: python:aiosmtpd

mod hook;
mod mail;
mod world;

use self::hook::Hook;
use self::mail::Mail;
use self::world::{Incident, Lived, World};
use crate::crash::number_from_env;
use crate::support::now_ms;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// Series that break independently of each other.
const LANES: usize = 6;
/// One after another in each lane; `LAPWING_PAGES_INCIDENTS` asks for more, and with it for more kills.
const INCIDENTS: u64 = 3;
/// One lane has incidents too short for a promise: they are told wholly or not at all.
const LANE_OF_BLIPS: usize = LANES - 1;

/// What a receiver was told, by receiver, alert, incident, and whether it was the end.
type Told = BTreeSet<(&'static str, String, String, bool)>;

#[test]
fn no_page_is_lost_and_none_invented_when_killed() {
    let Some(python) = mail::python("no_page_is_lost_and_none_invented_when_killed") else {
        return;
    };
    let seed = number_from_env("LAPWING_PAGES_SEED", now_ms() as u64);
    let incidents = number_from_env("LAPWING_PAGES_INCIDENTS", INCIDENTS);
    println!("LAPWING_PAGES_SEED={seed}");
    let schedule = schedule(&mut SmallRng::seed_from_u64(seed), incidents);
    let (calm, killed) = std::thread::scope(|scope| {
        let calm = scope.spawn(|| live(&python, &schedule, None));
        let killed = scope.spawn(|| live(&python, &schedule, Some(seed)));
        (
            calm.join().expect("the calm day ends"),
            killed.join().expect("the bad day ends"),
        )
    });
    println!(
        "{} kills, {} reloads, {} refused, {} attempts interrupted, {} pages taken by the webhook and {} by mail ({} and {} in peace)",
        killed.kills,
        killed.reloads.0,
        killed.reloads.1,
        killed.interrupted.values().sum::<usize>(),
        killed.hook.len(),
        killed.mail.len(),
        calm.hook.len(),
        calm.mail.len()
    );
    let expected = expected(&schedule);
    let lost = |day: &Lived| expected.difference(&told(day)).cloned().collect::<Vec<_>>();
    assert_eq!(lost(&calm), [], "in peace");
    assert_eq!(lost(&killed), [], "with kills");
    let promised = |day: &Lived| -> Told {
        let is_blip = |incident: &str| incident.starts_with(&format!("{LANE_OF_BLIPS}-"));
        told(day).into_iter().filter(|(_, _, i, _)| !is_blip(i)).collect()
    };
    assert_eq!(promised(&calm), promised(&killed));
    for day in [&calm, &killed] {
        check_blips(day);
        check_repetitions(day);
        assert_eq!(day.told_too_early, Vec::<String>::new());
    }
    assert_eq!((calm.kills, calm.interrupted.len()), (0, 0));
    assert!(killed.kills >= 10, "only {} kills", killed.kills);
    let (reloads, refused) = killed.reloads;
    assert!(
        reloads >= 5 && refused >= 2,
        "{reloads} reloads, {refused} refused"
    );
}

/// The incidents of each lane: how long after the one before, and how long it lasts.
fn schedule(dice: &mut SmallRng, incidents: u64) -> Vec<Vec<Incident>> {
    let lane = |lane: usize, dice: &mut SmallRng| {
        let one = |nth: u64, dice: &mut SmallRng| Incident {
            name: format!("{lane}-{nth}"),
            after_ms: dice.random_range(100..2_500),
            lasts_ms: if lane == LANE_OF_BLIPS {
                dice.random_range(50..900)
            } else {
                dice.random_range(5_000..7_000)
            },
        };
        (0..incidents).map(|nth| one(nth, dice)).collect()
    };
    (0..LANES).map(|i| lane(i, dice)).collect()
}

/// One server's day; with a seed, a bad one.
fn live(python: &std::path::Path, schedule: &[Vec<Incident>], bad: Option<u64>) -> Lived {
    let hook = Hook::start(bad);
    let mail = Mail::start(python, bad);
    let mut world = World::new(&hook, &mail, bad);
    world.live(schedule);
    let expected = expected(schedule);
    world.end(|world| expected.is_subset(&told_by(&world.taken())))
}

fn expected(schedule: &[Vec<Incident>]) -> Told {
    let mut all = Told::new();
    let promised = schedule.iter().take(LANE_OF_BLIPS).flatten();
    for incident in promised {
        for alert in ["busy", "stuck"] {
            for receiver in ["hook", "mail"] {
                for is_end in [false, true] {
                    all.insert((receiver, alert.to_owned(), incident.name.clone(), is_end));
                }
            }
        }
    }
    all
}

fn told(day: &Lived) -> Told {
    told_by(&(day.hook.clone(), day.mail.clone()))
}

fn told_by((hook, mail): &(Vec<world::Page>, Vec<world::Page>)) -> Told {
    let mut all = Told::new();
    for (receiver, pages) in [("hook", hook), ("mail", mail)] {
        for line in pages.iter().flat_map(|p| &p.told) {
            all.insert((receiver, line.alert.clone(), line.incident.clone(), line.is_end));
        }
    }
    all
}

/// Whoever heard of a beginning heard of its end.
fn check_blips(day: &Lived) {
    let told = told(day);
    let is_begun = told.iter().filter(|(_, _, _, is_end)| !is_end);
    for (receiver, alert, incident, _) in is_begun {
        let end = (*receiver, alert.clone(), incident.clone(), true);
        assert!(
            told.contains(&end),
            "{receiver} still believes in {alert} {incident}"
        );
    }
}

/// More copies of a delivery than one need a reason each.
fn check_repetitions(day: &Lived) {
    for (receiver, pages) in [("hook", &day.hook), ("mail", &day.mail)] {
        let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
        for page in pages {
            *copies.entry(&page.delivery).or_default() += 1;
        }
        for (delivery, count) in copies {
            let interrupted = day.interrupted.get(delivery).copied().unwrap_or(0);
            let unsure = pages
                .iter()
                .filter(|p| p.delivery == delivery && p.unsure)
                .count();
            assert!(
                count <= 1 + interrupted + unsure,
                "{receiver} took {delivery} {count} times: {interrupted} interrupted, {unsure} not answered"
            );
        }
    }
    // One alert is one group at the webhook: what was told of it was told in one delivery.
    let mut deliveries: BTreeMap<(&str, &str, bool), BTreeSet<&str>> = BTreeMap::new();
    for page in &day.hook {
        for line in &page.told {
            let about = (line.alert.as_str(), line.incident.as_str(), line.is_end);
            deliveries.entry(about).or_default().insert(&page.delivery);
        }
    }
    for (about, ids) in deliveries {
        assert_eq!(ids.len(), 1, "{about:?} was told by several deliveries: {ids:?}");
    }
}
