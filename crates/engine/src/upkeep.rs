//! What the store's maintenance found and did, as Lapwing's own metrics: damage is to be alerted on.

use crate::meter::{Counter, Gauge, Meter};
use lapwing_store::metrics::{MaintenanceReport, MetricsStore};

/// What the store's upkeep says of itself in numbers.
pub(crate) struct UpkeepNumbers {
    scrubbed: Counter,
    damaged: Counter,
    lost: Gauge,
    pages: Gauge,
    unreadable: Gauge,
    log_ranges: Gauge,
    failures: Counter,
}

impl UpkeepNumbers {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name, help| meter.counter(name, help, &[]);
        let gauge = |name, help| meter.gauge(name, help, &[]);
        UpkeepNumbers {
            scrubbed: counter(
                "lapwing_store_scrubbed_bytes_total",
                "Bytes of blocks read again in the background.",
            ),
            damaged: counter(
                "lapwing_store_blocks_damaged_total",
                "Times that new damage was found in a block.",
            ),
            lost: gauge(
                "lapwing_store_lost_stretches",
                "Stretches of series that cannot be read any more.",
            ),
            pages: gauge("lapwing_store_pages_quarantined", "Damaged pages of open blocks."),
            unreadable: gauge(
                "lapwing_store_blocks_unreadable",
                "Blocks that could not be opened at all.",
            ),
            log_ranges: gauge(
                "lapwing_store_log_ranges_damaged",
                "Stretches of the log and the checkpoint that could not be read at the start.",
            ),
            failures: counter(
                "lapwing_store_maintenance_failures_total",
                "Steps of the store's upkeep that failed.",
            ),
        }
    }

    pub(crate) fn note(&self, store: &MetricsStore, report: &MaintenanceReport) {
        self.scrubbed.add(report.scrubbed_bytes);
        self.failures.add(report.failures.len() as u64);
        self.damaged.add(report.blocks_newly_damaged as u64);
        let damage = store.damage();
        self.lost.set(damage.lost_stretches as f64);
        self.pages.set(damage.pages_quarantined as f64);
        self.unreadable.set(damage.blocks_unreadable as f64);
        self.log_ranges.set(damage.log_ranges as f64);
    }
}
