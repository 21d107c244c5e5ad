//! The same queries over the same data, here and in a real Prometheus.
//!
//! Runs where `LAPWING_PROMETHEUS` names a Prometheus 3, or where one is in the path; `cargo xtask test` unpacks one where the
//! machine's own is older. Where there is none it says so: the scripts beside it still hold what was once compared.
//! `LAPWING_SEED` and `LAPWING_QUERIES` choose another run; a failure prints its seed. `LAPWING_QUERY` (at `LAPWING_AT_MS`)
//! shows both answers to one query.
//!
//! Needs: prometheus-3

mod answer;
mod corner_data;
mod corners;
mod data;
mod peer;
mod queries;
mod words;

use super::memory::MemorySource;
use answer::{Answer, compare};
use corners::Corners;
use lapwing_query::{QueryEngine, QueryOptions};
use peer::Peer;
use queries::{Generator, Timing};
use std::path::Path;

const QUERIES_DEFAULT: usize = 3000;
const SEED_DEFAULT: u64 = 20_261_121;

fn number_from(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One comparison: what is asked, of which data, and which features a Prometheus needs for it.
struct Comparison<'a> {
    source: MemorySource,
    next: &'a mut dyn FnMut() -> (String, Timing),
    options: QueryOptions,
    features: &'a str,
}

impl Comparison<'_> {
    fn run(mut self, seed: u64) {
        let Some(program) = peer::find() else {
            println!("not compared: no Prometheus 3 (set LAPWING_PROMETHEUS)");
            return;
        };
        let count = number_from("LAPWING_QUERIES").map_or(QUERIES_DEFAULT, |n| n as usize);
        println!("seed {seed}, {count} queries, peer {}", program.display());
        self.source.settle();
        let peer = self.peer(&program);
        if let Ok(query) = std::env::var("LAPWING_QUERY") {
            let timing = timing_from_environment();
            println!("ours   {:?}", self.ask(&query, timing));
            println!("theirs {:?}", peer.ask(&query, timing));
            return;
        }
        let (mut failures, mut doubtful) = (Vec::new(), Vec::new());
        let mut errors = 0;
        for _ in 0..count {
            let (query, timing) = (self.next)();
            let ours = self.ask(&query, timing);
            errors += usize::from(ours.is_error());
            if compare(&ours, &peer.ask(&query, timing)).is_err() {
                doubtful.push((query, timing));
            }
        }
        // Some versions share histograms between queries and then answer differently from time to time (seen with 3.5), so a
        // difference counts when a Prometheus that has done nothing else gives it too.
        drop(peer);
        for (query, timing) in doubtful {
            let fresh = self.peer(&program);
            if let Err(reason) = compare(&self.ask(&query, timing), &fresh.ask(&query, timing)) {
                failures.push(format!("{timing:?} {query}\n    {reason}"));
            }
        }
        println!("{count} queries, {errors} of them errors on both sides");
        for failure in failures.iter().take(30) {
            println!("{failure}");
        }
        assert!(
            failures.is_empty(),
            "{} of {count} answers differ (seed {seed})",
            failures.len()
        );
    }

    fn peer(&self, program: &Path) -> Peer {
        let peer = Peer::start(program, self.features);
        peer.write(&self.source);
        peer
    }

    fn ask(&self, query: &str, timing: Timing) -> Answer {
        let engine = QueryEngine::new();
        Answer::ours(match timing {
            Timing::Instant(at) => engine.instant(&self.source, query, at, &self.options),
            Timing::Range(start, end, step) => {
                engine.range(&self.source, query, (start, end, step), &self.options)
            }
        })
    }
}

fn timing_from_environment() -> Timing {
    let at = number_from("LAPWING_AT_MS").map_or(data::START_MS, |ms| ms as i64);
    match (number_from("LAPWING_END_MS"), number_from("LAPWING_STEP_MS")) {
        (Some(end), Some(step)) => Timing::Range(at, end as i64, step as i64),
        _ => Timing::Instant(at),
    }
}

fn experimental() -> QueryOptions {
    QueryOptions {
        experimental: true,
        ..QueryOptions::default()
    }
}

#[test]
fn answers_like_prometheus() {
    let seed = number_from("LAPWING_SEED").unwrap_or(SEED_DEFAULT);
    let mut source = MemorySource::default();
    data::fill(&mut source, seed);
    let mut generator = Generator::new(seed);
    let comparison = Comparison {
        source,
        next: &mut || generator.next(),
        options: experimental(),
        features: "",
    };
    comparison.run(seed);
}

#[test]
fn answers_like_prometheus_in_the_corners() {
    let seed = number_from("LAPWING_SEED").unwrap_or(SEED_DEFAULT);
    let mut source = MemorySource::default();
    corner_data::fill(&mut source, seed);
    let mut corners = Corners::new(seed);
    let comparison = Comparison {
        source,
        next: &mut || corners.next(),
        options: experimental(),
        features: ",promql-duration-expr",
    };
    comparison.run(seed);
}

#[test]
fn answers_like_prometheus_that_removes_names_late() {
    let seed = number_from("LAPWING_SEED").unwrap_or(SEED_DEFAULT);
    let mut source = MemorySource::default();
    corner_data::fill(&mut source, seed);
    let mut corners = Corners::new(seed + 1);
    let comparison = Comparison {
        source,
        next: &mut || corners.next(),
        options: QueryOptions {
            delayed_name_removal: true,
            ..experimental()
        },
        features: ",promql-duration-expr,promql-delayed-name-removal",
    };
    comparison.run(seed);
}
