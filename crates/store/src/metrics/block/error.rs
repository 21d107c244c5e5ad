//! Why a block could not be written or read.

use lapwing_types::Labels;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    #[error("{action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The page is quarantined; the rest of the block serves.
    #[error("page {page} of {path} is damaged: {reason}")]
    Damaged {
        path: PathBuf,
        page: u32,
        reason: &'static str,
    },
    /// Nothing of the block can be read.
    #[error("{path} is not a whole block: {reason}")]
    NotABlock { path: PathBuf, reason: &'static str },
    #[error("{path} was written by a newer release (format {found}, this one reads up to {known})")]
    Version { path: PathBuf, found: u8, known: u8 },
    #[error("series {labels} does not come after the one before it")]
    Order { labels: Labels },
    #[error("samples of series {labels} do not ascend by time, or their columns differ in length")]
    Columns { labels: Labels },
    #[error("a block holds at most {max} {what}")]
    TooLarge { what: &'static str, max: u64 },
}

impl BlockError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BlockError {
        move |source| BlockError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
