//! Dashboards: data in YAML, one file each, in a folder that people keep under version control.
//!
//! - [`Board`] is what a file says; [`Board::read`] names every mistake. [`packs`] are the ones that come with Lapwing.
//! - [`Folder`] lists, reads and replaces files; a name can never lead out of it.
//! - [`from_grafana`] turns Grafana's JSON into a board and says what did not carry over.
//!
//! Useful for: what a panel may hold, where it is kept. Not for: drawing (the web UI does), asking (the query API does).

mod board;
mod folder;
mod grafana;
mod packs;

pub(crate) use board::Board;
pub(crate) use folder::{Folder, FolderError};
pub(crate) use grafana::from_grafana;
pub(crate) use packs::packs;
