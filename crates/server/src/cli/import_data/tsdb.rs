//! A Prometheus data directory: blocks first, then the log (checkpoint and segments), the chunks of the head, and the log of
//! late samples. They overlap; equal samples are one. Where blocks and log differ (something was deleted from a block), the block is
//! right, as it is for a Prometheus that starts.

use super::{Import, names};
use anyhow::{Context, bail};
use lapwing_types::{SeriesWrite, WriteBatch};
use lapwing_wire::prom_tsdb::{
    BlockIndex, BlockReader, ChunkSamples, Segment, Tombstones, TsdbError, WalReader, decode_chunk,
    head_chunks,
};
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Of a block that holds late samples alone.
const LATE_HINT: &str = "from-out-of-order";

pub(super) fn read(dir: &Path, import: &mut Import<'_>) -> anyhow::Result<()> {
    let mut blocks = Blocks::default();
    let mut is_block = false;
    // Until none is new: of one that runs, a block may have become another while it was read, and what is before `until_ms` has
    // to be known before the log is read.
    while blocks.read_new(dir, import)? {
        is_block = true;
    }
    if !is_block && !dir.join("wal").is_dir() {
        bail!("there are neither blocks nor a log (wal/) in it: it is no data directory of a Prometheus");
    }
    let mut wal = WalReader::new();
    wal.valid_from(blocks.until_ms);
    let log = open_log(&dir.join("wal"))?;
    for (path, file) in &log {
        // What is wrong with it is said when it is read for its samples.
        let _ = wal.deletions(&whole(path, file)?);
    }
    read_log(&log, &mut wal, import)?;
    read_head_chunks(&dir.join("chunks_head"), &wal, import)?;
    // Late samples lie in a log of their own, which names no series.
    wal.late_samples_follow();
    read_log(&open_log(&dir.join("wbl"))?, &mut wal, import)?;
    if wal.orphans_count > 0 {
        import.note(format!(
            "{} entries of the log belong to series that nothing names",
            wal.orphans_count
        ));
    }
    // Of one that runs, a part of the log may have become a block since the blocks were listed.
    while blocks.read_new(dir, import)? {}
    Ok(())
}

/// The blocks that were read.
#[derive(Default)]
struct Blocks {
    seen: HashSet<String>,
    /// Those that could not be read: what they were made of may still be there.
    failed: HashSet<String>,
    /// In-order samples before this are in blocks: what the log still has of them may have been deleted there since.
    until_ms: Option<i64>,
}

