//! REMEMBER: everything that Lapwing keeps.
//!
//! Useful for: appending samples, reading them back through a consistent snapshot, alert state that survives a crash.
//! Not for: decoding what arrives (`wire`), asking questions in a language (`query`), deciding (`judge`).
//!
//! Only this crate touches the data directory. No clock is read here: `now_ms` is an argument.

mod bytes;
mod journal;
pub mod metrics;
mod source;
#[cfg(feature = "state")]
pub mod state;

pub use journal::{Journal, JournalError};
pub use source::{
    ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, SeriesSource, TierColumn, TierHint,
    UNKNOWN_START,
};
