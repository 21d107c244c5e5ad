//! The one way from async code to CPU work: a bounded number of blocking threads, by purpose.
//!
//! A tokio thread is never kept busy for longer than 500 µs; decoding a request, appending it or evaluating a query
//! goes through here. The bound keeps a flood of one kind of work from taking every core from the others.

use std::sync::Arc;
use tokio::sync::Semaphore;

#[derive(Clone, Debug)]
pub struct Compute {
    slots: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    #[error("the work was cut off: it panicked")]
    Panicked,
    #[error("the engine is stopping")]
    Stopping,
}

impl Compute {
    pub fn new(slots: usize) -> Self {
        Compute {
            slots: Arc::new(Semaphore::new(slots.max(1))),
        }
    }

    /// Waits for a slot, then runs `work` on a blocking thread.
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
        let joined = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        })
        .await;
        joined.map_err(|error| {
            if error.is_panic() {
                ComputeError::Panicked
            } else {
                ComputeError::Stopping
            }
        })
    }

    /// How many more pieces of work could start at once.
    pub fn free(&self) -> usize {
        self.slots.available_permits()
    }
}

/// One thread for work that may take its time: it runs when the processors have nothing better to do, so that answers do not
/// wait for compaction.
#[derive(Clone, Debug)]
pub(crate) struct Background {
    work: std::sync::mpsc::Sender<Box<dyn FnOnce() + Send>>,
}

/// By how much the thread is nicer than the others: it gets a third of their share of a busy processor. Much nicer would
/// mean that locks are held for long.
const NICENESS: i32 = 5;

impl Background {
    pub(crate) fn start(name: &str) -> std::io::Result<Self> {
        let (work, waiting) = std::sync::mpsc::channel::<Box<dyn FnOnce() + Send>>();
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
        let (done, answer) = tokio::sync::oneshot::channel();
        let run = Box::new(move || {
            // Whoever asked may be gone.
            let _ = done.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)));
        });
        self.work.send(run).map_err(|_| ComputeError::Stopping)?;
        match answer.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(ComputeError::Panicked),
            Err(_) => Err(ComputeError::Stopping),
        }
    }
}
