//! Which commits a snapshot may see, and what must be kept because someone may still look at it.
//!
//! Every commit has a number. A view sees a commit wholly or not at all: those that had ended when the view was made,
//! and no others. Shards remember which series recent commits touched (see `shard`), for as long as a view exists that
//! may not see them.
//!
//! Views and appenders are numbered too: what is taken out of the head (chunks that went to a block, series that ended)
//! leaves memory when everyone who came before the removal is gone.

use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct Isolation {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    last_commit: u64,
    open_commits: BTreeSet<u64>,
    last_visitor: u64,
    /// By number: the lowest commit that the view does not see.
    views: BTreeMap<u64, u64>,
    appenders: BTreeSet<u64>,
}

impl State {
    /// Commits below this are seen by every view there is.
    fn settled_below(&self) -> u64 {
        let next = self.last_commit + 1;
        let open = self.open_commits.first().copied().unwrap_or(next);
        self.views.values().copied().fold(open, u64::min)
    }
}

/// A commit under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitTicket {
    pub(crate) number: u64,
    /// What shards remember about commits below this may be forgotten.
    pub(crate) settled_below: u64,
}

/// A fixed set of visible commits; registered until dropped.
pub(crate) struct View {
    isolation: Arc<Isolation>,
    number: u64,
    upper: u64,
    hidden: Box<[u64]>,
}

impl View {
    pub(crate) fn sees(&self, commit: u64) -> bool {
        commit < self.upper && !self.hidden.contains(&commit)
    }

    /// Whether it was there when the mark was set.
    pub(crate) fn came_before(&self, mark: u64) -> bool {
        self.number <= mark
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.isolation.state.lock().views.remove(&self.number);
    }
}

/// Someone who holds references to series; registered until dropped.
pub(crate) struct Visit {
    isolation: Arc<Isolation>,
    number: u64,
}

impl Visit {
    /// Tells references of one appender from those of another.
    #[inline]
    pub(crate) fn tag(&self) -> u32 {
        self.number as u32
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.isolation.state.lock().appenders.remove(&self.number);
    }
}

impl Isolation {
    pub(crate) fn begin_commit(&self) -> CommitTicket {
        let mut state = self.state.lock();
        let settled_below = state.settled_below();
        state.last_commit += 1;
        let number = state.last_commit;
        state.open_commits.insert(number);
        CommitTicket {
            number,
            settled_below,
        }
    }

    pub(crate) fn end_commit(&self, ticket: CommitTicket) {
        self.state.lock().open_commits.remove(&ticket.number);
        self.ended.notify_all();
    }

    /// Waits until every commit that is under way now has ended. What was copied out of the head before may hold half
    /// of one, which no view may see as a whole before.
    pub(crate) fn await_open_commits(&self) {
        let mut state = self.state.lock();
        let newest = state.last_commit;
        while state.open_commits.first().is_some_and(|oldest| *oldest <= newest) {
            self.ended.wait(&mut state);
        }
    }

    pub(crate) fn view(self: &Arc<Self>) -> View {
        let mut state = self.state.lock();
        let upper = state.last_commit + 1;
        let hidden: Box<[u64]> = state.open_commits.iter().copied().collect();
        state.last_visitor += 1;
        let number = state.last_visitor;
        state
            .views
            .insert(number, hidden.first().copied().unwrap_or(upper));
        View {
            isolation: self.clone(),
            number,
            upper,
            hidden,
        }
    }

    pub(crate) fn visit(self: &Arc<Self>) -> Visit {
        let mut state = self.state.lock();
        state.last_visitor += 1;
        let number = state.last_visitor;
        state.appenders.insert(number);
        Visit {
            isolation: self.clone(),
            number,
        }
    }

    /// A mark in time, to be compared with [`Isolation::all_gone_before`].
    pub(crate) fn mark(&self) -> u64 {
        self.state.lock().last_visitor
    }

    /// Whether every view and appender that existed at the mark is gone.
    pub(crate) fn all_gone_before(&self, mark: u64) -> bool {
        let state = self.state.lock();
        state.views.keys().next().is_none_or(|n| *n > mark)
            && state.appenders.first().is_none_or(|n| *n > mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_open_commits_waits_for_those_alone() {
        let isolation = Isolation::default();
        isolation.await_open_commits();
        let (first, second) = (isolation.begin_commit(), isolation.begin_commit());
        let ended = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                isolation.await_open_commits();
                ended.load(std::sync::atomic::Ordering::SeqCst)
            });
            for ticket in [second, first] {
                ended.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                isolation.end_commit(ticket);
            }
            assert_eq!(waiter.join().ok(), Some(2));
        });
        let later = isolation.begin_commit();
        isolation.end_commit(later);
    }

    #[test]
    fn a_view_sees_what_had_ended() {
        let isolation = Arc::new(Isolation::default());
        let first = isolation.begin_commit();
        let second = isolation.begin_commit();
        isolation.end_commit(second);
        let view = isolation.view();
        assert_eq!([view.sees(1), view.sees(2), view.sees(3)], [false, true, false]);
        isolation.end_commit(first);
        assert!(!view.sees(1));
        assert_eq!(isolation.begin_commit().settled_below, 1);
        let mark = isolation.mark();
        assert!(!isolation.all_gone_before(mark));
        drop(view);
        assert!(isolation.all_gone_before(mark));
    }
}
