//! OpenMetrics text with timestamps, line by line: a file of many gigabytes is mapped to series a million samples at a time.
//!
//! When counters began may be told anywhere in it (`_created`): where it is, the file is gone through once for that alone.

use super::Import;
use anyhow::Context;
use lapwing_types::{Labels, Metadata, Sample, SeriesWrite};
use lapwing_wire::text::{CreatedTimes, Entry, Format, Parser, SampleRole};
use std::collections::HashMap;
use std::path::Path;

/// Samples gathered before they are handed over by series.
const GATHERED_MAX: usize = 1 << 20;

pub(super) fn read(path: &Path, import: &mut Import<'_>, now_ms: i64) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).context("it cannot be read")?;
    import.progress(&format!("{}: {} bytes", path.display(), bytes.len()));
    let created = created(&bytes)?;
    let mut parser = Parser::new(&bytes, Format::OpenMetrics)?;
    let mut gathered: HashMap<&str, usize> = HashMap::new();
    let mut writes: Vec<SeriesWrite> = Vec::new();
    let (mut count, mut undated) = (0usize, 0u64);
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Type { family, kind } => about(import, &family).kind = kind,
            Entry::Help { family, text } => about(import, &family).help = text.into_owned(),
            Entry::Unit { family, unit } => about(import, &family).unit = unit.to_owned(),
            Entry::Sample(sample) if sample.role == SampleRole::Created => {}
            Entry::Sample(sample) => {
                let text = sample.series_text();
                let at = match gathered.get(text) {
                    Some(at) => *at,
                    None => {
                        let labels: Labels = sample.labels()?;
                        writes.push(SeriesWrite {
                            labels,
                            ..SeriesWrite::default()
                        });
                        gathered.insert(text, writes.len() - 1);
                        writes.len() - 1
                    }
                };
                undated += u64::from(sample.t_ms.is_none());
                let write = &mut writes[at];
                write.samples.push(Sample {
                    t_ms: sample.t_ms.unwrap_or(now_ms),
                    value: sample.value,
                });
                let t_ms = sample.t_ms;
                write.exemplars.extend(sample.exemplar()?.map(|mut exemplar| {
                    exemplar.t_ms = exemplar.t_ms.or(t_ms);
                    exemplar
                }));
                count += 1;
            }
        }
        if count >= GATHERED_MAX {
            hand_over(&mut writes, &created, import)?;
            gathered.clear();
            count = 0;
        }
    }
    hand_over(&mut writes, &created, import)?;
    if undated > 0 {
        import.note(format!(
            "{undated} samples have no timestamp: they stand at the time of the import"
        ));
    }
    Ok(())
}

fn hand_over(
    writes: &mut Vec<SeriesWrite>,
    created: &CreatedTimes,
    import: &mut Import<'_>,
) -> anyhow::Result<()> {
    for write in writes.drain(..) {
        for part in by_start(write, created) {
            import.add(part)?;
        }
    }
    Ok(())
}

fn created(bytes: &[u8]) -> anyhow::Result<CreatedTimes> {
    let mut created = CreatedTimes::default();
    if bytes.windows(8).any(|w| w == b"_created") {
        let mut parser = Parser::new(bytes, Format::OpenMetrics)?;
        while let Some(entry) = parser.next_entry()? {
            if let Entry::Sample(sample) = entry {
                created.note(&sample)?;
            }
        }
    }
    Ok(created)
}

/// The samples of a series by the start that they belong to: the last that is not after them.
fn by_start(mut write: SeriesWrite, created: &CreatedTimes) -> Vec<SeriesWrite> {
    let Some(starts_ms) = created.of(&write.labels) else {
        return vec![write];
    };
    let start_of = |sample: &Sample| starts_ms.range(..=sample.t_ms).next_back().copied();
    write.samples.sort_by_key(|s| s.t_ms);
    let runs = write.samples.chunk_by(|a, b| start_of(a) == start_of(b));
    let mut parts: Vec<SeriesWrite> = runs
        .map(|run| SeriesWrite {
            labels: write.labels.clone(),
            samples: run.to_vec(),
            start_ms: start_of(&run[0]),
            ..SeriesWrite::default()
        })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.exemplars = write.exemplars;
    }
    parts
}

fn about<'i>(import: &'i mut Import<'_>, family: &str) -> &'i mut Metadata {
    import.metadata.entry(family.to_owned()).or_default()
}
