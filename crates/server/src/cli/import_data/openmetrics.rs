//! OpenMetrics text with timestamps, line by line: a file of many gigabytes takes no more memory than a small one. Lines are gathered
//! by series, a million samples at a time; one that makes no sense costs itself alone, and is named at the end.
//!
//! When counters began may be told anywhere in it (`_created`): the file is gone through once for that alone. What can be read only
//! once (a pipe) tells it for the samples that follow, and for those gathered with it.

use super::Import;
use anyhow::Context;
use lapwing_types::{Labels, Metadata, Sample, SeriesWrite};
use lapwing_wire::text::{CreatedTimes, Entry, Lines, ParseError, RawSample, SampleRole, read_created};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// Samples gathered before they are handed over by series.
const GATHERED_MAX: usize = 1 << 20;
/// The same for the texts of series, which may be long.
const GATHERED_BYTES_MAX: usize = 64 << 20;
/// Lines that make no sense and are named; all are counted.
const BAD_NAMED_MAX: u64 = 20;

pub(super) fn read(path: &Path, import: &mut Import<'_>, now_ms: i64) -> anyhow::Result<()> {
    let file = File::open(path).context("it cannot be opened")?;
    let about = file.metadata().context("it cannot be opened")?;
    import.progress(&format!("{}: {} bytes", path.display(), about.len()));
    let mut gathered = Gathered {
        now_ms,
        ..Gathered::default()
    };
    if about.is_file() {
        let file = File::open(path).context("it cannot be opened")?;
        gathered.created = read_created(file).context("it cannot be read")?;
    }
    let mut bad = Bad::default();
    let mut lines = Lines::new(file);
    while let Some(line) = lines.next_line().context("it cannot be read")? {
        let number = line.number;
        let taken = line.entry.and_then(|entry| match entry {
            Some(entry) => gathered.take(&entry, import),
            None => Ok(()),
        });
        if let Err(error) = taken {
            bad.note(error.on_line(number));
        }
        if gathered.samples >= GATHERED_MAX || gathered.text_bytes >= GATHERED_BYTES_MAX {
            gathered.hand_over(import)?;
            import.progress(&format!("{}: {number} lines", path.display()));
        }
    }
    gathered.hand_over(import)?;
    bad.say(path, gathered.has_samples, import)?;
    if gathered.undated > 0 {
        import.note(format!(
            "{} samples have no timestamp: they stand at the time of the import",
            gathered.undated
        ));
    }
    Ok(())
}

/// What was read and is not handed over yet.
#[derive(Default)]
struct Gathered {
    now_ms: i64,
    created: CreatedTimes,
    by_text: HashMap<String, usize>,
    writes: Vec<SeriesWrite>,
    samples: usize,
    text_bytes: usize,
    undated: u64,
    has_samples: bool,
}

impl Gathered {
    fn take(&mut self, entry: &Entry<'_>, import: &mut Import<'_>) -> Result<(), ParseError> {
        match entry {
            Entry::Type { family, kind } => about(import, family).kind = *kind,
            Entry::Help { family, text } => about(import, family).help = text.clone().into_owned(),
            Entry::Unit { family, unit } => about(import, family).unit = (*unit).to_owned(),
            Entry::Sample(sample) if sample.role == SampleRole::Created => self.created.note(sample)?,
            Entry::Sample(sample) => self.sample(sample)?,
        }
        Ok(())
    }

    fn sample(&mut self, sample: &RawSample<'_>) -> Result<(), ParseError> {
        let exemplar = sample.exemplar()?;
        let text = sample.series_text();
        let at = match self.by_text.get(text) {
            Some(at) => *at,
            None => {
                let labels: Labels = sample.labels()?;
                self.writes.push(SeriesWrite {
                    labels,
                    ..SeriesWrite::default()
                });
                self.by_text.insert(text.to_owned(), self.writes.len() - 1);
                self.text_bytes += text.len();
                self.writes.len() - 1
            }
        };
        let write = &mut self.writes[at];
        write.samples.push(Sample {
            t_ms: sample.t_ms.unwrap_or(self.now_ms),
            value: sample.value,
        });
        write.exemplars.extend(exemplar.map(|mut exemplar| {
            exemplar.t_ms = exemplar.t_ms.or(sample.t_ms);
            exemplar
        }));
        self.undated += u64::from(sample.t_ms.is_none());
        self.samples += 1;
        self.has_samples = true;
        Ok(())
    }

    fn hand_over(&mut self, import: &mut Import<'_>) -> anyhow::Result<()> {
        for write in self.writes.drain(..) {
            for part in by_start(write, &self.created) {
                import.add(part)?;
            }
        }
        self.by_text.clear();
        (self.samples, self.text_bytes) = (0, 0);
        Ok(())
    }
}

/// Lines that make no sense.
#[derive(Default)]
struct Bad {
    count: u64,
    first: Vec<ParseError>,
}

impl Bad {
    fn note(&mut self, error: ParseError) {
        self.count += 1;
        if self.count <= BAD_NAMED_MAX {
            self.first.push(error);
        }
    }

    /// Where there is no sample at all it is another kind of file, and the first line that makes no sense says why.
    fn say(mut self, path: &Path, has_samples: bool, import: &mut Import<'_>) -> anyhow::Result<()> {
        if !has_samples && !self.first.is_empty() {
            return Err(self.first.swap_remove(0).into());
        }
        for error in &self.first {
            import.note(format!("{}: {error}", path.display()));
        }
        if self.count > BAD_NAMED_MAX {
            import.note(format!(
                "{}: {} more lines make no sense",
                path.display(),
                self.count - BAD_NAMED_MAX
            ));
        }
        Ok(())
    }
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
