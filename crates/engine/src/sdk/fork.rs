//! A process that forks must not leave a lock taken by a thread that the child does not have.
//!
//! Threads of ours that take locks of the SDK in the background hold the gate meanwhile, never across network I/O. Whoever forks
//! takes the gate first ([`ForkHold::take`]) and lets it go on both sides ([`ForkHold::release`]).

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

static GATE: Mutex<()> = Mutex::new(());

thread_local! {
    static HELD: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// To be held around anything that takes the SDK's locks on a thread of ours.
pub fn fork_gate() -> MutexGuard<'static, ()> {
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The gate, held by the thread that forks.
#[derive(Debug)]
pub struct ForkHold;

impl ForkHold {
    pub fn take() {
        let guard = fork_gate();
        HELD.with(|held| *held.borrow_mut() = Some(guard));
    }

    /// In the parent and in the child, each on the thread that forked.
    pub fn release() {
        HELD.with(|held| drop(held.borrow_mut().take()));
    }
}
