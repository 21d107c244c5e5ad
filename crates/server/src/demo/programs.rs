//! The programs of the house: what they did, shipped over HTTP as the SDK ships it, and a nightly job that reports.
//!
//! The day before the start is told at once, then every quarter of a minute what ended since. Pure but for the sending.

use super::story::{HISTORY_MS, Moment, Story};
use lapwing::Clock;
use lapwing_judge::performance::{Operation, OperationKind};
use serde_json::json;
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;
const PERIOD: Duration = Duration::from_secs(15);
/// What the history ships in one request.
const BATCH_MAX: usize = 500;

/// Runs until the demo ends.
pub(crate) async fn play_programs(url: String, story: Story, clock: Clock) {
    let Ok(client) = reqwest::Client::builder().timeout(PERIOD).build() else {
        return;
    };
    let url = url.trim_end_matches('/').to_owned();
    let job = client.post(format!("{url}/api/v1/checkin/nightly-backup"));
    if let Err(error) = job.send().await {
        tracing::warn!(%error, "the demo's nightly job could not report");
    }
    let mut told_ms = story.started_ms - HISTORY_MS;
    let mut period = tokio::time::interval(PERIOD);
    loop {
        period.tick().await;
        let now_ms = clock.now_ms();
        let done = ended(story, told_ms, now_ms);
        told_ms = now_ms;
        for batch in done.chunks(BATCH_MAX) {
            let sent = client
                .post(format!("{url}/api/v1/operations"))
                .json(batch)
                .send()
                .await;
            if let Err(error) = sent {
                tracing::warn!(%error, "the demo's programs could not tell what they did");
            }
        }
    }
}

/// One kind of work that comes again and again.
struct Work {
    name: &'static str,
    model: &'static str,
    kind: OperationKind,
    every_min: i64,
    /// Its own noise.
    channel: u64,
    /// Seconds, and whether it failed with which words.
    fares: fn(&Moment, f64) -> (f64, Option<&'static str>),
}

fn works() -> [Work; 4] {
    [
        Work {
            name: "index documents",
            model: "embed",
            kind: OperationKind::Pipeline,
            every_min: 5,
            channel: 41,
            fares: |now, noise| {
                let is_bad = now.embed_error_share() > 0.05;
                let failed = is_bad && noise > -0.2;
                (
                    48.0 + 14.0 * noise,
                    failed.then_some("embed answered 500 for 3 of 64 chunks"),
                )
            },
        },
        Work {
            name: "evaluate answers",
            model: "chat",
            kind: OperationKind::Inference,
            every_min: 7,
            channel: 42,
            fares: |now, noise| {
                let took = (6.0 + 2.0 * noise) * now.chat_slowdown();
                (took, (took > 40.0).then_some("no answer within 40 s"))
            },
        },
        Work {
            name: "rank the golden set",
            model: "rerank",
            kind: OperationKind::Inference,
            every_min: 6,
            channel: 43,
            fares: |now, noise| match now.rerank_is_wedged() {
                true => (30.0, Some("deadline exceeded")),
                false => (1.4 + 0.4 * noise, None),
            },
        },
        Work {
            name: "fetch weights",
            model: "chat",
            kind: OperationKind::Download,
            every_min: 240,
            channel: 44,
            fares: |_, noise| (210.0 + 60.0 * noise, None),
        },
    ]
}

/// What ended after the first time and not after the second, in the order of time.
fn ended(story: Story, after_ms: i64, until_ms: i64) -> Vec<Operation> {
    let mut all = Vec::new();
    for work in works() {
        let every_ms = work.every_min * MINUTE_MS;
        // An operation may have begun a while before it ended.
        let first = (after_ms - story.started_ms - 10 * MINUTE_MS).div_euclid(every_ms);
        let last = (until_ms - story.started_ms).div_euclid(every_ms);
        for n in first..=last {
            let started_ms = story.started_ms + n * every_ms;
            let now = story.at(started_ms);
            let (duration_s, error) = (work.fares)(&now, now.noise(work.channel, 30_000));
            let operation = Operation {
                id: format!("{}-{n}", work.name.replace(' ', "-")),
                kind: work.kind.clone(),
                name: work.name.to_owned(),
                parent: None,
                started_ms,
                duration_s,
                success: error.is_none(),
                error: error.map(str::to_owned),
                metadata: [("model".to_owned(), json!(work.model))].into(),
                resources: None,
            };
            if (after_ms + 1..=until_ms).contains(&operation.ended_ms()) {
                all.push(operation);
            }
        }
    }
    all.sort_by_key(Operation::ended_ms);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_ends_is_told_once() {
        let story = Story::new(7, 1_790_000_000_000);
        let (from, to) = (story.started_ms - HISTORY_MS, story.started_ms);
        let whole = ended(story, from, to);
        let mut parts = ended(story, from, from + 7_777_000);
        parts.extend(ended(story, from + 7_777_000, to));
        assert_eq!(whole, parts);
        assert!(whole.len() > 500, "{}", whole.len());
        let failed = |name: &str| whole.iter().filter(|o| o.name == name && !o.success).count();
        assert!(failed("rank the golden set") >= 3 && failed("fetch weights") == 0);
    }
}
