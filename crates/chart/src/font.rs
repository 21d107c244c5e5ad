//! The one font that is embedded, so that a container without fonts draws what a desktop draws.

/// Inter, cut down to Latin, Greek and Cyrillic; SIL Open Font License 1.1, see `font/OFL.txt`.
pub(crate) const FONT: &[u8] = include_bytes!("../font/Inter-subset.otf");
pub(crate) const FAMILY: &str = "Inter";
