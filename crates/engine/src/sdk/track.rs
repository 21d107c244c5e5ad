//! Timing a piece of work in one line: `lapwing::track("name", || …)`, its twin for futures, and what `#[lapwing::track]` writes.
//!
//! Each counts and times under the names that rules read. A panic is a failure; so is `Err`, where the work returns a `Result` and is
//! asked for with `try_`; a future that is dropped before its end is neither, and counts as `abandoned`.

use super::cells::Counter;
use super::operations::OperationHandle;
use super::page::Sdk;
use super::registry::{Family, Metric};
use crate::clock::{Clock, Stopwatch};
use lapwing_judge::performance::OperationKind;
use lapwing_types::Labels;
use std::future::Future;
use std::sync::OnceLock;

/// The one SDK of a program that has no reason to keep several. An engine in the same program is given it with
/// `EngineOptions { sdk: Some(lapwing::sdk::global().clone()), .. }`, a server by [`super::watch`].
pub fn global() -> &'static Sdk {
    static GLOBAL: OnceLock<Sdk> = OnceLock::new();
    GLOBAL.get_or_init(|| Sdk::new(Clock::system()))
}

/// Counts and times `work` as an operation of this name in [`global`]. Looks the name up (about a microsecond); what is called more often than
/// that binds a handle once, or lies under `#[lapwing::track]`.
///
/// ```
/// let sum = lapwing::track("add", || 1 + 2);
/// assert_eq!(sum, 3);
/// let page = lapwing::sdk::global().exposition();
/// assert!(page.contains(r#"lapwing_operations_total{operation="add",outcome="success",type="custom"} 1"#));
/// ```
pub fn track<T>(name: &str, work: impl FnOnce() -> T) -> T {
    handle(name).track(work)
}

/// As [`track`], and `Err` is a failure.
///
/// ```
/// let read = lapwing::try_track("read", || std::fs::read("/no/such/file"));
/// assert!(read.is_err());
/// let page = lapwing::sdk::global().exposition();
/// assert!(page.contains(r#"lapwing_operations_total{operation="read",outcome="error",type="custom"} 1"#));
/// ```
pub fn try_track<T, E>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    handle(name).try_track(work)
}

/// As [`track`], for a future: from when it is first polled to its end, waiting included.
pub async fn track_async<F: Future>(name: &str, work: F) -> F::Output {
    handle(name).track_async(work).await
}

/// As [`track_async`], and `Err` is a failure.
pub async fn try_track_async<T, E>(name: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    handle(name).try_track_async(work).await
}

fn handle(name: &str) -> OperationHandle {
    global()
        .tracker()
        .handle(&OperationKind::Custom("custom".to_owned()), name, &[])
}

impl OperationHandle {
    /// Begins a measurement, for work that is no closure.
    pub fn begin(&self) -> Timing<'_> {
        Timing {
            handle: self,
            watch: Stopwatch::start(),
            is_over: false,
        }
    }

    pub fn track<T>(&self, work: impl FnOnce() -> T) -> T {
        let timing = self.begin();
        let result = work();
        timing.finish(true);
        result
    }

    pub fn try_track<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let timing = self.begin();
        let result = work();
        timing.finish(result.is_ok());
        result
    }

    pub async fn track_async<F: Future>(&self, work: F) -> F::Output {
        let timing = self.begin();
        let result = work.await;
        timing.finish(true);
        result
    }

    pub async fn try_track_async<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let timing = self.begin();
        let result = work.await;
        timing.finish(result.is_ok());
        result
    }
}

/// A measurement that is going on. Dropped without [`Timing::finish`], it is a failure while the thread panics, and abandoned otherwise.
#[derive(Debug)]
pub struct Timing<'a> {
    handle: &'a OperationHandle,
    watch: Stopwatch,
    is_over: bool,
}

impl<'a> Timing<'a> {
    pub fn finish(mut self, success: bool) {
        self.is_over = true;
        self.handle.record(self.watch.elapsed_s(), success);
    }

