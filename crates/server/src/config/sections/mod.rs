//! One file per section of `lapwing.yml`, and the whole that they make.

mod alerting;
mod discover;
mod global;
mod health;
mod host;
mod scrape;
mod store;
mod web;

pub(crate) use alerting::AlertingConfig;
pub(crate) use discover::DiscoverConfig;
pub(crate) use global::GlobalConfig;
pub(crate) use host::HostConfig;
pub(crate) use store::StoreConfig;
pub(crate) use web::{Role, Token, WebConfig};

use super::diagnostic::Diagnostics;
use super::reader::MapReader;
use super::yaml::Node;
use lapwing::HealthOptions;
use lapwing_collect::scrape::ScrapeConfig;

/// The whole configuration, resolved and valid.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) global: GlobalConfig,
    pub(crate) web: WebConfig,
    pub(crate) store: StoreConfig,
    pub(crate) host: HostConfig,
    pub(crate) discover: DiscoverConfig,
    pub(crate) scrape_configs: Vec<ScrapeConfig>,
    pub(crate) alerting: AlertingConfig,
    pub(crate) health: HealthOptions,
}

impl Config {
    pub(crate) fn read(root: &Node, notes: &mut Diagnostics) -> Self {
        let mut map = MapReader::new(root, "", notes);
        let global = GlobalConfig::read(map.node("global"), notes);
        let jobs = map.list("scrape_configs", notes);
        let config = Config {
            alerting: alerting::read(&mut map, &global, notes),
            health: health::read(&mut map, notes),
            scrape_configs: scrape::read(&jobs, global.scrape_defaults(), notes),
            global,
            web: WebConfig::read(map.node("web"), notes),
            store: StoreConfig::read(map.node("store"), notes),
            host: HostConfig::read(map.node("host"), notes),
            discover: DiscoverConfig::read(map.node("discover"), notes),
        };
        map.finish(notes);
        config
    }
}
