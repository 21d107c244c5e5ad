//! The built web UI as a table of files: what the server answers with for paths that are not an API.
//!
//! - [`asset`] looks a path up, [`index`] is the page for every other path (the UI's addresses are history-style).
//! - [`sources_hash`] ties `dist/` to the sources in `ui/`; a plain `cargo test` fails when they drift apart.
//!
//! Useful for: serving bytes. Not for: the sources (they are in `ui/`), HTTP (the server), reading files at run time.

mod sources;
mod table;

pub use sources::{HASH_FILE, sources_hash};
pub use table::{Asset, asset, index, paths};
