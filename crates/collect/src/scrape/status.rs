//! What the targets' page shows: who, how, since when, why not.

use super::error::{ScrapeError, TargetError};
use super::once::ScrapeSummary;
use super::target::Target;
use crate::schedule::TargetId;
use lapwing_types::Labels;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    Up,
    Down,
}

impl Health {
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

#[derive(Clone, Debug)]
pub struct TargetStatus {
    pub id: TargetId,
    pub job: String,
    pub target: Arc<Target>,
    pub health: Health,
    pub last_error: Option<ScrapeError>,
    /// `None` before the first scrape ended.
    pub last: Option<ScrapeSummary>,
    /// Slots that passed while a scrape was under way or the process was not.
    pub missed: u64,
}

/// A target that discovery found and that is not scraped.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedTarget {
    pub job: String,
    /// Before relabelling, as [`Target::discovered`].
    pub discovered: Labels,
    /// `None`: the job's own rules dropped it.
    pub error: Option<TargetError>,
}
