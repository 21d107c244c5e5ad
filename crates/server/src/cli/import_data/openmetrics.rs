//! OpenMetrics text with timestamps, line by line: a file of many gigabytes is mapped to series a million samples at a time.

use super::Import;
use anyhow::Context;
use lapwing_types::{Labels, Metadata, Sample, SeriesWrite};
use lapwing_wire::text::{Entry, Format, Parser, SampleRole};
use std::collections::HashMap;
use std::path::Path;

/// Samples gathered before they are handed over by series.
const GATHERED_MAX: usize = 1 << 20;

pub(super) fn read(path: &Path, import: &mut Import<'_>, now_ms: i64) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).context("it cannot be read")?;
    import.progress(&format!("{}: {} bytes", path.display(), bytes.len()));
    let mut parser = Parser::new(&bytes, Format::OpenMetrics)?;
    let mut gathered: HashMap<&str, usize> = HashMap::new();
    let mut writes: Vec<SeriesWrite> = Vec::new();
    let (mut count, mut undated, mut created) = (0usize, 0u64, 0u64);
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Type { family, kind } => about(import, &family).kind = kind,
            Entry::Help { family, text } => about(import, &family).help = text.into_owned(),
            Entry::Unit { family, unit } => about(import, &family).unit = unit.to_owned(),
            Entry::Sample(sample) if sample.role == SampleRole::Created => created += 1,
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
            hand_over(&mut writes, import)?;
            gathered.clear();
            count = 0;
        }
    }
    hand_over(&mut writes, import)?;
    if created > 0 {
        import.note(format!(
            "{created} samples that say when a counter was created are not carried over"
        ));
    }
    if undated > 0 {
        import.note(format!(
            "{undated} samples have no timestamp: they stand at the time of the import"
        ));
    }
    Ok(())
}

fn hand_over(writes: &mut Vec<SeriesWrite>, import: &mut Import<'_>) -> anyhow::Result<()> {
    for write in writes.drain(..) {
        import.add(write)?;
    }
    Ok(())
}

fn about<'i>(import: &'i mut Import<'_>, family: &str) -> &'i mut Metadata {
    import.metadata.entry(family.to_owned()).or_default()
}
