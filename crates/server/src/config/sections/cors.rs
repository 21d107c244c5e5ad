//! `web.cors_origin`: which other sites' pages may read the API from a browser. Nobody's, unless it is said.

use lapwing_types::go_regex_whole;
use regex::Regex;

/// A pattern of origins that covers the whole origin, as Prometheus's `--web.cors.origin`.
#[derive(Clone, Debug)]
pub(crate) struct CorsOrigin {
    pattern: Regex,
    is_any: bool,
}

impl CorsOrigin {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let pattern = go_regex_whole(text).map_err(|e| e.to_string())?;
        Ok(CorsOrigin {
            pattern,
            is_any: text == ".*",
        })
    }

    /// What a browser is told of this origin: itself, everybody, or nothing.
    pub(crate) fn allowed<'o>(&self, origin: &'o str) -> Option<&'o str> {
        match self.is_any {
            true => Some("*"),
            false => Some(origin).filter(|o| self.pattern.is_match(o)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_covers_the_whole_origin() {
        let check = |pattern: &str, origin: &str, expect: Option<&str>| {
            let parsed = CorsOrigin::parse(pattern).unwrap();
            assert_eq!(parsed.allowed(origin), expect, "{pattern} {origin}");
        };
        let two = r"https?://(a|b)\.example";
        check(two, "https://a.example", Some("https://a.example"));
        check(two, "https://a.example.evil.example", None);
        check(two, "https://evil.example/https://a.example", None);
        check("https://a|https://b", "https://b", Some("https://b"));
        check("https://a|https://b", "https://bad", None);
        check(".*", "null", Some("*"));
        check(".+", "https://x", Some("https://x"));
        assert!(CorsOrigin::parse("(").is_err());
    }
}
