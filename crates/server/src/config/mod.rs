//! Configuration: what was typed becomes a tree with places, then one resolved, valid, immutable [`Config`].
//!
//! Useful for: every key of `lapwing.yml`, its default, its check. Not for: reading the environment elsewhere, or
//! holding state. Only `Config` leaves this room.

mod decode;
mod diagnostic;
mod expand;
mod import;
mod load;
mod origins;
mod peer;
mod reader;
mod resolved;
mod schema;
mod sections;
mod syntax;
mod watched;
mod write;
mod yaml;

pub(crate) use decode::to_json;
pub(crate) use diagnostic::{Diagnostic, Level, did_you_mean, render};
pub(crate) use import::import;
#[cfg(test)]
pub(crate) use load::load_text;
pub(crate) use load::{Loaded, load};
pub(crate) use origins::Origins;
pub(crate) use peer::{
    AlertmanagerFile, Kind, PrometheusFile, load_alertmanager, load_either, load_prometheus,
};
pub(crate) use schema::schema;
pub(crate) use sections::store::RETENTION_MS;
pub(crate) use sections::{
    Config, CorsOrigin, LimitsConfig, Role, Token, WebConfig, listen_address, normal_prefix, notify_of,
};
pub(crate) use watched::Watched;
pub(crate) use yaml::{Node, parse as parse_yaml};
