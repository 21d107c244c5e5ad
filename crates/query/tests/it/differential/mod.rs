//! The same queries over the same data, here and in a real Prometheus.
//!
//! Runs where `LAPWING_PROMETHEUS` names a Prometheus 3, or where one is in the path; `cargo xtask test` unpacks one where the
//! machine's own is older. Where there is none it says so: the scripts beside it still hold what was once compared.
//! `LAPWING_SEED` and `LAPWING_QUERIES` choose another run; a failure prints its seed. `LAPWING_QUERY` (at `LAPWING_AT_MS`)
//! shows both answers to one query.
//!
//! Needs: prometheus-3

mod answer;
mod data;
mod peer;
mod queries;
mod words;

use super::memory::MemorySource;
use answer::{Answer, compare};
use lapwing_query::{QueryEngine, QueryOptions};
use queries::{Generator, Timing};

const QUERIES_DEFAULT: usize = 3000;

fn number_from(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn ask(source: &MemorySource, query: &str, timing: Timing, options: &QueryOptions) -> Answer {
    let engine = QueryEngine::new();
    Answer::ours(match timing {
        Timing::Instant(at) => engine.instant(source, query, at, options),
        Timing::Range(start, end, step) => engine.range(source, query, (start, end, step), options),
    })
}

#[test]
fn answers_like_prometheus() {
    let Some(program) = peer::find() else {
        println!("not compared: no Prometheus 3 (set LAPWING_PROMETHEUS)");
        return;
    };
    let seed = number_from("LAPWING_SEED").unwrap_or(20_261_121);
    let count = number_from("LAPWING_QUERIES").map_or(QUERIES_DEFAULT, |n| n as usize);
    println!("seed {seed}, {count} queries, peer {}", program.display());
    let mut source = MemorySource::default();
    data::fill(&mut source, seed);
    source.settle();
    let peer = peer::Peer::start(&program);
    peer.write(&source);
    let options = QueryOptions {
        experimental: true,
        ..QueryOptions::default()
    };
    if let Ok(query) = std::env::var("LAPWING_QUERY") {
        let at = number_from("LAPWING_AT_MS").map_or(data::START_MS, |ms| ms as i64);
        let timing = match (number_from("LAPWING_END_MS"), number_from("LAPWING_STEP_MS")) {
            (Some(end), Some(step)) => Timing::Range(at, end as i64, step as i64),
            _ => Timing::Instant(at),
        };
        println!("ours   {:?}", ask(&source, &query, timing, &options));
        println!("theirs {:?}", peer.ask(&query, timing));
        return;
    }
    let mut generator = Generator::new(seed);
    let (mut failures, mut doubtful) = (Vec::new(), Vec::new());
    let mut errors = 0;
    for _ in 0..count {
        let (query, timing) = generator.next();
        let ours = ask(&source, &query, timing, &options);
        errors += usize::from(ours.is_error());
        if compare(&ours, &peer.ask(&query, timing)).is_err() {
            doubtful.push((query, timing));
        }
    }
    // Some versions share histograms between queries and then answer differently from time to time (seen with 3.5), so a
    // difference counts when a Prometheus that has done nothing else gives it too.
    drop(peer);
    for (query, timing) in doubtful {
        let fresh = peer::Peer::start(&program);
        fresh.write(&source);
        if let Err(reason) = compare(
            &ask(&source, &query, timing, &options),
            &fresh.ask(&query, timing),
        ) {
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
