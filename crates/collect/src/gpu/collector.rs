//! GPUs over time: XIDs counted as the events they are, and GPUs that were there and are not.
//!
//! Expected are all GPUs seen since the start, at least as many as the config demands, and at least as many as the PCI
//! bus shows: so a GPU that is gone before the first reading is missed as well.

use super::reading::{GpuError, GpuIdentity, GpuReading, GpuSource};
use super::series;
use crate::host::Root;
use crate::page::{BaseLabels, Page};
use lapwing_types::WriteBatch;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Kinds and help texts are repeated after so many collections.
const METADATA_EVERY: u64 = 60;
/// XIDs that rules ask for; their counters stand at 0 from the start, or `increase()` would miss the first event.
const XIDS_FROM_START: [u64; 16] = [13, 31, 43, 45, 48, 62, 63, 64, 74, 79, 92, 94, 95, 119, 120, 154];
/// Kinds of XID counted per GPU; NVIDIA has defined fewer than 200.
const XIDS_MAX: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Where `/proc` and `/sys` are found.
    pub root: PathBuf,
    /// `hostname` of every series, as DCGM exporter has it, and labels such as `job`.
    pub labels: Vec<(String, String)>,
    /// GPUs that must be there, where the operator knows better than the bus.
    pub expected: Option<u32>,
}

pub struct GpuCollector {
    source: Box<dyn GpuSource>,
    root: Root,
    base: BaseLabels,
    expected: u32,
    known: BTreeMap<String, Known>,
    collections: u64,
    failure: Option<GpuError>,
}

pub(super) struct Known {
    pub(super) identity: GpuIdentity,
    pub(super) present: bool,
    pub(super) xids: BTreeMap<u64, u64>,
    pub(super) last_xid: u64,
}

impl GpuCollector {
    pub fn new(source: Box<dyn GpuSource>, options: GpuOptions) -> Self {
        let root = Root::new(options.root);
        let on_bus = count_on_bus(&root);
        GpuCollector {
            source,
            base: Arc::from(options.labels),
            expected: options.expected.unwrap_or(0).max(on_bus),
            root,
            known: BTreeMap::new(),
            collections: 0,
            failure: None,
        }
    }

    /// Blocking, some milliseconds per GPU.
    pub fn collect(&mut self, now_ms: i64) -> WriteBatch {
        let readings = match self.source.read() {
            Ok(readings) => {
                self.failure = None;
                readings
            }
            Err(error) => {
                self.failure = Some(error);
                Vec::new()
            }
        };
        self.note_present(&readings);
        self.note_xids();
        let with_metadata = self.collections.is_multiple_of(METADATA_EVERY);
        self.collections += 1;
        let mut page = Page::new(now_ms, self.base.clone(), with_metadata);
        series::readings(&mut page, &readings);
        series::processes(&mut page, &self.root, &readings);
        series::known(&mut page, &self.known);
        let present = readings.len() as f64;
        let expected = self.known.len().max(self.expected as usize) as f64;
        page.gauge("gpu_count_present", "GPUs that answer.")
            .set(&[], present);
        page.gauge(
            "gpu_count_expected",
            "GPUs that were seen, are on the bus or are configured.",
        )
        .set(&[], expected);
        page.into_batch()
    }

    /// Why the last collection found nothing.
    pub fn failure(&self) -> Option<&GpuError> {
        self.failure.as_ref()
    }

    fn note_present(&mut self, readings: &[GpuReading]) {
        for known in self.known.values_mut() {
            known.present = false;
        }
        for reading in readings {
            let identity = &reading.identity;
            let known = self.known.entry(identity.uuid.clone()).or_insert_with(|| Known {
                identity: identity.clone(),
                present: true,
                xids: XIDS_FROM_START.into_iter().map(|x| (x, 0)).collect(),
                last_xid: 0,
            });
            known.present = true;
            known.identity = identity.clone();
        }
    }

    fn note_xids(&mut self) {
        for xid in self.source.xids() {
            let Some(known) = self.known.get_mut(&xid.uuid) else {
                continue;
            };
            if known.xids.len() < XIDS_MAX || known.xids.contains_key(&xid.code) {
                *known.xids.entry(xid.code).or_default() += 1;
            }
            known.last_xid = xid.code;
        }
    }
}

/// NVIDIA's display and 3D controllers on the PCI bus, whether or not the driver has them.
fn count_on_bus(root: &Root) -> u32 {
    let folder = "sys/bus/pci/devices";
    let is_gpu = |device: &String| {
        let read = |file: &str| {
            root.read_line(&format!("{folder}/{device}/{file}"))
                .unwrap_or_default()
        };
        let class = read("class");
        read("vendor") == "0x10de" && (class.starts_with("0x0300") || class.starts_with("0x0302"))
    };
    root.list(folder).iter().filter(|d| is_gpu(d)).count() as u32
}
