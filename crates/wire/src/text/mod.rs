//! The two text formats of metrics: Prometheus 0.0.4 and OpenMetrics 1.0, read and written.
//!
//! Reading order: [`Parser`] (lines to entries, the hot path of scraping), `series` (a series' text to labels),
//! `number`, `created` (when counters began), `batch` (a whole page at once), `lines` (what is too long for that), `write` (families to a page), `negotiate` (which format, for whom),
//! `error`.

mod batch;
mod created;
mod error;
mod lines;
mod negotiate;
mod number;
mod parser;
mod series;
mod write;

pub use batch::parse_to_batch;
pub use created::CreatedTimes;
pub use error::{ParseError, ParseReason};
pub use lines::{LINE_BYTES_MAX, Line, Lines, read_created};
pub use negotiate::{Escaping, Exposition, Negotiated, from_content_type, negotiate};
pub(crate) use number::format_canonical_label as canonical_label;
pub use number::{format_float, parse_float};
pub use parser::{Entry, Format, Parser, RawSample, SampleRole};
pub use write::{Family, FamilySample, PageWriter, write};
