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
