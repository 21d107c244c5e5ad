//! What can be wrong with a remote write request; all of it is the sender's fault (400), none of it retryable.

use crate::protobuf::ProtobufError;
use lapwing_types::LabelsError;
use std::borrow::Cow;
use std::fmt::Write;

/// Labels may be wrong for their very length: no error repeats more of them.
const SHOWN_CHARS_MAX: usize = 512;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RemoteWriteError {
    #[error("the message is not valid protobuf")]
    Protobuf {
        #[source]
        source: ProtobufError,
    },
    #[error("the message is remote write {got}, the content type says {expected}")]
    WrongVersion {
        expected: &'static str,
        got: &'static str,
    },
    #[error("the series {series}")]
    InSeries {
        series: String,
        #[source]
        source: Box<RemoteWriteError>,
    },
    /// Its labels cannot be decoded: its place in the request, from 1, and what could be read of them.
    #[error("series {number} of the request, {{{seen}}}")]
    AtSeries {
        number: usize,
        seen: String,
        #[source]
        source: Box<RemoteWriteError>,
    },
    #[error("the labels are invalid")]
    Labels {
        #[source]
        source: LabelsError,
    },
    #[error("the label __name__ is missing")]
    MissingName,
    #[error("the first symbol is {first:?}, it must be the empty string")]
    SymbolsStart { first: String },
    #[error("symbol {index} is referred to, the request has {count}")]
    SymbolBeyondEnd { index: u64, count: usize },
    #[error("symbol {index} is not valid UTF-8")]
    SymbolNotText { index: u64 },
    #[error("{count} label references, the number must be even")]
    OddReferences { count: usize },
    #[error("samples and histograms in one series")]
    SamplesAndHistograms,
    #[error("{side} bucket {index} of the histogram is below zero or above 2^64 when its delta is added")]
    DeltaOverflow { side: &'static str, index: usize },
    #[error("the histogram mixes integer and float counts")]
    MixedCounts,
}

impl From<ProtobufError> for RemoteWriteError {
    fn from(source: ProtobufError) -> Self {
        RemoteWriteError::Protobuf { source }
    }
}

impl From<LabelsError> for RemoteWriteError {
    fn from(source: LabelsError) -> Self {
        RemoteWriteError::Labels { source }
    }
}

impl RemoteWriteError {
    pub(crate) fn in_series(self, series: impl std::fmt::Display) -> Self {
        if self.is_named() {
            return self;
        }
        RemoteWriteError::InSeries {
            series: shortened(series.to_string()),
            source: Box::new(self),
        }
    }

    fn is_named(&self) -> bool {
        matches!(
            self,
            RemoteWriteError::InSeries { .. } | RemoteWriteError::AtSeries { .. }
        )
    }

    /// `pairs` is as much as could be read of its labels.
    pub(super) fn at_series<'a>(
        self,
        number: usize,
        pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Self {
        if self.is_named() {
            return self;
        }
        let mut seen = String::new();
        for (name, value) in pairs {
            let comma = if seen.is_empty() { "" } else { ", " };
            let _ = write!(seen, "{comma}{name}={value:?}");
            if seen.len() > SHOWN_CHARS_MAX {
                break;
            }
        }
        RemoteWriteError::AtSeries {
            number,
            seen: shortened(seen),
            source: Box::new(self),
        }
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}
