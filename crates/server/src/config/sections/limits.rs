//! `limits:` how much anyone may ask of Lapwing at once; each default with its derivation.

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use crate::config::yaml::Node;
use lapwing::QueryLimits;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LimitsConfig {
    /// Of one body as it comes. Prometheus sends at most a few MiB; 100 000 samples are about 10 MiB unpacked.
    pub(crate) body_bytes_max: usize,
    /// Of one body after decompression.
    pub(crate) unpacked_bytes_max: usize,
    /// For a whole body to arrive: the default body at half a MiB per second.
    pub(crate) body_timeout_ms: i64,
    /// Bodies that are read or worked on at this moment, all together; more are told to come again.
    pub(crate) bodies_bytes_max: usize,
    /// Samples per second that one source may send on average; `None` leaves it to the budget of memory.
    pub(crate) samples_per_second: Option<u64>,
    /// A connection costs a socket and about 20 KiB; 4 096 of them stay below 100 MiB.
    pub(crate) connections_max: usize,
    pub(crate) query: QueryLimitsConfig,
}

/// What one PromQL query may take.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueryLimitsConfig {
    pub(crate) timeout_ms: i64,
    pub(crate) concurrency_max: usize,
    pub(crate) samples_max: u64,
    pub(crate) lookback_ms: i64,
    pub(crate) experimental: bool,
    pub(crate) delayed_name_removal: bool,
    pub(crate) type_and_unit_labels: bool,
    pub(crate) start_timestamps: bool,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            body_bytes_max: 32 << 20,
            unpacked_bytes_max: 128 << 20,
            body_timeout_ms: 60_000,
            bodies_bytes_max: 512 << 20,
            samples_per_second: None,
            connections_max: 4096,
            query: QueryLimitsConfig::default(),
        }
    }
}

impl Default for QueryLimitsConfig {
    fn default() -> Self {
        let limits = QueryLimits::default();
        QueryLimitsConfig {
            timeout_ms: limits.timeout_ms,
            concurrency_max: limits.concurrency_max,
            samples_max: limits.options.samples_max,
            lookback_ms: limits.options.lookback_ms,
            experimental: limits.options.experimental,
            delayed_name_removal: limits.options.delayed_name_removal,
            type_and_unit_labels: limits.options.type_and_unit_labels,
            start_timestamps: limits.options.start_timestamps,
        }
    }
}

impl QueryLimitsConfig {
    pub(crate) fn engine_limits(&self) -> QueryLimits {
        let mut limits = QueryLimits {
            timeout_ms: self.timeout_ms,
            concurrency_max: self.concurrency_max,
            ..QueryLimits::default()
        };
        limits.options.samples_max = self.samples_max;
        limits.options.lookback_ms = self.lookback_ms;
        limits.options.experimental = self.experimental;
        limits.options.delayed_name_removal = self.delayed_name_removal;
        limits.options.type_and_unit_labels = self.type_and_unit_labels;
        limits.options.start_timestamps = self.start_timestamps;
        limits
    }

    fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = QueryLimitsConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "limits.query", notes);
        let config = QueryLimitsConfig {
            timeout_ms: positive_ms(&mut map, "timeout", notes).unwrap_or(default.timeout_ms),
            concurrency_max: map
                .count("concurrency", notes)
                .map_or(default.concurrency_max, |n| (n as usize).max(1)),
            samples_max: map.count("samples", notes).unwrap_or(default.samples_max),
            lookback_ms: positive_ms(&mut map, "lookback", notes).unwrap_or(default.lookback_ms),
            experimental: map
                .bool("experimental_functions", notes)
                .unwrap_or(default.experimental),
            delayed_name_removal: map
                .bool("delayed_name_removal", notes)
                .unwrap_or(default.delayed_name_removal),
            type_and_unit_labels: map
                .bool("type_and_unit_labels", notes)
                .unwrap_or(default.type_and_unit_labels),
            start_timestamps: map
                .bool("start_timestamps", notes)
                .unwrap_or(default.start_timestamps),
        };
        map.finish(notes);
        config
    }
}

/// Less than this would refuse what every sender sends.
const BODY_BYTES_MIN: u64 = 4096;

impl LimitsConfig {
    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = LimitsConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "limits", notes);
        let mut size = |key: &'static str, default: usize, notes: &mut Diagnostics| {
            let at = map.node(key).map(|n| n.at);
            let bytes = map.size_bytes(key, notes).unwrap_or(default as u64);
            if bytes < BODY_BYTES_MIN {
                let path = map.path_of(key);
                notes.error(
                    at.unwrap_or(node.at),
                    &path,
                    format!("{bytes} bytes are less than any request needs ({BODY_BYTES_MIN})"),
                );
            }
            bytes as usize
        };
        let body_bytes_max = size("body", default.body_bytes_max, notes);
        let unpacked_bytes_max = size("unpacked_body", default.unpacked_bytes_max, notes);
        let bodies_bytes_max = size("bodies", default.bodies_bytes_max, notes);
        if bodies_bytes_max < body_bytes_max {
            notes.error(
                node.at,
                "limits.bodies",
                "all bodies together may be less than one (limits.body)",
            );
        }
        let config = LimitsConfig {
            body_bytes_max,
            unpacked_bytes_max,
            bodies_bytes_max,
            body_timeout_ms: positive_ms(&mut map, "body_timeout", notes).unwrap_or(default.body_timeout_ms),
            samples_per_second: map.count("samples_per_second", notes).filter(|n| *n > 0),
            connections_max: map
                .count("connections", notes)
                .map_or(default.connections_max, |n| (n as usize).max(1)),
            query: QueryLimitsConfig::read(map.node("query"), notes),
        };
        map.finish(notes);
        config
    }
}

fn positive_ms(map: &mut MapReader<'_>, key: &'static str, notes: &mut Diagnostics) -> Option<i64> {
    let at = map.node(key)?.at;
    let ms = map.duration_ms(key, notes)?;
    if ms <= 0 {
        let path = map.path_of(key);
        notes.error(at, &path, "must be longer than nothing");
        return None;
    }
    Some(ms)
}

#[cfg(test)]
mod tests {
    fn complaints(text: &str) -> Vec<String> {
        let loaded = crate::config::load_text("f", text, &|_| None);
        loaded.diagnostics.iter().map(|d| d.message.clone()).collect()
    }

    #[test]
    fn limits_that_would_refuse_everything_are_mistakes() {
        assert_eq!(
            complaints("limits: { body: 1MiB, query: { timeout: 5s } }"),
            Vec::<String>::new()
        );
        assert_eq!(
            complaints("limits: { body: 1KiB }"),
            ["1024 bytes are less than any request needs (4096)"]
        );
        assert_eq!(
            complaints("limits: { query: { timeout: 0 } }"),
            ["must be longer than nothing"]
        );
        assert_eq!(
            complaints("limits: { bodies: 1MiB }"),
            ["all bodies together may be less than one (limits.body)"]
        );
    }
}
