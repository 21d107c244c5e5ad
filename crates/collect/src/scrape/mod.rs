//! Scraping: one target's page into series, again and again.
//!
//! Reading order: [`ScrapeConfig`] (what was typed) → [`Job`] (checked) → [`Target`] (who, after relabelling) →
//! `once` (fetch, read, write) → [`Scraper`] (all targets, on time).

mod cache;
mod classic;
mod config;
mod error;
mod job;
mod once;
mod own;
mod page;
mod page_proto;
mod report;
mod scraper;
mod status;
mod target;

pub use config::{NameEscaping, NameValidation, ScrapeConfig, ScrapeDefaults, ScrapeProtocol};
pub use error::{JobError, ScrapeError, TargetError};
pub use job::{Fetch, FetchFuture, Job};
pub use once::{ScrapeState, ScrapeSummary};
pub use scraper::{Scraper, ScraperOptions, ScraperStats};
pub use status::{DroppedTarget, Health, TargetStatus};
pub use target::Target;
