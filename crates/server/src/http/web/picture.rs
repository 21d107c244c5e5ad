//! A drawing on its way to a reader: what kind of file it is, and under which headers it leaves.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Svg,
    Png,
    Pdf,
}

impl Kind {
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "svg" => Some(Kind::Svg),
            "png" => Some(Kind::Png),
            "pdf" => Some(Kind::Pdf),
            _ => None,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Kind::Svg => "image/svg+xml",
            Kind::Png => "image/png",
            Kind::Pdf => "application/pdf",
        }
    }

    /// Opened by itself, a drawing may load and run nothing. A document has no policy: viewers of PDFs are pages themselves,
    /// which it would keep from showing anything.
    fn policy(self) -> Option<&'static str> {
        match self {
            Kind::Svg | Kind::Png => Some("default-src 'none'; style-src 'unsafe-inline'"),
            Kind::Pdf => None,
        }
    }

    /// What a document is called where it is kept; a drawing stands in a page.
    fn disposition(self, title: &str) -> Option<String> {
        (self == Kind::Pdf).then(|| format!("inline; filename=\"{}.pdf\"", file_name(title)))
    }
}

pub(super) fn answer(kind: Kind, title: &str, bytes: Vec<u8>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(kind.content_type()),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Some(policy) = kind.policy() {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    let disposition = kind.disposition(title);
    if let Some(value) = disposition.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    (headers, bytes).into_response()
}

/// What a file of this title is called: letters and digits of ASCII, the rest as single hyphens.
fn file_name(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric());
    let joined = words.filter(|w| !w.is_empty()).collect::<Vec<_>>().join("-");
    let short: String = joined.chars().take(60).collect();
    if short.is_empty() {
        "chart".to_owned()
    } else {
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_called_after_its_title() {
        assert_eq!(file_name("CPU busy, \"all\" hosts\r\n"), "CPU-busy-all-hosts");
        assert_eq!(file_name("模型"), "chart");
        assert_eq!(file_name(&"x".repeat(9000)).len(), 60);
    }

    #[test]
    fn only_what_a_page_shows_by_itself_has_a_policy() {
        for (kind, has_policy) in [(Kind::Svg, true), (Kind::Png, true), (Kind::Pdf, false)] {
            let headers = answer(kind, "t", Vec::new()).headers().clone();
            assert_eq!(
                headers.contains_key(header::CONTENT_SECURITY_POLICY),
                has_policy,
                "{kind:?}"
            );
            assert_eq!(
                headers.contains_key(header::CONTENT_DISPOSITION),
                !has_policy,
                "{kind:?}"
            );
            assert!(headers.contains_key(header::X_CONTENT_TYPE_OPTIONS), "{kind:?}");
        }
    }
}
