//! What can be wrong with a file of a Prometheus data directory. Offsets count from the start of the file.

use crate::chunk::ChunkError;
use lapwing_types::LabelsError;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TsdbError {
    #[error("the {file} starts with {found:#010x}, it should be {expected:#010x}")]
    Magic {
        file: &'static str,
        found: u32,
        expected: u32,
    },
    #[error("version {version} of the {file} is not supported")]
    Version { file: &'static str, version: u8 },
    #[error("the {what} ends too early")]
    Truncated { what: &'static str },
    #[error("the checksum of the {what} at {offset} is wrong")]
    Checksum { what: &'static str, offset: usize },
    #[error("the {what} is not valid UTF-8")]
    NotUtf8 { what: &'static str },
    #[error("symbol {index} is referred to, there are {count}")]
    SymbolBeyondEnd { index: u64, count: usize },
    #[error("the labels of a series are invalid")]
    Labels {
        #[source]
        source: LabelsError,
    },
    #[error("segment {segment} is missing")]
    MissingSegment { segment: u32 },
    #[error("a chunk of the series {series}")]
    Chunk {
        series: String,
        #[source]
        source: ChunkError,
    },
    #[error("record fragment of type {kind} at {offset} is out of place")]
    FragmentOrder { kind: u8, offset: usize },
    #[error("the log is compressed with zstd, which is not supported")]
    Zstd,
    #[error("a record of the log does not decompress")]
    Snappy,
}

impl From<LabelsError> for TsdbError {
    fn from(source: LabelsError) -> Self {
        TsdbError::Labels { source }
    }
}
