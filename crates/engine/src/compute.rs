//! The one way from async code to CPU work: a bounded number of threads, by purpose.
//!
//! A tokio thread is never kept busy for longer than 500 µs; decoding a request, appending it or evaluating a query
//! goes through here. The bound keeps a flood of one kind of work from taking every core from the others.
//!
//! The threads are ours and not those of the runtime, of which there are hundreds and which take turns: what a thread keeps
//! for the next piece of work (a buffer of two megabytes for a request, pages of the allocator) is kept as often as pieces
//! run at once. Whoever waited the shortest works next; whoever waits for long ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, oneshot};

/// As long as a thread of tokio waits for work.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A piece of work; what it returns is to be done when its thread waits again: the next piece would start another one else.
type Work = Box<dyn FnOnce() -> Answer + Send>;
type Answer = Box<dyn FnOnce()>;

#[derive(Clone, Debug)]
pub struct Compute {
    slots: Arc<Semaphore>,
    threads: Arc<Threads>,
}

#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    #[error("the work was cut off: it panicked")]
    Panicked,
    #[error("the engine is stopping")]
    Stopping,
    #[error("no thread could be started for the work")]
    NoThread {
        #[source]
        source: std::io::Error,
    },
}

impl Compute {
    /// `purpose` is what the threads are called.
    pub fn new(purpose: &'static str, slots: usize) -> Self {
        Compute {
            slots: Arc::new(Semaphore::new(slots.max(1))),
            threads: Arc::new(Threads {
                purpose,
                idle: Mutex::default(),
            }),
        }
    }

    /// Waits for a slot, then runs `work` on a thread of this pool, within the runtime of the caller.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        let slot = self
            .slots
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| ComputeError::Stopping)?;
        let (done, answer) = oneshot::channel();
        let runtime = Handle::current();
        let work = Box::new(move || {
            let _runtime = runtime.enter();
            let result = catch_unwind(AssertUnwindSafe(work));
            Box::new(move || {
                drop(slot);
                // Whoever asked may be gone.
                let _ = done.send(result);
            }) as Answer
        });
        self.threads
            .start(work)
            .map_err(|source| ComputeError::NoThread { source })?;
        outcome(answer).await
    }

    /// Runs `work` on the thread that asks, if a slot is free: for work that is done before another thread would have woken
    /// up. Other tasks of this thread go on elsewhere meanwhile; the asking one cannot be cancelled.
    pub async fn run_here<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        let several = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        match self.slots.try_acquire() {
            Ok(_slot) if several => tokio::task::block_in_place(|| catch_unwind(AssertUnwindSafe(work)))
                .map_err(|_| ComputeError::Panicked),
            _ => self.run(work).await,
        }
    }

    /// How many more pieces of work could start at once.
    pub fn free(&self) -> usize {
        self.slots.available_permits()
    }
}

/// What became of work on another thread, which sends it unless it ends without having run.
async fn outcome<T>(answer: oneshot::Receiver<std::thread::Result<T>>) -> Result<T, ComputeError> {
    match answer.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(ComputeError::Panicked),
        Err(_) => Err(ComputeError::Stopping),
    }
}

/// Threads of one pool, never more than it has slots.
#[derive(Debug)]
struct Threads {
    purpose: &'static str,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// Who began to wait last stands last, and is taken first.
    threads: Vec<Thread>,
    started: u64,
}

#[derive(Debug)]
struct Thread {
    number: u64,
    door: Sender<Job>,
}

/// Work, and what its thread lays down again to be found: when the pool is dropped, so is what lies there, and the thread ends.
struct Job {
    work: Work,
    thread: Thread,
}

impl Threads {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, mut work: Work) -> std::io::Result<()> {
        let mut idle = self.idle();
        while let Some(thread) = idle.threads.pop() {
            let door = thread.door.clone();
            match door.send(Job { work, thread }) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(unsent)) => work = unsent.work,
            }
        }
        idle.started += 1;
        let number = idle.started;
        drop(idle);
        let (door, jobs) = mpsc::channel();
        let first = Job {
            work,
            thread: Thread { number, door },
        };
        let pool = Arc::downgrade(self);
        std::thread::Builder::new()
            .name(format!("{}-{number}", self.purpose))
            .spawn(move || work_on(&pool, first, &jobs))?;
        Ok(())
    }

    /// Whether this thread still waited; it does no longer.
    fn withdraw(&self, number: u64) -> bool {
        let mut idle = self.idle();
        let at = idle.threads.iter().position(|t| t.number == number);
        at.map(|at| idle.threads.remove(at)).is_some()
    }
}

/// The life of a thread, from its first piece of work until nobody had any for a while.
fn work_on(pool: &Weak<Threads>, first: Job, jobs: &Receiver<Job>) {
    let mut next = first;
    loop {
        let number = next.thread.number;
        let answer = (next.work)();
        if let Some(threads) = pool.upgrade() {
            threads.idle().threads.push(next.thread);
        }
        answer();
        next = match jobs.recv_timeout(IDLE_MAX) {
            Ok(job) => job,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if pool.upgrade().is_none_or(|threads| threads.withdraw(number)) {
                    return;
                }
                // Work was given at the last moment.
                match jobs.recv() {
                    Ok(job) => job,
                    Err(_) => return,
                }
            }
        };
    }
}

