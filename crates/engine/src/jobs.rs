//! Background jobs: each has a name, a period and one piece of work, and ends when the engine stops.

use crate::clock::Stopwatch;
use crate::meter::{Counter, Latency, Meter};
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Long enough for a rate over it to mean something, short enough for a person who just started Lapwing.
const SOON: Duration = Duration::from_secs(1);

/// The jobs of one engine, in the order in which they were started.
#[derive(Debug)]
pub(crate) struct Jobs {
    stop: watch::Sender<bool>,
    running: Vec<(&'static str, JoinHandle<()>)>,
    meter: Meter,
}

impl Jobs {
    pub(crate) fn new(meter: &Meter) -> Self {
        Jobs {
            stop: watch::Sender::new(false),
            running: Vec::new(),
            meter: meter.clone(),
        }
    }

    /// Runs `work` at once and then every `period`; a run that takes longer than the period delays the next one
    /// instead of piling up.
    pub(crate) fn every<F, Fut>(&mut self, name: &'static str, period: Duration, work: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        self.ticking(name, period, false, work);
    }

    /// As [`Jobs::every`], with a second run after [`SOON`]: what is computed from two readings is there at once, and
    /// a graph has a line to draw.
    pub(crate) fn every_and_soon<F, Fut>(&mut self, name: &'static str, period: Duration, work: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        self.ticking(name, period, period > SOON, work);
    }

    fn ticking<F, Fut>(&mut self, name: &'static str, period: Duration, mut has_early: bool, mut work: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let mut stopped = self.stop.subscribe();
        let (runs, seconds) = self.series(name);
        let handle = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let early = tokio::time::sleep(SOON);
            tokio::pin!(early);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = &mut early, if has_early => has_early = false,
                    _ = stopped.wait_for(|stop| *stop) => break,
                }
                let watch = Stopwatch::start();
                work().await;
                runs.inc();
                seconds.observe_s(watch.elapsed_s());
            }
        });
        self.running.push((name, handle));
    }

    /// Runs one long-lived task, which must end when the receiver turns true.
    pub(crate) fn spawn<F, Fut>(&mut self, name: &'static str, work: F)
    where
        F: FnOnce(watch::Receiver<bool>) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handle = tokio::spawn(work(self.stop.subscribe()));
        self.running.push((name, handle));
    }

    fn series(&self, name: &'static str) -> (Counter, Latency) {
        (
            self.meter.counter(
                "lapwing_job_runs_total",
                "Runs of a background job.",
                &[("name", name)],
            ),
            self.meter.latency(
                "lapwing_job_duration_seconds",
                "Time one run of a background job took.",
                &[("name", name)],
            ),
        )
    }

    /// Tells all to stop and waits for each, the last started first.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        for (name, handle) in self.running.into_iter().rev() {
            if let Err(error) = handle.await {
                tracing::error!(name, %error, "a job ended badly");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    async fn runs_in_35_s(has_early: bool) -> u32 {
        let count = Arc::new(AtomicU32::new(0));
        let mut jobs = Jobs::new(&Meter::new());
        let seen = count.clone();
        jobs.ticking("test", Duration::from_secs(10), has_early, move || {
            let seen = seen.clone();
            async move {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        tokio::time::sleep(Duration::from_secs(35)).await;
        jobs.stop().await;
        count.load(Ordering::SeqCst)
    }

    #[tokio::test(start_paused = true)]
    async fn runs_at_once_and_every_period_until_stopped() {
        assert_eq!(runs_in_35_s(false).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn an_early_run_comes_on_top() {
        assert_eq!(runs_in_35_s(true).await, 5);
    }
}
