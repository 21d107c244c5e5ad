//! `global:` as Prometheus has it: intervals and the labels that leave the house with every alert.

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use crate::config::yaml::Node;
use lapwing_collect::scrape::ScrapeDefaults;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GlobalConfig {
    pub(crate) scrape_interval_ms: i64,
    pub(crate) scrape_timeout_ms: i64,
    pub(crate) evaluation_interval_ms: i64,
    /// How far back rules look whose group says nothing about it.
    pub(crate) rule_query_offset_ms: i64,
    pub(crate) external_labels: Vec<(String, String)>,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        GlobalConfig {
            scrape_interval_ms: 15_000,
            scrape_timeout_ms: 10_000,
            evaluation_interval_ms: 15_000,
            rule_query_offset_ms: 0,
            external_labels: Vec::new(),
        }
    }
}

impl GlobalConfig {
    pub(crate) fn scrape_defaults(&self) -> ScrapeDefaults {
        ScrapeDefaults {
            interval_ms: self.scrape_interval_ms,
            timeout_ms: self.scrape_timeout_ms,
        }
    }

    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = GlobalConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "global", notes);
        let scrape_interval_ms = map
            .duration_ms("scrape_interval", notes)
            .unwrap_or(default.scrape_interval_ms);
        let scrape_timeout_ms = map
            .duration_ms("scrape_timeout", notes)
            .unwrap_or(default.scrape_timeout_ms.min(scrape_interval_ms));
        if scrape_timeout_ms > scrape_interval_ms {
            notes.error(
                node.at,
                "global.scrape_timeout",
                "the scrape timeout is longer than the scrape interval",
            );
        }
        let config = GlobalConfig {
            scrape_interval_ms,
            scrape_timeout_ms,
            evaluation_interval_ms: map
                .duration_ms("evaluation_interval", notes)
                .unwrap_or(default.evaluation_interval_ms),
            rule_query_offset_ms: map
                .duration_ms("rule_query_offset", notes)
                .unwrap_or(default.rule_query_offset_ms),
            external_labels: map.text_map("external_labels", notes),
        };
        map.finish(notes);
        config
    }
}
