//! The one place in xtask that reads time or waits: chores measure and poll real processes.

#![expect(
    clippy::disallowed_methods,
    reason = "chores time real processes; nothing of Lapwing runs in here"
)]

use std::time::Instant;

pub(crate) fn now() -> Instant {
    Instant::now()
}
