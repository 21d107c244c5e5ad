//! One file per section of `lapwing.yml`, and the whole that they make.

pub(crate) mod alerting;
mod alertmanagers;
mod blackbox;
mod cors;
mod dashboards;
mod discover;
mod global;
mod health;
mod host;
mod limits;
mod notify;
mod objectives;
pub(crate) mod otlp;
mod receive;
pub(crate) mod scrape;
pub(crate) mod store;
mod tls;
mod web;

pub(crate) use alerting::{AlertingConfig, foreign_keys};
pub(crate) use blackbox::BlackboxConfig;
pub(crate) use cors::CorsOrigin;
pub(crate) use dashboards::DashboardsConfig;
pub(crate) use discover::DiscoverConfig;
pub(crate) use global::GlobalConfig;
pub(crate) use host::HostConfig;
pub(crate) use limits::LimitsConfig;
pub(crate) use notify::{notify_of, read_alertmanager};
pub(crate) use receive::ReceiveConfig;
pub(crate) use store::StoreConfig;
pub(crate) use tls::{TlsParts, read_file};
pub(crate) use web::{BasicUser, Role, Token, WebConfig, listen_address, normal_prefix};

use super::diagnostic::Diagnostics;
use super::reader::MapReader;
use super::yaml::Node;
use lapwing::HealthOptions;
use lapwing_collect::scrape::ScrapeConfig;
use lapwing_wire::otlp::OtlpOptions;
use std::sync::Arc;

/// The whole configuration, resolved and valid.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) global: GlobalConfig,
    pub(crate) web: WebConfig,
    pub(crate) store: StoreConfig,
    pub(crate) host: HostConfig,
    pub(crate) discover: DiscoverConfig,
    pub(crate) limits: LimitsConfig,
    pub(crate) receive: ReceiveConfig,
    pub(crate) otlp: OtlpOptions,
    pub(crate) dashboards: DashboardsConfig,
    pub(crate) scrape_configs: Vec<ScrapeConfig>,
    pub(crate) alerting: AlertingConfig,
    pub(crate) health: Arc<HealthOptions>,
    pub(crate) blackbox: BlackboxConfig,
}

impl Config {
    pub(crate) fn read(root: &Node, notes: &mut Diagnostics) -> Self {
        let mut map = MapReader::new(root, "", notes);
        let global = GlobalConfig::read(map.node("global"), notes);
        let dir = alerting::base_dir(notes);
        let jobs = map.list("scrape_configs", notes).into_iter();
        let jobs: Vec<(Node, String)> = jobs
            .map(|(node, path)| (scrape::written_in(node, &dir), path))
            .collect();
        let web = WebConfig::read(map.node("web"), notes);
        let health = health::read(&mut map, notes);
        let config = Config {
            alerting: alerting::read(
                &mut map,
                (&global, &web.seen_from_outside(), &health.models),
                notes,
            ),
            health: Arc::new(health),
            blackbox: BlackboxConfig::read(map.node("blackbox"), notes),
            scrape_configs: scrape::read(&jobs, global.scrape_defaults(), notes),
            global,
            web,
            store: StoreConfig::read(map.node("store"), notes),
            host: HostConfig::read(map.node("host"), notes),
            discover: DiscoverConfig::read(map.node("discover"), notes),
            limits: LimitsConfig::read(map.node("limits"), notes),
            receive: ReceiveConfig::read(map.node("receive"), notes),
            otlp: otlp::read(map.node("otlp"), notes),
            dashboards: DashboardsConfig::read(map.node("dashboards"), notes),
        };
        map.finish(notes);
        config
    }
}
