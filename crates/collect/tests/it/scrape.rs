//! Scraping against a server that misbehaves in every way it can, and against the clock.

use crate::host::Exporter;
use crate::server::{Server, gzip};
use lapwing_collect::http::{Bytes, FetchError, Fetched, Millis, Request};
use lapwing_collect::scrape::{
    Fetch, FetchFuture, Health, Job, ScrapeConfig, ScrapeDefaults, ScrapeError, Scraper,
};
use lapwing_collect::scrape::{ScraperOptions, TargetStatus};
use lapwing_collect::{BatchSink, SinkError};
use lapwing_types::{Labels, WriteBatch, is_stale};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

struct Channel(mpsc::UnboundedSender<WriteBatch>);

impl BatchSink for Channel {
    fn write(&self, _source: &str, batch: WriteBatch, _now_ms: i64) -> Result<(), SinkError> {
        self.0.send(batch).map_err(|_| SinkError::Unavailable {
            reason: "the test has ended".to_owned(),
        })
    }
}

/// A scraper whose clock is tokio's, so that a test may pause it.
fn scraper() -> (Scraper, mpsc::UnboundedReceiver<WriteBatch>) {
    let (options, receiver) = options();
    (Scraper::start(options), receiver)
}

fn options() -> (ScraperOptions, mpsc::UnboundedReceiver<WriteBatch>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let start = tokio::time::Instant::now();
    let clock = Arc::new(move || 1_000_000 + start.elapsed().as_millis() as i64);
    (ScraperOptions::new(Arc::new(Channel(sender)), clock), receiver)
}

fn config(change: impl FnOnce(&mut ScrapeConfig)) -> ScrapeConfig {
    let mut config = ScrapeConfig {
        job_name: "j".to_owned(),
        scrape_interval: Some(Millis(1000)),
        scrape_timeout: Some(Millis(900)),
        ..ScrapeConfig::default()
    };
    change(&mut config);
    config
}

fn at(address: &str) -> Vec<Labels> {
    vec![Labels::from_pairs([("__address__", address), ("instance", "i")]).unwrap()]
}

/// `name value` of every sample, "end" for a staleness marker; durations left out.
fn lines(batch: &WriteBatch) -> Vec<String> {
    let mut lines: Vec<String> = batch
        .series
        .iter()
        .filter(|s| s.labels.metric_name() != Some("scrape_duration_seconds"))
        .map(|s| {
            let value = s.samples[0].value;
            let value = if is_stale(value) {
                "end".to_owned()
            } else {
                value.to_string()
            };
            format!("{} {value}", s.labels.drop(&["job", "instance"]))
        })
        .collect();
    lines.sort();
    lines
}

