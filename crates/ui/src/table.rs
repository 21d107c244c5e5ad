//! Look-up in the table that `build.rs` makes of `dist/`.
//!
//! Invariant: the table is sorted by path, so a look-up is a binary search and a path can only name a file that was
//! there at build time; no path ever reaches a file system.

/// One file of the web UI, kept only gzipped: every browser accepts it, and the server can unpack for those who don't.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// The content, gzipped.
    pub bytes_gzip: &'static [u8],
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `ETag`, quotes included, of the uncompressed content.
    pub etag: &'static str,
    /// The name carries a hash of the content, so the browser may keep it for ever.
    pub immutable: bool,
}

static TABLE: &[(&str, Asset)] = include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// The file at `path`; a leading slash is ignored. Directories are not files: use [`index`] for `/`.
pub fn asset(path: &str) -> Option<Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let at = TABLE.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    Some(TABLE[at].1)
}

/// The page itself, for `/` and for every path that is neither an API nor a file.
pub fn index() -> Asset {
    asset("index.html").expect("a test proves that dist/ holds index.html")
}

/// All paths, sorted.
pub fn paths() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(path, _)| *path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn text(asset: Asset) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(asset.bytes_gzip)
            .read_to_string(&mut text)
            .expect("gzipped UTF-8");
        text
    }

    #[test]
    fn the_page_is_there_and_names_only_files_that_are() {
        let page = text(index());
        let names: Vec<&str> = page
            .split('"')
            // The server writes in front where it stands.
            .filter_map(|s| s.strip_prefix('.'))
            .filter(|s| s.starts_with("/assets/") || *s == "/favicon.svg")
            .collect();
        assert!(names.len() >= 2, "script and style are linked: {page}");
        for name in names {
            assert!(asset(name).is_some(), "{name} is missing from dist/");
        }
    }

    #[test]
    fn the_page_asks_no_other_host_and_runs_no_inline_script() {
        let page = text(index());
        assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
        assert_eq!(
            page.matches("<script").count(),
            page.matches(" src=\"./").count(),
            "every script has a source on this host: {page}"
        );
    }

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        for path in paths() {
            let asset = asset(path).expect("listed");
            assert_eq!(asset.immutable, path.starts_with("assets/"), "{path}");
            assert!(asset.etag.starts_with('"') && asset.etag.ends_with('"'));
            assert_ne!(asset.content_type, "application/octet-stream", "{path}");
        }
        assert!(!index().immutable);
    }

    #[test]
    fn paths_outside_the_table_are_nothing() {
        for path in [
            "",
            "/",
            "assets",
            "../Cargo.toml",
            "SOURCES.sha256",
            "//index.html",
        ] {
            assert!(asset(path).is_none(), "{path:?}");
        }
    }
}
