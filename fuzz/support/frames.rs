//! The files of a small whole store, and hostile changes to their frames with checksums put right.

use lapwing_store::metrics::{MetricsOptions, MetricsStore};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Counts, Exemplar, Histogram, Labels, Metadata, MetricKind, ResetHint, Span};
use std::path::{Path, PathBuf};

const HEADER: usize = 12;
pub const T0: i64 = 1_700_000_000_000;

/// A store with floats, late floats, histograms, exemplars, starts and metadata: its log, or its checkpoint.
pub struct Whole {
    manifest: Option<Vec<u8>>,
    /// Below the store's directory.
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where frames begin.
    frames: Vec<usize>,
}

pub fn whole(checkpoint: bool) -> Whole {
    let dir = scratch();
    let store = MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
    fill(&store);
    if checkpoint {
        store.checkpoint().unwrap();
    }
    drop(store);
    let folder = if checkpoint { "checkpoint" } else { "wal" };
    let entry = std::fs::read_dir(dir.path().join(folder))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let bytes = std::fs::read(entry.path()).unwrap();
    let mut frames = Vec::new();
    let mut at = 0;
    while at + HEADER <= bytes.len() {
        frames.push(at);
        at += HEADER + u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    }
    Whole {
        manifest: std::fs::read(dir.path().join("MANIFEST")).ok(),
        path: Path::new(folder).join(entry.file_name()),
        bytes,
        frames,
    }
}

fn fill(store: &MetricsStore) {
    for step in 0..40i64 {
        let mut appender = store.appender("fuzz", T0 + step * 15_000);
        for (name, host) in [("a", "x"), ("a", "y"), ("h", "x")] {
            let labels = Labels::from_pairs([("__name__", name), ("host", host)]).unwrap();
            let series = appender.series(&labels).unwrap();
            // Every fifth sample is late.
            let t_ms = T0 + (step - 10 * i64::from(step % 5 == 4)) * 15_000 + step % 7;
            if name == "h" {
                appender.push_histogram(series, T0 + step * 15_000, histogram(step as u64 + 1));
            } else {
                appender.push(series, t_ms, step as f64 * 1.25);
            }
            if step % 11 == 3 {
                let labels = Labels::from_pairs([("trace", "t")]).unwrap();
                let exemplar = Exemplar {
                    labels,
                    value: 2.5,
                    t_ms: None,
                };
                appender.push_exemplar(series, exemplar);
                appender.push_start(series, t_ms, t_ms - 1_000);
            }
        }
        let (help, unit) = ("what it counts".to_owned(), String::new());
        appender.metadata(
            "a",
            Metadata {
                kind: MetricKind::Counter,
                help,
                unit,
            },
        );
        appender.commit().unwrap();
    }
}

fn histogram(count: u64) -> Histogram {
    Histogram {
        schema: 3,
        zero_threshold: 1e-9,
        sum: count as f64,
        counts: Counts::Int {
            zero: 1,
            count: count + 1,
            positive: vec![count, 0],
            negative: vec![],
        },
        positive_spans: vec![Span { offset: 1, length: 2 }],
        negative_spans: vec![],
        custom_bounds: Vec::new().into(),
        reset_hint: ResetHint::Unknown,
    }
}

/// Synced files are quick where there is no device.
pub fn scratch() -> tempfile::TempDir {
    let in_memory = Path::new("/dev/shm");
    if in_memory.is_dir() {
        tempfile::tempdir_in(in_memory)
    } else {
        tempfile::tempdir()
    }
    .unwrap()
}

/// Writes the files into a directory, changed as the input wants.
pub fn lay_out(whole: &Whole, data: &[u8], dir: &Path) {
    let path = dir.join(&whole.path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, hostile(whole, data)).unwrap();
    if let Some(manifest) = &whole.manifest {
        std::fs::write(dir.join("MANIFEST"), manifest).unwrap();
    }
}

/// The first byte chooses: edits of single bytes in frames, or one more frame that is wholly the input's.
fn hostile(whole: &Whole, data: &[u8]) -> Vec<u8> {
    let mut bytes = whole.bytes.clone();
    let Some((choice, data)) = data.split_first() else {
        return bytes;
    };
    if choice % 2 == 0 {
        let at = bytes.len();
        bytes.extend_from_slice(&[b'L', b'W', choice / 2 % 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(data);
        finish(&mut bytes, at, data.len());
        return bytes;
    }
    for edit in data.chunks_exact(4) {
        let frame = whole.frames[usize::from(edit[0]) % whole.frames.len()];
        let len = u32::from_le_bytes(bytes[frame + 4..frame + 8].try_into().unwrap()) as usize;
        if len > 0 {
            let at = usize::from(u16::from_le_bytes([edit[1], edit[2]])) % len;
            bytes[frame + HEADER + at] = edit[3];
            finish(&mut bytes, frame, len);
        }
    }
    bytes
}

fn finish(bytes: &mut [u8], at: usize, len: usize) {
    bytes[at + 4..at + 8].copy_from_slice(&(len as u32).to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[at + 2..at + 8]);
    crc.update(&bytes[at + HEADER..at + HEADER + len]);
    bytes[at + 8..at + 12].copy_from_slice(&crc.finalize().to_le_bytes());
}

/// Opens what is there, reads all of it, writes to it, and looks after it: an error is fine, a panic is not.
pub fn live(dir: &Path) {
    MetricsStore::verify_dir(dir).ok();
    let options = MetricsOptions {
        page_cache_bytes: 1 << 20,
        ..MetricsOptions::default()
    };
    let Ok(store) = MetricsStore::open(dir, options, T0) else {
        return;
    };
    let all = Selection {
        matchers: vec![],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let snapshot = store.snapshot();
    for series in snapshot.select(&all).unwrap_or_default() {
        let mut points = SeriesPoints::default();
        if series.reader.read(i64::MIN, i64::MAX, &mut points).is_ok() {
            assert_eq!(points.times_ms.len(), points.values.len());
        }
    }
    snapshot.label_names(&all).ok();
    snapshot.label_values("host", &all).ok();
    snapshot.exemplars(&all).ok();
    drop(snapshot);
    let mut appender = store.appender("fuzz", T0 + 600_000);
    if let Ok(series) = appender.series(&Labels::from_pairs([("__name__", "a"), ("host", "x")]).unwrap()) {
        appender.push(series, T0 + 600_000, 1.0);
    }
    appender.commit().ok();
    store.checkpoint().ok();
    store.maintain(T0 + 600_000);
    store.stats();
}
