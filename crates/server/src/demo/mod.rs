//! A made-up day of three models, told by the same machinery that watches real ones.
//!
//! [`World`] invents what the models' servers, a GPU host and its GPUs expose, from a seed and the [`Story`] of what went
//! wrong when. [`fill`] writes 24 hours of it into a data directory and lets the real rules and the real dispatch judge
//! every step, so that alerts, decisions and deliveries are true of that data. [`Stage`] then plays on live: it serves
//! what the servers would, is scraped like any target, and takes the pages.
//!
//! Useful for: `lapwing demo`, browser tests, screenshots. Not for: anything that judges or keeps; that is what it shows.

mod embed;
mod exposition;
mod files;
mod gpus;
mod health;
mod history;
mod host;
mod programs;
mod rerank;
mod stage;
mod story;
mod vllm;
mod world;

pub(crate) use files::write_files;
pub(crate) use history::fill;
pub(crate) use programs::play_programs;
pub(crate) use stage::{Page, Stage};
pub(crate) use story::Story;
pub(crate) use world::World;