/// One thread for work that may take its time: it runs when the processors have nothing better to do, so that answers do not
/// wait for compaction.
#[derive(Clone, Debug)]
pub(crate) struct Background {
    work: Sender<Box<dyn FnOnce() + Send>>,
}

/// By how much the thread is nicer than the others: it gets a third of their share of a busy processor. Much nicer would
/// mean that locks are held for long.
const NICENESS: i32 = 5;

impl Background {
    pub(crate) fn start(name: &str) -> std::io::Result<Self> {
        let (work, waiting) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Of the calling thread alone. Where it is refused, the work goes on at the ordinary pace.
            let _ = rustix::process::nice(NICENESS);
            while let Ok(work) = waiting.recv() {
                work();
            }
        })?;
        Ok(Background { work })
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        let (done, answer) = oneshot::channel();
        let run = Box::new(move || {
            // Whoever asked may be gone.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        });
        self.work.send(run).map_err(|_| ComputeError::Stopping)?;
        outcome(answer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::mpsc::channel;
    use std::thread::ThreadId;

    fn who() -> ThreadId {
        std::thread::current().id()
    }

    #[tokio::test]
    async fn one_piece_after_the_other_is_done_by_the_same_thread() {
        let pool = Compute::new("test", 8);
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            seen.insert(format!("{:?}", pool.run(who).await.unwrap()));
        }
        assert_eq!(seen.len(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn as_many_at_once_as_there_are_slots() {
        let pool = Compute::new("test", 3);
        let (open, doors): (Vec<_>, Vec<_>) = (0..3).map(|_| channel::<()>()).unzip();
        let (came, arrivals) = channel();
        let waiting: Vec<_> = doors
            .into_iter()
            .map(|door| {
                let (pool, came) = (pool.clone(), came.clone());
                tokio::spawn(async move {
                    pool.run(move || {
                        came.send(()).unwrap();
                        door.recv().unwrap();
                        who()
                    })
                    .await
                })
            })
            .collect();
        let all_came = tokio::task::spawn_blocking(move || (0..3).all(|_| arrivals.recv().is_ok()));
        assert!(all_came.await.unwrap(), "all three run at once");
        assert_eq!(pool.free(), 0);
        open.iter().for_each(|o| o.send(()).unwrap());
        let mut seen = BTreeSet::new();
        for thread in waiting {
            seen.insert(format!("{:?}", thread.await.unwrap().unwrap()));
        }
        assert_eq!(seen.len(), 3);
        // Many at once later on: no fourth thread.
        let many = (0..300).map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(who).await })
        });
        for thread in many.collect::<Vec<_>>() {
            seen.insert(format!("{:?}", thread.await.unwrap().unwrap()));
        }
        assert_eq!(seen.len(), 3);
        assert_eq!(pool.free(), 3);
    }

    #[tokio::test]
    async fn who_panics_is_told_so_and_its_slot_and_thread_go_on() {
        let pool = Compute::new("test", 1);
        let failed = pool.run(|| panic!("on purpose")).await;
        assert!(matches!(failed, Err::<(), _>(ComputeError::Panicked)));
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn small_work_is_done_where_it_is_asked_for_while_a_slot_is_free() {
        let pool = Compute::new("test", 1);
        let inner = pool.clone();
        let asked = tokio::spawn(async move {
            let here = who();
            let same = inner.run_here(who).await.unwrap() == here;
            let failed = inner.run_here(|| panic!("on purpose")).await;
            (same, matches!(failed, Err::<(), _>(ComputeError::Panicked)))
        });
        assert_eq!(asked.await.unwrap(), (true, true));
        assert_eq!(pool.free(), 1);
        // While the only slot is taken it waits for its turn as all others.
        let (open, door) = channel::<()>();
        let (came, arrived) = channel();
        let slow = tokio::spawn({
            let pool = pool.clone();
            async move {
                let waits = move || {
                    came.send(()).unwrap();
                    door.recv().unwrap();
                };
                pool.run(waits).await
            }
        });
        tokio::task::block_in_place(|| arrived.recv().unwrap());
        let mut small = Box::pin(pool.run_here(|| 7));
        tokio::select! {
            biased;
            _ = &mut small => panic!("no slot is free"),
            () = tokio::task::yield_now() => {}
        }
        open.send(()).unwrap();
        slow.await.unwrap().unwrap();
        assert_eq!(small.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_stands_in_the_runtime_of_its_caller_and_its_threads_end_with_the_pool() {
        let pool = Compute::new("test", 2);
        let inside = pool.run(|| Handle::try_current().is_ok()).await.unwrap();
        assert!(inside);
        struct Says(Sender<()>);
        impl Drop for Says {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        thread_local!(static HELD: std::cell::RefCell<Option<Says>> = const { std::cell::RefCell::new(None) });
        let (ended, end) = channel();
        pool.run(move || HELD.set(Some(Says(ended)))).await.unwrap();
        drop(pool);
        end.recv_timeout(IDLE_MAX / 2).expect("the thread ends at once");
    }
}
