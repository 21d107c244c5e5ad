//! The only clock of the house.
//!
//! Every other room takes `now_ms` as an argument; the engine reads this and hands it on, so that a simulated engine
//! can live a month in a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time in milliseconds since 1970, real or turned by hand. Cheap to clone; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    hand_turned_ms: Option<Arc<AtomicI64>>,
}

impl Clock {
    pub fn system() -> Self {
        Clock { hand_turned_ms: None }
    }

    /// A clock that stands still until [`Clock::advance`] turns it.
    pub fn simulated(start_ms: i64) -> Self {
        Clock {
            hand_turned_ms: Some(Arc::new(AtomicI64::new(start_ms))),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else is given"
    )]
    pub fn now_ms(&self) -> i64 {
        match &self.hand_turned_ms {
            Some(ms) => ms.load(Ordering::SeqCst),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or_else(|e| -(e.duration().as_millis() as i64), |d| d.as_millis() as i64),
        }
    }

    /// Turns a simulated clock forward; a system clock goes by itself and ignores this.
    pub fn advance(&self, by: Duration) {
        if let Some(ms) = &self.hand_turned_ms {
            ms.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        }
    }

    pub fn is_simulated(&self) -> bool {
        self.hand_turned_ms.is_some()
    }
}

/// Measures how long something took, for Lapwing's own series; never decides anything.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "durations of Lapwing's own work are measured here"
    )]
    pub fn start() -> Self {
        Stopwatch {
            started: Instant::now(),
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn elapsed_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Nanoseconds since the first call in this process: for measuring what is too deep inside to be handed a stopwatch.
pub fn process_nanos() -> u64 {
    static BEGAN: std::sync::OnceLock<Stopwatch> = std::sync::OnceLock::new();
    BEGAN.get_or_init(Stopwatch::start).elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_moves_only_by_hand() {
        let clock = Clock::simulated(1_000);
        let same = clock.clone();
        assert_eq!(clock.now_ms(), 1_000);
        clock.advance(Duration::from_secs(5));
        assert_eq!(same.now_ms(), 6_000);
    }
}
