//! The one place in xtask that reads time or waits: chores measure and poll real processes.

#![expect(
    clippy::disallowed_methods,
    reason = "chores time real processes; nothing of Lapwing runs in here"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64)
}

pub(crate) fn wait(duration: Duration) {
    std::thread::sleep(duration);
}
