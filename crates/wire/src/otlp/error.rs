//! Why a request as a whole is refused (400), and why single points of it are.

use crate::protobuf::ProtobufError;
use lapwing_types::LabelsError;

#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("the request is not valid protobuf")]
    Protobuf {
        #[source]
        source: ProtobufError,
    },
    #[error("the request is not valid OTLP JSON")]
    Json {
        #[source]
        source: serde_json::Error,
    },
    #[error("attribute values are nested deeper than {max}")]
    TooDeep { max: usize },
}

/// Why a point was not taken; the rest of its request was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RejectReason {
    #[error("the metric has no name")]
    NoName,
    #[error("the metric has no data of a known kind")]
    NoData,
    #[error("the point has no value")]
    NoValue,
    #[error("a delta that is not finite")]
    DeltaNotFinite,
    #[error("the aggregation temporality is not given")]
    NoTemporality,
    #[error("the point has no time")]
    NoTime,
    #[error("a delta that is not newer than the last one of its series")]
    DeltaNotNewer,
    #[error("{series_max} delta series are kept already")]
    DeltaStateFull { series_max: usize },
    #[error("{bounds} bounds need {} buckets, there are {buckets}", bounds + 1)]
    BucketMismatch { bounds: usize, buckets: usize },
    #[error("the bounds are not ascending")]
    BoundsOrder,
    #[error("scale {scale} is below -4")]
    ScaleTooLow { scale: i32 },
    #[error("a bucket index is out of range")]
    BucketIndex,
    #[error("{count} attributes of {of}, the limit is {max}")]
    TooManyAttributes {
        of: &'static str,
        count: usize,
        max: usize,
    },
    #[error("for reasons that are too many to name")]
    TooManyReasons,
    #[error("the labels are invalid: {0}")]
    Labels(LabelsError),
    /// Understood, but not kept; the reason is the store's.
    #[error("not kept: {reason}")]
    NotKept { reason: String },
}

/// Points of one metric that were refused for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    pub metric: String,
    /// The first of these series, or as much as could be read of it; empty when the metric is all that is known.
    pub first: String,
    pub reason: RejectReason,
    pub points_count: u64,
}
