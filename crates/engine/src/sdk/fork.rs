//! A process that forks must not leave a lock taken by a thread that the child does not have.
//!
//! Whoever takes locks of ours while another thread may fork (threads in the background, and calls that let go of an interpreter's lock) goes
//! through the gate meanwhile, never across network I/O: many at once. Whoever forks closes the gate first ([`ForkHold::take`]), waits for
//! those inside, and opens it on both sides ([`ForkHold::release`]). Nobody goes through it twice at a time: the second time would wait for
//! whoever forks, and that one for the first.

use std::cell::RefCell;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static GATE: RwLock<()> = RwLock::new(());

thread_local! {
    static HELD: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// To be held around anything that takes our locks while another thread may fork.
pub fn fork_gate() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The gate, closed by the thread that forks.
#[derive(Debug)]
pub struct ForkHold;

impl ForkHold {
    pub fn take() {
        let guard = GATE.write().unwrap_or_else(PoisonError::into_inner);
        HELD.with(|held| *held.borrow_mut() = Some(guard));
    }

    /// In the parent and in the child, each on the thread that forked.
    pub fn release() {
        HELD.with(|held| drop(held.borrow_mut().take()));
    }
}
