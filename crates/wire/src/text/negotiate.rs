//! Which exposition format a client asks for (`Accept`), and which one an answer is in (`Content-Type`).

use super::parser::Format;
use crate::names;
use std::borrow::Cow;

/// A format on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Version 0.0.4, or 1.0.0 when names may be quoted.
    Text,
    OpenMetrics,
    /// Length-delimited `io.prometheus.client.MetricFamily`.
    Protobuf,
}

/// How names outside the legacy character set are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escaping {
    /// As they are, in quotes.
    AllowUtf8,
    Underscores,
    Dots,
    Values,
}

impl Escaping {
    pub(crate) fn metric_name<'n>(self, name: &'n str) -> Cow<'n, str> {
        match self {
            Escaping::AllowUtf8 => Cow::Borrowed(name),
            Escaping::Underscores => names::escape_underscores(name),
            Escaping::Dots => Cow::Owned(names::escape_dots(name)),
            Escaping::Values => names::escape_values(name),
        }
    }

    /// A colon is fine in a metric's name and not in a label's.
    pub(crate) fn label_name<'n>(self, name: &'n str) -> Cow<'n, str> {
        if self == Escaping::AllowUtf8 || names::is_legacy_label_name(name) {
            return Cow::Borrowed(name);
        }
        let escaped = self.metric_name(name);
        if escaped.contains(':') {
            Cow::Owned(escaped.replace(':', "_"))
        } else {
            escaped
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    pub exposition: Exposition,
    pub escaping: Escaping,
}

impl Negotiated {
    /// The text formats' side of this answer; protobuf is asked for only by those who list it.
    pub fn text_format(&self) -> Format {
        match self.exposition {
            Exposition::OpenMetrics => Format::OpenMetrics,
            Exposition::Text | Exposition::Protobuf => Format::Prometheus,
        }
    }

    /// The header that goes with a body in this format.
    pub fn content_type(&self) -> String {
        let escaping = match self.escaping {
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        };
        let (media, version) = match (self.exposition, self.escaping) {
            (Exposition::Text, Escaping::AllowUtf8) => ("text/plain", "1.0.0"),
            (Exposition::Text, _) => ("text/plain", "0.0.4"),
            (Exposition::OpenMetrics, _) => ("application/openmetrics-text", "1.0.0"),
            (Exposition::Protobuf, _) => {
                return format!(
                    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                     encoding=delimited; escaping={escaping}"
                );
            }
        };
        format!("{media}; version={version}; charset=utf-8; escaping={escaping}")
    }
}

/// The best of what the client accepts: highest `q`, first named among equals. Nothing understood means plain text.
pub fn negotiate(accept: &str, offer: &[Exposition]) -> Negotiated {
    let mut best: Option<(f32, Negotiated)> = None;
    let ranges: Vec<Media> = accept.split(',').map(Media::parse).collect();
    // A Prometheus says beside text alone which names it takes, and means protobuf too.
    let elsewhere = ranges.iter().find_map(|media| media.escaping());
    for media in &ranges {
        let q: f32 = media.parameter("q").and_then(|q| q.parse().ok()).unwrap_or(1.0);
        let Some(mut negotiated) = media.understood().filter(|n| offer.contains(&n.exposition)) else {
            continue;
        };
        if let (Exposition::Protobuf, None, Some(escaping)) =
            (negotiated.exposition, media.escaping(), elsewhere)
        {
            negotiated.escaping = escaping;
        }
        if q > 0.0 && best.is_none_or(|(best_q, _)| q > best_q) {
            best = Some((q, negotiated));
        }
    }
    best.map_or(
        Negotiated {
            exposition: Exposition::Text,
            escaping: Escaping::Underscores,
        },
        |(_, negotiated)| negotiated,
    )
}

/// The format of a scraped body; `None` for a media type that is none of ours (the caller may have a fallback).
pub fn from_content_type(content_type: &str) -> Option<Exposition> {
    let media = Media::parse(content_type);
    match media.name.as_str() {
        "*/*" => None,
        _ => media.understood().map(|n| n.exposition),
    }
}

struct Media {
    name: String,
    parameters: Vec<(String, String)>,
}

impl Media {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';');
        let name = parts.next().unwrap_or("").trim().to_ascii_lowercase();
        let parameters = parts
            .filter_map(|part| part.split_once('='))
            .map(|(k, v)| {
                (
                    k.trim().to_ascii_lowercase(),
                    v.trim().trim_matches('"').to_owned(),
                )
            })
            .collect();
        Media { name, parameters }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    fn understood(&self) -> Option<Negotiated> {
        let exposition = match self.name.as_str() {
            "application/openmetrics-text" => Exposition::OpenMetrics,
            "text/plain" | "text/*" | "*/*" => Exposition::Text,
            "application/vnd.google.protobuf"
                if self.parameter("proto") == Some("io.prometheus.client.MetricFamily")
                    && self.parameter("encoding") == Some("delimited") =>
            {
                Exposition::Protobuf
            }
            _ => return None,
        };
        let escaping = self.escaping().unwrap_or(Escaping::Underscores);
        Some(Negotiated { exposition, escaping })
    }

    fn escaping(&self) -> Option<Escaping> {
        match self.parameter("escaping")? {
            "allow-utf-8" => Some(Escaping::AllowUtf8),
            "dots" => Some(Escaping::Dots),
            "values" => Some(Escaping::Values),
            _ => Some(Escaping::Underscores),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Exposition; 3] = [Exposition::Text, Exposition::OpenMetrics, Exposition::Protobuf];

    fn check(accept: &str, exposition: Exposition, escaping: Escaping) {
        let expect = Negotiated { exposition, escaping };
        assert_eq!(negotiate(accept, &ALL), expect, "{accept}");
    }

    #[test]
    fn takes_the_best_that_it_knows() {
        check("", Exposition::Text, Escaping::Underscores);
        check("*/*", Exposition::Text, Escaping::Underscores);
        check("application/json", Exposition::Text, Escaping::Underscores);
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Exposition::OpenMetrics,
            Escaping::AllowUtf8,
        );
        check(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
             text/plain;q=0.9;escaping=values",
            Exposition::Text,
            Escaping::Values,
        );
        // As Prometheus 3.5 asks when it wants native histograms.
        check(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3",
            Exposition::Protobuf,
            Escaping::AllowUtf8,
        );
        check(
            "text/plain;q=0.3, application/openmetrics-text;q=0",
            Exposition::Text,
            Escaping::Underscores,
        );
    }

    #[test]
    fn offers_only_what_it_has() {
        let accept = "application/openmetrics-text, text/plain;q=0.1";
        assert_eq!(
            negotiate(accept, &[Exposition::Text]).exposition,
            Exposition::Text
        );
    }

    #[test]
    fn names_its_answer_so_that_others_understand() {
        for exposition in ALL {
            for escaping in [Escaping::AllowUtf8, Escaping::Dots] {
                let header = Negotiated { exposition, escaping }.content_type();
                assert_eq!(from_content_type(&header), Some(exposition), "{header}");
                check(&header, exposition, escaping);
            }
        }
        assert_eq!(from_content_type("text/html"), None);
        assert_eq!(from_content_type(""), None);
    }
}
