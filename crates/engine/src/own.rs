//! Lapwing's own series, for its store and for whoever scrapes it: what its parts counted, what they hold now, and the process.
//!
//! Counters are counted where things happen; what stands here is read off when somebody looks.

use crate::compute::Compute;
use crate::engine::Engine;
use crate::meter::{Counter, Gauge, Meter};
use lapwing_collect::discovery::discovery_series;
use lapwing_collect::process::ProcessCollector;
use lapwing_store::metrics::{MetricsStore, StoreNumbers};
use lapwing_types::WriteBatch;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

pub(crate) struct OwnSeries {
    meter: Meter,
    store: StoreGauges,
    pools: Vec<(Compute, Gauge)>,
    queries_running: Gauge,
    queries_waiting: Gauge,
}

impl OwnSeries {
    /// `pools` by what they are for.
    pub(crate) fn new(meter: &Meter, pools: &[(&str, &Compute)]) -> Self {
        meter
            .gauge(
                "lapwing_build_info",
                "Which Lapwing this is.",
                &[("version", env!("CARGO_PKG_VERSION"))],
            )
            .set(1.0);
        let of_pool = |(purpose, pool): &(&str, &Compute)| {
            let labels = [("pool", *purpose)];
            let help = "Pieces of work that a pool of threads takes at once.";
            meter
                .gauge("lapwing_pool_slots", help, &labels)
                .set(pool.free() as f64);
            let help = "Pieces of work that a pool of threads could take now; at zero, the next one waits.";
            (
                (*pool).clone(),
                meter.gauge("lapwing_pool_slots_free", help, &labels),
            )
        };
        OwnSeries {
            meter: meter.clone(),
            store: StoreGauges::new(meter),
            pools: pools.iter().map(of_pool).collect(),
            queries_running: meter.gauge(
                "lapwing_queries_running",
                "PromQL queries that run or wait for a turn.",
                &[],
            ),
            queries_waiting: meter.gauge(
                "lapwing_queries_waiting",
                "PromQL queries that wait for a turn.",
                &[],
            ),
        }
    }

    /// All of them at `now_ms`, each with `labels`.
    pub(crate) fn gather(&self, engine: &Engine, now_ms: i64, labels: &[(String, String)]) -> WriteBatch {
        engine.paging().refresh_numbers(now_ms);
        self.store.look_at(engine.store());
        for (pool, free) in &self.pools {
            free.set(pool.free() as f64);
        }
        let queries = engine.queries();
        self.queries_running.set(queries.running().len() as f64);
        self.queries_waiting.set(queries.waiting() as f64);
        let pairs: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut batch = self.meter.gather(now_ms, &pairs);
        // A new collector describes its series each time, and whoever asks may be somebody else.
        match ProcessCollector::new("/".into(), labels.to_vec()).collect(now_ms) {
            Ok(process) => add(&mut batch, process),
            Err(error) => tracing::warn!(%error, "this process cannot be measured"),
        }
        let scraping = engine.scraping();
        add(&mut batch, scraping.scraper().collect(now_ms, labels));
        let discovered = discovery_series(&engine.discovery_statuses(), now_ms, labels);
        add(&mut batch, discovered);
        batch
    }
}

fn add(batch: &mut WriteBatch, more: WriteBatch) {
    batch.series.extend(more.series);
    batch.metadata.extend(more.metadata);
}

/// One of the store's numbers.
type Read<T> = fn(&StoreNumbers) -> T;

/// The store as it stands.
struct StoreGauges {
    meter: Meter,
    gauges: Vec<(Gauge, Read<f64>)>,
    counters: Vec<(Counter, Read<u64>)>,
    refused: Mutex<BTreeMap<&'static str, Counter>>,
}

const GAUGES: [(&str, &str, Read<f64>); 9] = [
    ("lapwing_store_series", "Series that have new samples.", |n| {
        n.head_series as f64
    }),
    (
        "lapwing_store_label_pairs",
        "Different pairs of label and value among the series that have new samples.",
        |n| n.label_pairs as f64,
    ),
    (
        "lapwing_store_newest_timestamp_seconds",
        "Time of the newest sample.",
        |n| n.head_max_ms as f64 / 1000.0,
    ),
    ("lapwing_store_blocks", "Blocks on disk.", |n| n.blocks as f64),
    ("lapwing_store_blocks_bytes", "Size of the blocks on disk.", |n| {
        n.blocks_size_bytes as f64
    }),
    (
        "lapwing_store_blocks_samples",
        "Samples in the blocks on disk.",
        |n| n.blocks_samples as f64,
    ),
    (
        "lapwing_store_log_bytes",
        "Written to the log since the last checkpoint; a restart reads it.",
        |n| n.log_since_checkpoint_bytes as f64,
    ),
    (
        "lapwing_store_log_failed",
        "1 while the log cannot be written: nothing is accepted until it can.",
        |n| f64::from(u8::from(n.log_failing)),
    ),
    (
        "lapwing_store_memory_limit_bytes",
        "What series, queries and caches may take together.",
        |n| n.memory_limit_bytes as f64,
    ),
];

const KEPT: [(&str, Read<u64>); 3] = [
    ("float", |n| n.samples),
    ("histogram", |n| n.histograms),
    ("exemplar", |n| n.exemplars),
];

const MEMORY: [(&str, Read<f64>); 5] = [
    ("index", |n| n.memory.index_bytes as f64),
    ("samples", |n| n.memory.samples_bytes as f64),
    ("newest", |n| n.memory.raw_cache_bytes as f64),
    ("blocks", |n| n.memory.blocks_bytes as f64),
    ("metadata", |n| n.memory.metadata_bytes as f64),
];

impl StoreGauges {
    fn new(meter: &Meter) -> Self {
        let mut gauges: Vec<(Gauge, Read<f64>)> = Vec::new();
        for (name, help, read) in GAUGES {
            gauges.push((meter.gauge(name, help, &[]), read));
        }
        for (part, read) in MEMORY {
            let help = "Memory of the store, by part.";
            gauges.push((
                meter.gauge("lapwing_store_memory_bytes", help, &[("part", part)]),
                read,
            ));
        }
        let mut counters: Vec<(Counter, Read<u64>)> = Vec::new();
        for (kind, read) in KEPT {
            let help = "Samples and exemplars that were kept.";
            counters.push((
                meter.counter("lapwing_store_kept_total", help, &[("kind", kind)]),
                read,
            ));
        }
        StoreGauges {
            meter: meter.clone(),
            gauges,
            counters,
            refused: Mutex::default(),
        }
    }

    fn look_at(&self, store: &MetricsStore) {
        let numbers = store.numbers();
        for (gauge, read) in &self.gauges {
            gauge.set(read(&numbers));
        }
        for (counter, read) in &self.counters {
            counter.raise_to(read(&numbers));
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for (reason, count) in &numbers.refused {
            let counter = refused.entry(*reason).or_insert_with(|| {
                let help = "Samples and series that were not kept, by reason.";
                self.meter
                    .counter("lapwing_store_refused_total", help, &[("reason", reason)])
            });
            counter.raise_to(*count);
        }
    }
}