async fn first_status(scraper: &Scraper) -> TargetStatus {
    loop {
        if let Some(status) = scraper.targets().into_iter().find(|t| t.last.is_some()) {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

/// One scrape of a server that answers with `answer`; gives the error it ends with.
async fn error_of(
    answer: impl FnOnce(&mut Server),
    change: impl FnOnce(&mut ScrapeConfig),
) -> Option<ScrapeError> {
    let mut server = Server::default();
    answer(&mut server);
    let address = server.start().await;
    let job = Job::new(config(change), ScrapeDefaults::default()).unwrap();
    let (scraper, mut batches) = scraper();
    scraper.set_targets(&Arc::new(job), &at(&address));
    let batch = batches.recv().await.unwrap();
    let status = first_status(&scraper).await;
    let up = if status.last_error.is_none() {
        "up 1"
    } else {
        "up 0"
    };
    assert!(lines(&batch).contains(&up.to_owned()), "{:?}", lines(&batch));
    status.last_error
}

fn fast(c: &mut ScrapeConfig) {
    (c.scrape_interval, c.scrape_timeout) = (Some(Millis(100)), Some(Millis(60)));
}

#[tokio::test]
async fn every_misbehaviour_ends_in_time_with_its_name() {
    let fetch = |e: FetchError| Some(ScrapeError::Fetch(e));
    let timeout = fetch(FetchError::Timeout { timeout_ms: 60 });
    assert_eq!(error_of(|s| s.silent = true, fast).await, timeout);
    assert_eq!(error_of(|s| s.endless = true, fast).await, timeout);
    let small = |c: &mut ScrapeConfig| c.body_size_limit = Bytes(10_000);
    let too_large = fetch(FetchError::BodyTooLarge { max_bytes: 10_000 });
    assert_eq!(error_of(|s| s.body = vec![b'\n'; 20_000], small).await, too_large);
    let bomb = |s: &mut Server| (s.gzip, s.body) = (true, gzip(&vec![b'\n'; 50_000_000]));
    assert_eq!(error_of(bomb, small).await, too_large);
    let broken = |s: &mut Server| (s.gzip, s.body) = (true, b"not gzip at all".to_vec());
    assert!(matches!(
        error_of(broken, |_| ()).await,
        Some(ScrapeError::Fetch(FetchError::BadBody { .. }))
    ));
    assert_eq!(
        error_of(|s| s.status = 503, |_| ()).await,
        fetch(FetchError::Status { code: 503 })
    );
    assert_eq!(
        error_of(|s| s.cut = true, |_| ()).await,
        fetch(FetchError::ConnectionClosed)
    );
    assert_eq!(
        error_of(|s| s.redirect_to_self = true, |_| ()).await,
        fetch(FetchError::Redirects)
    );
    let html = |s: &mut Server| s.content_type = "text/html";
    assert!(matches!(
        error_of(html, |_| ()).await,
        Some(ScrapeError::ContentType { .. })
    ));
    let page = |s: &mut Server| s.body = b"a 1\nb{ 2\n".to_vec();
    let Some(ScrapeError::Parse(error)) = error_of(page, |_| ()).await else {
        panic!("a broken page is read");
    };
    assert_eq!(error.line, 2);
    let two = |s: &mut Server| s.body = b"a 1\nb 2\n".to_vec();
    assert_eq!(
        error_of(two, |c| c.sample_limit = 1).await,
        Some(ScrapeError::SampleLimit { limit: 1 })
    );
    assert_eq!(error_of(two, |_| ()).await, None);
    let zipped = |s: &mut Server| (s.gzip, s.body) = (true, gzip(b"a 1\n"));
    assert_eq!(error_of(zipped, |_| ()).await, None);
    let twice = |s: &mut Server| (s.gzip, s.body) = (true, [gzip(b"a 1\n"), gzip(b"b 2\n")].concat());
    assert_eq!(
        error_of(twice, |c| c.sample_limit = 1).await,
        Some(ScrapeError::SampleLimit { limit: 1 }),
        "all members of a body count"
    );
    let accepted = |s: &mut Server| s.status = 204;
    let status = Some(ScrapeError::Fetch(FetchError::Status { code: 204 }));
    assert_eq!(error_of(accepted, |_| ()).await, status);
    // A file that is missing fails the scrapes of its own job alone.
    let missing = error_of(|_| (), |c| c.http.tls_config.ca_file = Some("/no/such".into())).await;
    let said = missing.map(|e| e.to_string()).unwrap_or_default();
    assert!(said.contains("ca_file cannot be read: No such file"), "{said}");
}

#[tokio::test]
async fn nobody_there_is_refused_and_no_name_is_dns() {
    let job = Arc::new(Job::new(config(|_| ()), ScrapeDefaults::default()).unwrap());
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    for (address, reason) in [
        (free.as_str(), "connection_refused"),
        ("no-such-host.invalid:1", "dns"),
    ] {
        let (scraper, mut batches) = scraper();
        scraper.set_targets(&job, &at(address));
        batches.recv().await.unwrap();
        let error = first_status(&scraper).await.last_error.unwrap();
        assert_eq!(error.reason(), reason, "{error}");
    }
}

#[tokio::test]
async fn asks_as_prometheus_does() {
    let server = Server::default();
    let heard = server.heard.clone();
    let address = server.start().await;
    let job = Job::new(
        config(|c| {
            c.metrics_path = "/m".to_owned();
            c.params = [("a".to_owned(), vec!["1".to_owned()])].into();
            c.http.authorization = Some(lapwing_collect::http::Authorization {
                credentials: Some(lapwing_collect::http::Secret::Inline("t0ken".to_owned())),
                ..Default::default()
            });
        }),
        ScrapeDefaults::default(),
    );
    let (scraper, mut batches) = scraper();
    scraper.set_targets(&Arc::new(job.unwrap()), &at(&address));
    batches.recv().await.unwrap();
    let request = heard.lock().unwrap().to_lowercase();
    for part in [
        "get /m?a=1 http/1.1",
        "accept: application/openmetrics-text;version=1.0.0",
        "x-prometheus-scrape-timeout-seconds: 0.9",
        "accept-encoding: gzip",
        "authorization: bearer t0ken",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
    scraper.stop().await;
}

/// Answers from a list, then fails.
struct Table(Mutex<VecDeque<Result<&'static str, FetchError>>>, Duration);

impl Fetch for Table {
    fn fetch<'a>(&'a self, _request: &'a Request<'a>) -> FetchFuture<'a> {
        let next = self.0.lock().unwrap().pop_front();
        Box::pin(async move {
            tokio::time::sleep(self.1).await;
            let page = next.unwrap_or(Err(FetchError::ConnectionRefused))?;
            Ok(Fetched {
                content_type: "text/plain".to_owned(),
                body: page.as_bytes().to_vec(),
            })
        })
    }
}

fn table_job(answers: &[Result<&'static str, FetchError>], takes_ms: u64) -> Arc<Job> {
    let table = Table(
        Mutex::new(answers.iter().cloned().collect()),
        Duration::from_millis(takes_ms),
    );
    let config = config(|c| c.extra_scrape_metrics = false);
    Arc::new(Job::with_fetch(config, ScrapeDefaults::default(), Arc::new(table)).unwrap())
}

#[tokio::test(start_paused = true)]
async fn series_that_vanish_are_ended() {
    let job = table_job(
        &[
            Ok("a 1\nb 1\n"),
            Ok("b 2\n"),
            Err(FetchError::ConnectionRefused),
            Ok("b 3\n"),
        ],
        0,
    );
    let (scraper, mut batches) = scraper();
    scraper.set_targets(&job, &at("x:1"));
    let counts = |scraped: u64, added: u64, up: u64| {
        vec![
            format!("scrape_samples_post_metric_relabeling {scraped}"),
            format!("scrape_samples_scraped {scraped}"),
            format!("scrape_series_added {added}"),
            format!("up {up}"),
        ]
    };
    let with = |first: &[&str], rest: Vec<String>| {
        let mut all: Vec<String> = first.iter().map(|s| (*s).to_owned()).collect();
        all.extend(rest);
        all
    };
    assert_eq!(
        lines(&batches.recv().await.unwrap()),
        with(&["a 1", "b 1"], counts(2, 2, 1))
    );
    assert_eq!(
        lines(&batches.recv().await.unwrap()),
        with(&["a end", "b 2"], counts(1, 0, 1))
    );
    assert_eq!(
        lines(&batches.recv().await.unwrap()),
        with(&["b end"], counts(0, 0, 0))
    );
    assert_eq!(
        lines(&batches.recv().await.unwrap()),
        with(&["b 3"], counts(1, 0, 1))
    );
    scraper.set_targets(&job, &[]);
    let ends = lines(&batches.recv().await.unwrap());
    assert!(ends.iter().all(|l| l.ends_with(" end")), "{ends:?}");
    assert!(ends.contains(&"b end".to_owned()) && ends.contains(&"up end".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn slots_are_kept_and_a_slow_target_misses_some() {
    let job = table_job(&[Ok("a 1\n"), Ok("a 2\n"), Ok("a 3\n")], 2500);
    let (scraper, mut batches) = scraper();
    scraper.set_targets(&job, &at("x:1"));
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(batches.recv().await.unwrap().series[0].samples[0].t_ms);
    }
    assert_eq!(
        (times[1] - times[0], times[2] - times[1]),
        (3000, 3000),
        "always on a slot"
    );
    assert!(scraper.targets()[0].missed >= 4);
    let stats = scraper.stats();
    assert!(stats.scrapes >= 2 && stats.missed_slots >= 4, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_what_is_under_way_and_ends_nothing() {
    let job = table_job(&[Ok("a 1\n")], 500);
    let (scraper, mut batches) = scraper();
    scraper.set_targets(&job, &at("x:1"));
    while scraper.stats().in_flight == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    scraper.stop().await;
    assert_eq!(lines(&batches.try_recv().unwrap())[0], "a 1");
    assert!(batches.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn how_long_it_took_is_told_to_the_microsecond() {
    let (mut options, mut batches) = options();
    let looks = std::sync::atomic::AtomicU64::new(0);
    options.stopwatch = Arc::new(move || looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) * 250_000);
    let scraper = Scraper::start(options);
    scraper.set_targets(&table_job(&[Ok("a 1\n")], 0), &at("x:1"));
    let batch = batches.recv().await.unwrap();
    let mut series = batch.series.iter();
    let took = series.find(|s| s.labels.metric_name() == Some("scrape_duration_seconds"));
    assert_eq!(took.map(|s| s.samples[0].value), Some(0.000_25));
}

#[tokio::test(start_paused = true)]
async fn too_many_targets_fail_all_of_the_job() {
    let config = config(|c| c.target_limit = 1);
    let table = Table(Mutex::default(), Duration::ZERO);
    let job = Job::with_fetch(config, ScrapeDefaults::default(), Arc::new(table)).unwrap();
    let (scraper, mut batches) = scraper();
    let two = [
        at("x:1"),
        vec![Labels::from_pairs([("__address__", "y:1")]).unwrap()],
    ]
    .concat();
    scraper.set_targets(&Arc::new(job), &two);
    batches.recv().await.unwrap();
    let status = first_status(&scraper).await;
    assert_eq!(status.health, Health::Down);
    let expect = ScrapeError::TargetLimit { targets: 2, limit: 1 };
    assert_eq!(status.last_error, Some(expect));
}

#[tokio::test]
async fn a_real_exporter_is_scraped_whole() {
    let Some(exporter) = Exporter::start("a_real_exporter_is_scraped_whole") else {
        return;
    };
    let job = Job::new(config(|_| ()), ScrapeDefaults::default()).unwrap();
    let (scraper, mut batches) = scraper();
    scraper.set_targets(&Arc::new(job), &at(&exporter.address));
    let batch = batches.recv().await.unwrap();
    let status = first_status(&scraper).await;
    assert_eq!(status.last_error, None);
    let last = status.last.unwrap();
    assert!(last.samples_kept > 400 && last.duplicates == 0, "{last:?}");
    let kinds: Vec<_> = batch
        .metadata
        .iter()
        .filter(|(n, _)| n == "node_cpu_seconds_total")
        .collect();
    assert_eq!(kinds[0].1.kind, lapwing_types::MetricKind::Counter);
    let again = batches.recv().await.unwrap();
    assert!(
        again.metadata.len() < 5,
        "what is known is not said again: {:?}",
        again.metadata
    );
    assert!(again.series.iter().all(|s| s.labels.get("instance") == Some("i")));
}

#[tokio::test]
async fn misbehaving_targets_do_not_hold_up_the_others() {
    let mut addresses = Vec::new();
    for (silent, endless) in [(true, false), (false, true)] {
        let server = Server {
            silent,
            endless,
            ..Server::default()
        };
        addresses.push(server.start().await);
    }
    let good = Server::default().start().await;
    addresses.push(good.clone());
    let job = Job::new(config(|_| ()), ScrapeDefaults::default()).unwrap();
    let (scraper, mut batches) = scraper();
    let targets: Vec<Labels> = addresses
        .iter()
        .map(|a| Labels::from_pairs([("__address__", a.as_str())]).unwrap())
        .collect();
    scraper.set_targets(&Arc::new(job), &targets);
    let mut good_scrapes = 0;
    while good_scrapes < 3 {
        let batch = batches.recv().await.unwrap();
        let up = batch
            .series
            .iter()
            .find(|s| s.labels.metric_name() == Some("up"))
            .unwrap();
        let is_good = up.labels.get("instance") == Some(good.as_str());
        assert_eq!(up.samples[0].value, if is_good { 1.0 } else { 0.0 });
        good_scrapes += u32::from(is_good);
    }
    let up = scraper
        .targets()
        .iter()
        .filter(|t| t.health == Health::Up)
        .count();
    assert_eq!(up, 1);
}
