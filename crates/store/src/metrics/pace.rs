//! How far each source has come: what the windows that leave the head wait for.
//!
//! A source that loads the past, or catches up after an outage, writes window after window long after everybody else has left
//! them. Were windows flushed by the newest sample of all, each of its windows would leave in many small blocks. So they wait
//! for the slowest source that is at work; one that fell silent is waited for no longer.

use super::head::series::NEVER_MS;
use hashbrown::HashMap;
use parking_lot::Mutex;

/// A source that wrote nothing for so long holds up nobody.
const SILENT_MS: i64 = 5 * 60_000;
/// Who lags by more than this is not waited for: its samples leave the head with the next window of the others.
const LAG_MS_MAX: i64 = 24 * 3_600_000;
/// Several writers may share a name, so the slowest request of the last one or two of these speaks for it.
const SPELL_MS: i64 = 5_000;
/// Where so many requests come in a shorter time, every writer has been heard sooner: who loads the past at hundreds of times
/// its pace must not have hours of it in memory for the sake of seconds.
const BUSY_SPELL_MS: i64 = 500;
const BUSY_REQUESTS: u32 = 64;

#[derive(Clone, Copy)]
struct Place {
    /// The slowest request of the spell before.
    before_ms: i64,
    slowest_ms: i64,
    spell_began_ms: i64,
    spell_requests: u32,
    heard_at_ms: i64,
}

#[derive(Default)]
pub(crate) struct Pace {
    sources: Mutex<HashMap<String, Place>>,
}

impl Pace {
    /// A request of a source was kept, the newest sample of it at `newest_ms`.
    pub(crate) fn note(&self, source: &str, newest_ms: i64, now_ms: i64) {
        if newest_ms == NEVER_MS {
            return;
        }
        let mut sources = self.sources.lock();
        let Some(place) = sources.get_mut(source) else {
            let first = Place {
                before_ms: newest_ms,
                slowest_ms: newest_ms,
                spell_began_ms: now_ms,
                spell_requests: 1,
                heard_at_ms: now_ms,
            };
            sources.insert(source.to_owned(), first);
            return;
        };
        place.heard_at_ms = now_ms;
        let spell_ms = now_ms.saturating_sub(place.spell_began_ms);
        // The clock was set back: the spell would seem to go on until it is there again.
        let is_over = !(0..SPELL_MS).contains(&spell_ms);
        let is_busy = place.spell_requests >= BUSY_REQUESTS;
        place.spell_requests = place.spell_requests.saturating_add(1);
        if is_over || (is_busy && spell_ms >= BUSY_SPELL_MS) {
            place.before_ms = place.slowest_ms;
            place.slowest_ms = newest_ms;
            place.spell_began_ms = now_ms;
            place.spell_requests = 1;
        } else {
            place.slowest_ms = place.slowest_ms.min(newest_ms);
        }
    }

    /// The time up to which nobody at work writes any more, as far as their samples tell.
    pub(crate) fn horizon_ms(&self, newest_ms: i64, now_ms: i64) -> i64 {
        let mut sources = self.sources.lock();
        sources.retain(|_, place| now_ms.saturating_sub(place.heard_at_ms).saturating_abs() < SILENT_MS);
        sources
            .values()
            .map(|place| place.before_ms.min(place.slowest_ms))
            .filter(|slowest| newest_ms.saturating_sub(*slowest) <= LAG_MS_MAX)
            .min()
            .unwrap_or(newest_ms)
            .min(newest_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn the_slowest_at_work_is_waited_for() {
        let pace = Pace::default();
        let now_ms = 100 * HOUR_MS;
        assert_eq!(pace.horizon_ms(now_ms, now_ms), now_ms);
        pace.note("host", now_ms, now_ms);
        pace.note("load", now_ms - 6 * HOUR_MS, now_ms);
        assert_eq!(pace.horizon_ms(now_ms, now_ms), now_ms - 6 * HOUR_MS);
        for second in 1..12 {
            pace.note("load", now_ms - 5 * HOUR_MS, now_ms + second * 1_000);
        }
        assert_eq!(pace.horizon_ms(now_ms, now_ms + 12_000), now_ms - 5 * HOUR_MS);
    }

    #[test]
    fn the_slowest_of_several_writers_speaks_for_their_name() {
        let pace = Pace::default();
        let now_ms = 100 * HOUR_MS;
        for second in 0..30 {
            let late_ms = if second % 3 == 0 { 4 * HOUR_MS } else { 0 };
            pace.note("agents", now_ms - late_ms, now_ms + second * 1_000);
            assert_eq!(
                pace.horizon_ms(now_ms, now_ms + second * 1_000),
                now_ms - 4 * HOUR_MS
            );
        }
    }

    #[test]
    fn who_loads_fast_is_believed_sooner() {
        let pace = Pace::default();
        let (begin_ms, now_ms) = (100 * HOUR_MS, 200 * HOUR_MS);
        // Two hundred requests a second, each a second later: the horizon is what came in one second behind.
        for request in 0..1_000 {
            let (newest_ms, at_ms) = (begin_ms + request * 1_000, now_ms + request * 5);
            pace.note("load", newest_ms, at_ms);
            let behind_ms = newest_ms - pace.horizon_ms(newest_ms, at_ms);
            assert!(behind_ms <= 202_000, "{request}: {behind_ms}");
        }
    }

    #[test]
    fn nobody_waits_for_the_silent_or_the_hopeless() {
        let pace = Pace::default();
        let now_ms = 1000 * HOUR_MS;
        pace.note("archive", now_ms - 700 * HOUR_MS, now_ms);
        assert_eq!(pace.horizon_ms(now_ms, now_ms), now_ms);
        pace.note("load", now_ms - 3 * HOUR_MS, now_ms);
        let later_ms = now_ms + SILENT_MS;
        pace.note("host", later_ms, later_ms);
        assert_eq!(pace.horizon_ms(later_ms, later_ms), later_ms);
    }
}