    /// Ends with its scope: well, unless the thread panics.
    pub fn until_dropped(self) -> UntilDropped<'a> {
        UntilDropped(Some(self))
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if std::thread::panicking() {
            self.handle.record(self.watch.elapsed_s(), false);
        } else {
            self.handle.abandoned.count();
        }
    }
}

/// See [`Timing::until_dropped`].
#[derive(Debug)]
pub struct UntilDropped<'a>(Option<Timing<'a>>);

impl Drop for UntilDropped<'_> {
    fn drop(&mut self) {
        if let Some(timing) = self.0.take() {
            timing.finish(!std::thread::panicking());
        }
    }
}

/// The counter of what was given up: made only when there is something to count, because most operations never are.
#[derive(Clone, Debug)]
pub(super) struct Abandoned {
    pub(super) family: Option<Family>,
    pub(super) labels: Labels,
}

impl Abandoned {
    pub(super) fn count(&self) {
        let labels = self.labels.iter().chain([("outcome", "abandoned")]);
        let counter: Option<Counter> = match self.family.as_ref().map(|f| f.with_any(labels)) {
            Some(Metric::Counter(counter)) => Some(counter),
            _ => None,
        };
        if let Some(counter) = counter {
            counter.inc();
        }
    }
}

/// The place of a `#[lapwing::track]`: its handle is bound at the first call.
#[derive(Debug)]
pub struct Site {
    name: &'static str,
    kind: &'static str,
    labels: &'static [(&'static str, &'static str)],
    handle: OnceLock<OperationHandle>,
}

impl Site {
    pub const fn new(
        name: &'static str,
        kind: &'static str,
        labels: &'static [(&'static str, &'static str)],
    ) -> Self {
        Site {
            name,
            kind,
            labels,
            handle: OnceLock::new(),
        }
    }

    pub fn begin(&self) -> Timing<'_> {
        let bind = || {
            let kind = OperationKind::from(self.kind.to_owned());
            global().tracker().handle(&kind, self.name, self.labels)
        };
        self.handle.get_or_init(bind).begin()
    }
}

/// What `#[lapwing::track]` asks whether a value is a failure: `Err` is one, anything else is none. Which of the two traits below answers, the
/// compiler decides by the type of the value.
#[derive(Debug)]
pub struct Judged<'a, T>(pub &'a T);

pub trait JudgedResult {
    fn is_success(&self) -> bool;
}

impl<T, E> JudgedResult for Judged<'_, Result<T, E>> {
    fn is_success(&self) -> bool {
        self.0.is_ok()
    }
}

pub trait JudgedAny {
    fn is_success(&self) -> bool;
}

impl<T> JudgedAny for &Judged<'_, T> {
    fn is_success(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    /// Whether the page of the global SDK, which other tests fill as well, has this line.
    fn check(name: &str, outcome: &str, count: u64) {
        let line = format!(
            "lapwing_operations_total{{operation=\"{name}\",outcome=\"{outcome}\",type=\"custom\"}} {count}\n"
        );
        let page = global().exposition();
        assert!(page.contains(&line), "{line}\n{page}");
    }

    #[test]
    fn a_panic_is_a_failure_and_goes_on() {
        let caught = std::panic::catch_unwind(|| track("t_panics", || -> u8 { panic!("on purpose") }));
        assert!(caught.is_err());
        check("t_panics", "error", 1);
    }

    #[tokio::test]
    async fn a_future_is_timed_to_its_end_and_an_err_is_a_failure() {
        assert_eq!(track_async("t_async", async { 5 }).await, 5);
        check("t_async", "success", 1);
        let failed: Result<u8, &str> = try_track_async("t_try_async", async { Err("no") }).await;
        assert_eq!(failed, Err("no"));
        check("t_try_async", "error", 1);
    }

    #[test]
    fn a_future_that_is_dropped_is_abandoned() {
        let mut work = Box::pin(track_async("t_dropped", std::future::pending::<()>()));
        let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Pending);
        drop(work);
        check("t_dropped", "abandoned", 1);
        check("t_dropped", "success", 0);
    }
}
