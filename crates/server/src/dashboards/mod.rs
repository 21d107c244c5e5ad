//! Dashboards: data in YAML, one file each, in a folder that people keep under version control.
//!
//! - [`Board`] is what a file says; [`Board::read`] names every mistake. [`packs`] are the ones that come with Lapwing.
//! - [`Choices`] fills in what is chosen of a board's variables.
//! - [`Folder`] lists, reads and replaces files; a name can never lead out of it.
//! - [`from_grafana`] turns Grafana's JSON into a board and says what did not carry over.
//!
//! Useful for: what a panel may hold, where it is kept. Not for: drawing and asking (the web UI and
//! `http/web/document` do).

mod board;
mod choice;
mod folder;
mod grafana;
mod packs;

pub(crate) use board::{Board, Kind, Panel, Threshold, Tone};
pub(crate) use choice::Choices;
pub(crate) use folder::{Folder, FolderError};
pub(crate) use grafana::from_grafana;
pub(crate) use packs::packs;
