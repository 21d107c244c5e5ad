//! What can be wrong with a remote read request or answer.

use crate::chunk::ChunkError;
use crate::protobuf::ProtobufError;
use crate::remote_write::RemoteWriteError;
use lapwing_types::MatcherError;

#[derive(Debug, thiserror::Error)]
pub enum RemoteReadError {
    #[error("the message is not valid protobuf")]
    Protobuf {
        #[source]
        source: ProtobufError,
    },
    #[error("matcher type {code} is unknown")]
    UnknownMatcher { code: i32 },
    #[error("a matcher does not compile")]
    Matcher {
        #[source]
        source: MatcherError,
    },
    #[error("none of the accepted response types is known")]
    NoKnownResponseType,
    #[error("a series of the answer is invalid")]
    Series {
        #[source]
        source: RemoteWriteError,
    },
    #[error("a chunk of the series {series}")]
    Chunk {
        series: String,
        #[source]
        source: ChunkError,
    },
    #[error("frame of {claimed_bytes} bytes, the limit is {max_bytes}")]
    FrameTooLarge { claimed_bytes: u64, max_bytes: usize },
    #[error("the checksum of a frame is {found:#010x}, it should be {expected:#010x}")]
    Checksum { found: u32, expected: u32 },
    #[error("the stream ends inside a frame")]
    Truncated,
}

impl From<ProtobufError> for RemoteReadError {
    fn from(source: ProtobufError) -> Self {
        RemoteReadError::Protobuf { source }
    }
}

impl From<RemoteWriteError> for RemoteReadError {
    fn from(source: RemoteWriteError) -> Self {
        RemoteReadError::Series { source }
    }
}
