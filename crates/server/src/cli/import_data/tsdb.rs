//! A Prometheus data directory: blocks first, then the log (checkpoint and segments), the chunks of the head, and the log of
//! late samples. They overlap; equal samples are one.

use super::{Import, names};
use anyhow::{Context, bail};
use lapwing_types::{SeriesWrite, WriteBatch};
use lapwing_wire::prom_tsdb::{
    BlockIndex, BlockReader, ChunkSamples, Segment, Tombstones, TsdbError, WalReader, decode_chunk,
    head_chunks,
};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(super) fn read(dir: &Path, import: &mut Import<'_>) -> anyhow::Result<()> {
    let all = names(dir)?;
    let blocks: Vec<&String> = all
        .iter()
        .filter(|name| dir.join(name).join("index").is_file())
        .collect();
    let has_log = dir.join("wal").is_dir();
    if blocks.is_empty() && !has_log {
        bail!("there are neither blocks nor a log (wal/) in it: it is no data directory of a Prometheus");
    }
    for (number, name) in blocks.iter().enumerate() {
        import.progress(&format!("block {} of {}: {name}", number + 1, blocks.len()));
        if let Err(error) = read_block(&dir.join(name), import) {
            import.note(format!("block {name} could not be read: {error:#}"));
        }
    }
    let mut wal = WalReader::new();
    for path in log_files(&dir.join("wal"))? {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // What is wrong with it is said when it is read for its samples.
        let _ = wal.deletions(&bytes);
    }
    read_log(&dir.join("wal"), &mut wal, import)?;
    read_head_chunks(&dir.join("chunks_head"), &wal, import)?;
    // Late samples lie in a log of their own, which names no series.
    wal.forget_deletions();
    read_log(&dir.join("wbl"), &mut wal, import)?;
    if wal.orphans_count > 0 {
        import.note(format!(
            "{} entries of the log belong to series that nothing names",
            wal.orphans_count
        ));
    }
    Ok(())
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

fn read_log(dir: &Path, wal: &mut WalReader, import: &mut Import<'_>) -> anyhow::Result<()> {
    let files = log_files(dir)?;
    for (at, path) in files.iter().enumerate() {
        import.progress(&format!("log {} of {}: {}", at + 1, files.len(), path.display()));
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
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
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if bytes.is_empty() {
            continue;
        }
        let chunks = match head_chunks(&bytes) {
            Ok(chunks) => chunks,
            Err(error) => {
                let error = anyhow::Error::new(error);
                import.note(format!(
                    "chunks of the head in {name} could not be read: {error:#}"
                ));
                continue;
            }
        };
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
            samples
                .floats
                .retain(|s| !wal.is_deleted(chunk.series_id, s.t_ms));
            samples
                .histograms
                .retain(|h| !wal.is_deleted(chunk.series_id, h.0));
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
