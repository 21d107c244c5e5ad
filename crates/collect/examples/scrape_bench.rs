//! CPU of a steady scrape: `cargo run --release -p lapwing-collect --example scrape_bench [series] [scrapes]`.
//!
//! One target with a page of that many series, changing in their values only, scraped again and again; the network is a table and
//! the sink counts. Time is paused, so nothing waits; CPU is what the kernel says this process used.

use lapwing_collect::http::{Fetched, Request};
use lapwing_collect::process::ProcessCollector;
use lapwing_collect::scrape::{
    Fetch, FetchFuture, Job, ScrapeConfig, ScrapeDefaults, Scraper, ScraperOptions,
};
use lapwing_collect::{BatchSink, SinkError};
use lapwing_types::{Labels, WriteBatch};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

struct Page(Vec<String>, AtomicU64);

impl Fetch for Page {
    fn fetch<'a>(&'a self, _request: &'a Request<'a>) -> FetchFuture<'a> {
        let at = self.1.fetch_add(1, Ordering::Relaxed) as usize % self.0.len();
        let fetched = Fetched {
            content_type: "text/plain; version=0.0.4".to_owned(),
            body: self.0[at].clone().into_bytes(),
        };
        Box::pin(async { Ok(fetched) })
    }
}

#[derive(Default)]
struct Count {
    batches: AtomicU64,
    samples: AtomicU64,
}

impl BatchSink for Count {
    fn write(&self, _source: &str, batch: WriteBatch, _now_ms: i64) -> Result<(), SinkError> {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.samples
            .fetch_add(batch.series.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn page(series: usize, seed: usize) -> String {
    let mut text = String::new();
    for i in 0..series {
        if i % 10 == 0 {
            let _ = writeln!(
                text,
                "# HELP http_requests_{}_total Requests.\n# TYPE http_requests_{0}_total counter",
                i / 10
            );
        }
        let (family, value) = (i / 10, i * 7 + seed);
        let _ = writeln!(
            text,
            "http_requests_{family}_total{{handler=\"/api/v1/items\",method=\"GET\",status=\"{}\"}} {value}.25",
            200 + i % 10
        );
    }
    text
}

fn cpu_s(own: &mut ProcessCollector) -> f64 {
    let batch = own.collect(0).unwrap_or_default();
    let found = batch
        .series
        .iter()
        .find(|s| s.labels.metric_name() == Some("process_cpu_seconds_total"));
    found.map_or(0.0, |s| s.samples[0].value)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let series = args.next().unwrap_or(Ok(10_000))?;
    let scrapes = args.next().unwrap_or(Ok(500))? as u64;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    let pages = (0..4).map(|seed| page(series, seed)).collect();
    let sink = Arc::new(Count::default());
    let mut own = ProcessCollector::new("/".into(), Vec::new());
    runtime.block_on(async {
        let start = tokio::time::Instant::now();
        let clock = Arc::new(move || start.elapsed().as_millis() as i64);
        let config = ScrapeConfig {
            job_name: "bench".to_owned(),
            ..ScrapeConfig::default()
        };
        let page = Arc::new(Page(pages, AtomicU64::new(0)));
        let job = Arc::new(Job::with_fetch(config, ScrapeDefaults::default(), page)?);
        let scraper = Scraper::start(ScraperOptions::new(sink.clone(), clock));
        scraper.set_targets(&job, &[Labels::from_pairs([("__address__", "a:1")])?]);
        let wait_for = async |count: u64| {
            while sink.batches.load(Ordering::Relaxed) < count {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        };
        wait_for(2).await; // The first learns the labels.
        let (before_s, before) = (cpu_s(&mut own), sink.samples.load(Ordering::Relaxed));
        wait_for(2 + scrapes).await;
        let used_s = cpu_s(&mut own) - before_s;
        let samples = sink.samples.load(Ordering::Relaxed) - before;
        println!("{samples} samples in {scrapes} scrapes: {used_s:.2} s of CPU");
        println!(
            "{:.3} ms per scrape, {:.3} s per million samples",
            used_s * 1e3 / scrapes as f64,
            used_s * 1e6 / samples as f64
        );
        scraper.stop().await;
        Ok(())
    })
}
