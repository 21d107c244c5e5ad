//! Configuration: what was typed becomes a tree with places, then one resolved, valid, immutable [`Config`].
//!
//! Useful for: every key of `lapwing.yml`, its default, its check. Not for: reading the environment elsewhere, or
//! holding state. Only `Config` leaves this room.

mod decode;
mod diagnostic;
mod expand;
mod load;
mod reader;
mod resolved;
mod sections;
mod size;
mod watched;
mod yaml;

pub(crate) use diagnostic::{Diagnostic, Level, render};
#[cfg(test)]
pub(crate) use load::load_text;
pub(crate) use load::{Loaded, load};
pub(crate) use sections::{Config, LimitsConfig, Role, Token};
pub(crate) use watched::Watched;
