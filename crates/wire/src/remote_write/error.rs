//! What can be wrong with a remote write request; all of it is the sender's fault (400), none of it retryable.

use crate::protobuf::ProtobufError;
use lapwing_types::LabelsError;

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
    #[error("{count} label references, the number must be even")]
    OddReferences { count: usize },
    #[error("samples and histograms in one series")]
    SamplesAndHistograms,
    #[error("{side} bucket {index} of the histogram overflows when its delta is added")]
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
        RemoteWriteError::InSeries {
            series: series.to_string(),
            source: Box::new(self),
        }
    }
}