/// What is wanted of a block's `meta.json`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    max_time: i64,
    #[serde(default)]
    compaction: Compaction,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Compaction {
    parents: Vec<Parent>,
    hints: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Parent {
    ulid: String,
}

impl Blocks {
    /// Reads the blocks that it has not seen yet, and says whether there were any. What a crash left half-made or half-removed is not
    /// among them, nor are those that another block was made of.
    fn read_new(&mut self, dir: &Path, import: &mut Import<'_>) -> anyhow::Result<bool> {
        let mut all = names(dir)?;
        all.retain(|name| is_ulid(name) && dir.join(name).join("index").is_file());
        let metas: Vec<Option<Meta>> = all.iter().map(|name| meta(&dir.join(name))).collect();
        let whole = all
            .iter()
            .zip(&metas)
            .filter(|(name, _)| !self.failed.contains(*name));
        let parents: HashSet<&str> = whole
            .flat_map(|(_, meta)| meta)
            .flat_map(|meta| meta.compaction.parents.iter().map(|p| p.ulid.as_str()))
            .collect();
        let is_new = |name: &str| !self.seen.contains(name) && !parents.contains(name);
        let new: Vec<(&String, &Option<Meta>)> =
            all.iter().zip(&metas).filter(|(name, _)| is_new(name)).collect();
        for (number, (name, meta)) in new.iter().enumerate() {
            import.progress(&format!("block {} of {}: {name}", number + 1, new.len()));
            self.seen.insert((*name).clone());
            match read_block(&dir.join(name), import) {
                Ok(()) => {
                    let in_order = meta
                        .iter()
                        .filter(|m| m.compaction.hints.iter().all(|h| h != LATE_HINT));
                    self.until_ms = self.until_ms.max(in_order.map(|m| m.max_time).max());
                }
                // Another one has been made of it meanwhile.
                Err(_) if !dir.join(name).is_dir() => {}
                Err(error) => {
                    self.failed.insert((*name).clone());
                    import.note(format!("block {name} could not be read: {error:#}"));
                }
            }
        }
        Ok(!new.is_empty())
    }
}

fn meta(dir: &Path) -> Option<Meta> {
    let bytes = std::fs::read(dir.join("meta.json")).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Names of blocks; what Prometheus has not finished making or removing has something behind it.
fn is_ulid(name: &str) -> bool {
    name.len() == 26 && name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

struct SegmentFile(File);

impl Segment for SegmentFile {
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            match FileExt::read_at(&self.0, &mut bytes[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }
}

fn read_block(dir: &Path, import: &mut Import<'_>) -> anyhow::Result<()> {
    let index_bytes = std::fs::read(dir.join("index")).context("its index")?;
    let index = BlockIndex::parse(&index_bytes).context("its index")?;
    let chunks = dir.join("chunks");
    let mut segments = Vec::new();
    for name in names(&chunks)? {
        segments.push(SegmentFile(File::open(chunks.join(name))?));
    }
    let tombstones = match std::fs::read(dir.join("tombstones")) {
        Ok(bytes) => Tombstones::parse(&bytes).context("its tombstones")?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Tombstones::default(),
        Err(e) => return Err(e).context("its tombstones"),
    };
    let Some((min_ms, max_ms)) = range_of(&index) else {
        return Ok(());
    };
    let block = BlockReader {
        index,
        segments,
        tombstones,
    };
    let range_ms = import.importer.range_ms();
    let (first, last) = (min_ms.div_euclid(range_ms), max_ms.div_euclid(range_ms));
    if last - first > 10_000 {
        bail!("it claims to cover {} half days", last - first);
    }
    for range in first..=last {
        let (start_ms, end_ms) = (range * range_ms, (range + 1) * range_ms - 1);
        for series in block.series_between(start_ms, end_ms) {
            match series {
                Ok(write) => import.add(write)?,
                Err(error) => import.note(format!(
                    "in block {}: {:#}",
                    dir.file_name().unwrap_or_default().display(),
                    anyhow::Error::new(error)
                )),
            }
        }
        import.importer.flush()?;
    }
    Ok(())
}

fn range_of(index: &BlockIndex<'_>) -> Option<(i64, i64)> {
    let mut range: Option<(i64, i64)> = None;
    for series in index.series().map_while(Result::ok) {
        for chunk in &series.chunks {
            let (min, max) = range.unwrap_or((chunk.min_ms, chunk.max_ms));
            range = Some((min.min(chunk.min_ms), max.max(chunk.max_ms)));
        }
    }
    range
}

/// The newest checkpoint, then the segments after it.
fn log_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let all = names(dir)?;
    let number = |name: &String| name.strip_prefix("checkpoint.")?.parse::<u64>().ok();
    let checkpoint = all.iter().filter_map(number).max();
    let mut files = Vec::new();
    if let Some(number) = checkpoint {
        // The name has leading zeros.
        let name = all
            .iter()
            .find(|name| name.strip_prefix("checkpoint.").and_then(|n| n.parse().ok()) == Some(number));
        let path = dir.join(name.map_or("", String::as_str));
        files.extend(names(&path)?.into_iter().map(|name| path.join(name)));
    }
    let after = |name: &&String| {
        name.parse::<u64>()
            .is_ok_and(|n| checkpoint.is_none_or(|c| n > c))
    };
    files.extend(all.iter().filter(after).map(|name| dir.join(name)));
    Ok(files)
}

/// How often a log is opened that is cut each time while it is.
const OPENED_MAX: usize = 100;

/// All of a log at one time. A Prometheus that runs cuts it: what is open stays whole, and if another listing shows that it was cut
/// between the first file and the last, they do not belong together.
fn open_log(dir: &Path) -> anyhow::Result<Vec<(PathBuf, File)>> {
    for _ in 0..OPENED_MAX {
        let paths = log_files(dir)?;
        let opened: std::io::Result<Vec<File>> = paths.iter().map(File::open).collect();
        if log_files(dir)? != paths {
            continue;
        }
        let files = opened.with_context(|| format!("cannot open the log in {}", dir.display()))?;
        return Ok(paths.into_iter().zip(files).collect());
    }
    bail!(
        "the log in {} changes faster than it can be opened",
        dir.display()
    )
}

/// From its beginning, however often it was read.
fn whole(path: &Path, mut file: &File) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

fn read_log(files: &[(PathBuf, File)], wal: &mut WalReader, import: &mut Import<'_>) -> anyhow::Result<()> {
    for (at, (path, file)) in files.iter().enumerate() {
        import.progress(&format!("log {} of {}: {}", at + 1, files.len(), path.display()));
        let bytes = whole(path, file)?;
        let mut failed = None;
        let read = wal.segment(&bytes, |batch| {
            if failed.is_none() {
                failed = add_batch(batch, import).err();
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        match read {
            Ok(()) => {}
            Err(TsdbError::Truncated { .. }) if at + 1 == files.len() => {
                import.note("the log ends within a record, as after a crash: that record was never whole");
            }
            Err(error) => import.note(format!(
                "{}: {:#}; what follows in this file is lost",
                path.display(),
                anyhow::Error::new(error)
            )),
        }
    }
    Ok(())
}

fn add_batch(batch: WriteBatch, import: &mut Import<'_>) -> anyhow::Result<()> {
    for write in batch.series {
        import.add(write)?;
    }
    import.metadata.extend(batch.metadata);
    Ok(())
}

fn read_head_chunks(dir: &Path, wal: &WalReader, import: &mut Import<'_>) -> anyhow::Result<()> {
    for name in names(dir)? {
        let path = dir.join(&name);
        import.progress(&format!("chunks of the head: {}", path.display()));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // What was in it has become a block meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let (chunks, damage) = head_chunks(&bytes);
        if let Some(error) = damage {
            let error = anyhow::Error::new(error);
            import.note(format!(
                "chunks of the head in {name} could not be read to their end, the log is read instead: {error:#}"
            ));
        }
        for chunk in chunks {
            let Some(labels) = wal.labels(chunk.series_id) else {
                import.note("a chunk of the head belongs to a series that the log does not name");
                continue;
            };
            let mut samples = ChunkSamples::default();
            if let Err(error) = decode_chunk(chunk.encoding, chunk.data, &mut samples) {
                import.note(format!("a chunk of {labels} could not be read: {error}"));
                continue;
            }
            let is_kept =
                |t_ms: i64| !wal.is_deleted(chunk.series_id, t_ms) && (chunk.is_late() || wal.is_valid(t_ms));
            samples.floats.retain(|s| is_kept(s.t_ms));
            samples.histograms.retain(|h| is_kept(h.0));
            import.add(SeriesWrite {
                labels: labels.clone(),
                samples: samples.floats,
                histograms: samples.histograms,
                ..SeriesWrite::default()
            })?;
        }
    }
    Ok(())
}
