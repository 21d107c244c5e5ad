//! Cases as data: `=== name` opens one, `---` stands between input and what is expected of it.

use lapwing_types::WriteBatch;
use std::error::Error;

pub(crate) struct Case<'a> {
    pub(crate) name: &'a str,
    pub(crate) input: &'a str,
    pub(crate) expect: &'a str,
}

pub(crate) fn cases(file: &str) -> Vec<Case<'_>> {
    let mut all = Vec::new();
    for section in file.split("=== ").skip(1) {
        let (name, rest) = section.split_once('\n').expect("a name");
        let (input, expect) = rest.split_once("---\n").expect("a separator");
        all.push(Case {
            name,
            input,
            expect: expect.trim_end(),
        });
    }
    assert!(!all.is_empty());
    all
}

/// The message and its causes, as a log line would have them.
pub(crate) fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// A batch in few lines: series, then metadata.
pub(crate) fn summary(batch: &WriteBatch) -> String {
    let series = batch.series.iter().map(|s| {
        let mut text = s.labels.to_string();
        for sample in &s.samples {
            text += &format!(" {}@{}", sample.value, sample.t_ms);
        }
        for (t_ms, h) in &s.histograms {
            text += &format!(" {:?}@{t_ms}", h.counts);
        }
        for e in &s.exemplars {
            text += &format!(" # {} {} {:?}", e.labels, e.value, e.t_ms);
        }
        if let Some(start_ms) = s.start_ms {
            text += &format!(" since {start_ms}");
        }
        text
    });
    let metadata = batch
        .metadata
        .iter()
        .map(|(n, m)| format!("{n}: {} {:?} {:?}", m.kind, m.help, m.unit));
    series.chain(metadata).collect::<Vec<_>>().join("\n")
}
