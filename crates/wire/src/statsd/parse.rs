//! One StatsD line: `name:value[:value…]|type[|@rate][|#tag:value,…]`; InfluxDB's `name,tag=value:1|c` too.

use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatsdKind {
    Counter,
    Gauge,
    /// Milliseconds.
    Timer,
    /// Histograms and distributions, in whatever unit they came.
    Histogram,
    Set,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StatsdLine<'a> {
    pub name: &'a str,
    pub kind: StatsdKind,
    /// Separated by colons; DogStatsD packs several into a line.
    pub values: &'a str,
    /// Above 0, at most 1.
    pub sample_rate: f64,
    pub tags: Vec<(Cow<'a, str>, &'a str)>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatsdError {
    #[error("the line is not valid UTF-8")]
    NotUtf8,
    #[error("there is no colon after the name")]
    NoColon,
    #[error("the name is empty")]
    EmptyName,
    #[error("there is no type")]
    NoKind,
    #[error("{word:?} is not a StatsD type")]
    UnknownKind { word: String },
    #[error("{text:?} is not a number")]
    BadValue { text: String },
    #[error("{text:?} is not a sample rate above 0 and up to 1")]
    BadRate { text: String },
    #[error("events and service checks are not metrics")]
    NotAMetric,
}

/// Parses a line without its line end.
pub fn parse_line(line: &[u8]) -> Result<StatsdLine<'_>, StatsdError> {
    let line = std::str::from_utf8(line).map_err(|_| StatsdError::NotUtf8)?;
    if line.starts_with("_e{") || line.starts_with("_sc|") {
        return Err(StatsdError::NotAMetric);
    }
    let mut sections = line.split('|');
    let head = sections.next().unwrap_or("");
    let (full_name, values) = head.split_once(':').ok_or(StatsdError::NoColon)?;
    let mut full_name = full_name.split(',');
    let name = full_name.next().unwrap_or("");
    if name.is_empty() {
        return Err(StatsdError::EmptyName);
    }
    let mut parsed = StatsdLine {
        name,
        kind: parse_kind(sections.next().ok_or(StatsdError::NoKind)?)?,
        values,
        sample_rate: 1.0,
        tags: full_name.map(|tag| split_tag(tag, '=')).collect(),
    };
    for section in sections {
        if let Some(rate) = section.strip_prefix('@') {
            parsed.sample_rate = parse_rate(rate)?;
        } else if let Some(tags) = section.strip_prefix('#') {
            let tags = tags.split(',').filter(|tag| !tag.is_empty());
            parsed.tags.extend(tags.map(|tag| split_tag(tag, ':')));
        }
        // Container ids, timestamps and what else DogStatsD invents do not change the metric.
    }
    Ok(parsed)
}

fn parse_kind(word: &str) -> Result<StatsdKind, StatsdError> {
    Ok(match word {
        "c" => StatsdKind::Counter,
        "g" => StatsdKind::Gauge,
        "ms" => StatsdKind::Timer,
        "h" | "d" => StatsdKind::Histogram,
        "s" => StatsdKind::Set,
        word => {
            return Err(StatsdError::UnknownKind {
                word: word.chars().take(20).collect(),
            });
        }
    })
}

fn parse_rate(text: &str) -> Result<f64, StatsdError> {
    crate::text::parse_float(text)
        .filter(|rate| *rate > 0.0 && *rate <= 1.0)
        .ok_or_else(|| StatsdError::BadRate {
            text: text.chars().take(20).collect(),
        })
}

/// A tag without a value is true.
fn split_tag(tag: &str, separator: char) -> (Cow<'_, str>, &str) {
    let (name, value) = tag.split_once(separator).unwrap_or((tag, "true"));
    let name = crate::names::escape_underscores(name);
    if name.contains(':') {
        (Cow::Owned(name.replace(':', "_")), value)
    } else {
        (name, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, expect: &str) {
        let found = match parse_line(line.as_bytes()) {
            Ok(l) => format!(
                "{:?} {} {} @{} {:?}",
                l.kind, l.name, l.values, l.sample_rate, l.tags
            ),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn lines() {
        check("gorets:1|c", "Counter gorets 1 @1 []");
        check("gorets:1|c|@0.1", "Counter gorets 1 @0.1 []");
        check("glork:320|ms|@0.1", "Timer glork 320 @0.1 []");
        check("gaugor:+4|g", "Gauge gaugor +4 @1 []");
        check("uniques:a b|s", "Set uniques a b @1 []");
        check("r.t:1.5:2.5|d", "Histogram r.t 1.5:2.5 @1 []");
        check(
            "users.online:1|c|#country:china,env,a.b:x:y|c:0123|T1656581400",
            r#"Counter users.online 1 @1 [("country", "china"), ("env", "true"), ("a_b", "x:y")]"#,
        );
        check(
            "cpu,host=a,core=1:5|g",
            r#"Gauge cpu 5 @1 [("host", "a"), ("core", "1")]"#,
        );
    }

    #[test]
    fn bad_lines() {
        check("", "there is no colon after the name");
        check("a", "there is no colon after the name");
        check(":1|c", "the name is empty");
        check("a:1", "there is no type");
        check("a:1|x", "\"x\" is not a StatsD type");
        check("a:1|c|@0", "\"0\" is not a sample rate above 0 and up to 1");
        check("a:1|c|@NaN", "\"NaN\" is not a sample rate above 0 and up to 1");
        check("_e{5,4}:title|text", "events and service checks are not metrics");
        check("_sc|Redis|0", "events and service checks are not metrics");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(line: Vec<u8>) {
            let _ = parse_line(&line);
        }
    }
}
