//! Blocks that `promtool` makes from a page of OpenMetrics, read back and compared with our own reading of the page.

use lapwing_types::{Labels, Sample, SeriesWrite};
use lapwing_wire::prom_tsdb::{BlockIndex, BlockReader, Tombstones};
use lapwing_wire::text::{Format, parse_to_batch};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Two days in steps of a minute, so that there are many blocks and many chunks; values that do and do not repeat.
fn page() -> String {
    let mut page = String::from("# TYPE reads counter\n# TYPE heat gauge\n");
    for i in 0..2880u64 {
        let t_s = 1_790_000_000 + i * 60;
        let _ = writeln!(page, "reads_total{{disk=\"a\\\\b\"}} {} {t_s}", i / 7 * 13);
        let noise = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
        let _ = writeln!(page, "heat{{room=\"größe\"}} {}e-9 {t_s}.25", noise);
    }
    page.push_str("# EOF\n");
    page
}

/// Reads every block below `dir`.
fn read_blocks(dir: &Path) -> Vec<SeriesWrite> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let block = entry.unwrap().path();
        let Ok(index) = fs::read(block.join("index")) else {
            continue;
        };
        let mut files: Vec<_> = fs::read_dir(block.join("chunks"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        let segments: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        let reader = BlockReader {
            index: BlockIndex::parse(&index).unwrap(),
            segments: segments.iter().map(Vec::as_slice).collect(),
            tombstones: Tombstones::parse(&fs::read(block.join("tombstones")).unwrap()).unwrap(),
        };
        all.extend(reader.series().map(Result::unwrap));
    }
    all
}

fn by_series(all: Vec<SeriesWrite>) -> BTreeMap<Labels, Vec<Sample>> {
    let mut merged: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for series in all {
        merged.entry(series.labels).or_default().extend(series.samples);
    }
    for samples in merged.values_mut() {
        samples.sort_by_key(|s| s.t_ms);
    }
    merged
}

#[test]
fn reads_what_promtool_wrote() {
    let has_promtool = Command::new("promtool").arg("--version").output().is_ok();
    if !has_promtool {
        assert!(std::env::var_os("CI").is_none(), "promtool is not installed");
        eprintln!("SKIPPED reads_what_promtool_wrote: promtool is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (source, data) = (dir.path().join("page.om"), dir.path().join("data"));
    fs::write(&source, page()).unwrap();
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&source, &data])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let found = by_series(read_blocks(&data));
    let expect = parse_to_batch(page().as_bytes(), Format::OpenMetrics, 0).unwrap();
    assert_eq!(found, by_series(expect.series));
    assert_eq!(found.values().map(Vec::len).collect::<Vec<_>>(), [2880, 2880]);
}
