//! An engine on a hand-turned clock: a month of rules, alerts and pages in a second, the same every time.
//!
//! No job runs by itself. [`Engine::advance`] turns the clock step by step and does at each step what the jobs would have done:
//! the program's metrics are gathered, rules are evaluated, what is due is sent, the store is maintained.

use crate::clock::Clock;
use crate::engine::{Engine, StartError};
use crate::options::EngineOptions;
use std::time::Duration;

/// The finest interval that rule files use in practice, and the coarsest step at which a `for` of a minute is still seen.
const STEP_MS_MIN: i64 = 1_000;
const STEP_MS_MAX: i64 = 60_000;
/// The store is asked to flush and forget this often: what it does depends on time alone.
const MAINTENANCE_MS: i64 = 600_000;

impl Engine {
    /// In memory, at this time, with nothing configured. Needs a tokio runtime around it.
    pub fn simulated(start_ms: i64) -> Result<Engine, StartError> {
        Engine::start_simulated(EngineOptions::default(), start_ms)
    }

    /// As configured, on a clock that only [`Engine::advance`] turns.
    pub fn start_simulated(options: EngineOptions, start_ms: i64) -> Result<Engine, StartError> {
        Engine::start(&EngineOptions {
            clock: Clock::simulated(start_ms),
            host_interval: None,
            own_interval: None,
            find_local: false,
            ..options
        })
    }

    /// Lives through this much time. On a system clock, which goes by itself, it does nothing.
    pub async fn advance(&self, by: Duration) {
        if !self.clock().is_simulated() {
            return;
        }
        let end_ms = self
            .now_ms()
            .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        let interval_ms = self.paging().look_at_rules(|rules, _| {
            let intervals = rules.groups().iter().map(|g| g.interval_ms);
            intervals.min().unwrap_or(STEP_MS_MAX)
        });
        let step_ms = interval_ms.clamp(STEP_MS_MIN, STEP_MS_MAX);
        while self.now_ms() < end_ms {
            let before_ms = self.now_ms();
            let step_ms = step_ms.min(end_ms - before_ms);
            self.clock()
                .advance(Duration::from_millis(step_ms.unsigned_abs()));
            let now_ms = self.now_ms();
            self.gather_sdk();
            while self.paging().tick((self.store(), self.health()), false, now_ms) {}
            self.paging().dispatch_due(self.clock()).await;
            // Deliveries are tasks of their own; those that need no network end here.
            tokio::task::yield_now().await;
            self.paging().settle();
            if now_ms / MAINTENANCE_MS != before_ms / MAINTENANCE_MS {
                let failures = self.store().maintain(now_ms).failures;
                failures
                    .iter()
                    .for_each(|failure| tracing::error!("store maintenance: {failure}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paging::PagingOptions;
    use crate::sdk::{Metric, MetricSpec};
    use lapwing_judge::rules::{OwnRule, RulesOptions, compile_own_rules};
    use lapwing_types::MetricKind;

    const START_MS: i64 = 1_700_000_000_000;

    fn engine(condition: &str, for_: &str) -> Engine {
        let rule = OwnRule {
            name: "high".to_owned(),
            condition: condition.to_owned(),
            for_: Some(for_.to_owned()),
            enabled: true,
            ..OwnRule::default()
        };
        let group = compile_own_rules("test", &[(rule, 1)], &RulesOptions::default()).unwrap();
        let options = EngineOptions {
            paging: PagingOptions {
                groups: vec![group],
                ..PagingOptions::default()
            },
            ..EngineOptions::default()
        };
        Engine::start_simulated(options, START_MS).unwrap()
    }

    fn firing(engine: &Engine) -> usize {
        engine
            .paging()
            .look_at_rules(|rules, state| rules.firing(state).len())
    }

    #[tokio::test]
    async fn rules_wait_for_as_long_as_they_say() {
        let engine = engine("queue_length > 5", "10m");
        let spec = MetricSpec {
            name: "queue_length".to_owned(),
            kind: MetricKind::Gauge,
            ..MetricSpec::default()
        };
        let Metric::Gauge(queue) = engine.sdk().registry().metric(spec).unwrap().with(&[]).unwrap() else {
            panic!("not a gauge");
        };
        queue.set(7.0);
        engine.advance(Duration::from_secs(9 * 60)).await;
        assert_eq!(firing(&engine), 0);
        engine.advance(Duration::from_secs(3 * 60)).await;
        assert_eq!(firing(&engine), 1);
        queue.set(1.0);
        engine.advance(Duration::from_secs(2 * 60)).await;
        assert_eq!(firing(&engine), 0);
        assert_eq!(engine.now_ms(), START_MS + 14 * 60_000);
        engine.stop().await.unwrap();
    }
}
