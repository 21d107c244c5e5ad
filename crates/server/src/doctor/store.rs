//! The store of a Lapwing that runs: damage in it, and samples that a wrong clock brought.

use super::Finding;
use lapwing_store::metrics::{DamageCount, StoreNumbers};
use lapwing_types::format_duration_ms;

/// Clocks of senders differ; who is further ahead than this was refused, unless this machine's clock was ahead as well.
const AHEAD_MAX_MS: i64 = 600_000;

pub(crate) fn store(numbers: &StoreNumbers, damage: DamageCount, now_ms: i64) -> Vec<Finding> {
    vec![whole(damage), present(numbers.newest_ms, now_ms)]
}

fn whole(damage: DamageCount) -> Finding {
    let parts = [
        (damage.log_ranges as u64, "stretches of the log or the checkpoint"),
        (damage.blocks_unreadable as u64, "blocks"),
        (damage.pages_quarantined as u64, "pages of blocks"),
    ];
    let said = parts.iter().filter(|(count, _)| *count > 0);
    let said: Vec<String> = said.map(|(count, what)| format!("{count} {what}")).collect();
    match said.is_empty() {
        true => Finding::fine("store", "all that was read is whole"),
        false => Finding::error(
            "store",
            format!("cannot be read: {}", said.join(", ")),
            "what is lost stands in /api/v1/status/tsdb under damage; look at the disk, and bring a backup back with lapwing restore",
        ),
    }
}

fn present(newest_ms: Option<i64>, now_ms: i64) -> Finding {
    let newest_ms = newest_ms.unwrap_or(now_ms);
    let ahead_ms = newest_ms.saturating_sub(now_ms);
    if ahead_ms <= AHEAD_MAX_MS {
        return Finding::fine("store_times", "no sample is of the future");
    }
    let newest = jiff::Timestamp::from_millisecond(newest_ms)
        .map_or_else(|_| newest_ms.to_string(), |t| t.to_string());
    Finding::warning(
        "store_times",
        format!(
            "samples are of the future: the newest is of {newest}, {} ahead of this machine's clock",
            format_duration_ms(ahead_ms)
        ),
        "the clock was ahead when they came, or is behind now: set it right, and delete what is left over with admin/tsdb/delete_series",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    const NOW_MS: i64 = 1_800_000_000_000;

    #[test]
    fn samples_of_the_future_are_told_with_the_clock() {
        let numbers = |newest_ms| StoreNumbers {
            newest_ms,
            ..StoreNumbers::default()
        };
        let verdict = |newest_ms| store(&numbers(newest_ms), DamageCount::default(), NOW_MS)[1].clone();
        for fine in [None, Some(NOW_MS - 1), Some(NOW_MS + AHEAD_MAX_MS)] {
            assert_eq!(verdict(fine).verdict, Verdict::Fine);
        }
        let found = verdict(Some(NOW_MS + 30 * 24 * 3_600_000));
        assert_eq!(found.verdict, Verdict::Warning);
        assert_eq!(
            found.message,
            "samples are of the future: the newest is of 2027-02-14T08:00:00Z, 30d ahead of this machine's clock"
        );
    }

    #[test]
    fn every_kind_of_damage_is_told() {
        let verdict = |damage| store(&StoreNumbers::default(), damage, NOW_MS)[0].clone();
        assert_eq!(verdict(DamageCount::default()).verdict, Verdict::Fine);
        let found = verdict(DamageCount {
            log_ranges: 1,
            blocks_unreadable: 2,
            ..DamageCount::default()
        });
        assert_eq!(found.verdict, Verdict::Error);
        assert_eq!(
            found.message,
            "cannot be read: 1 stretches of the log or the checkpoint, 2 blocks"
        );
    }
}
