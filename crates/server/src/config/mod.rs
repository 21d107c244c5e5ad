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
mod yaml;

pub(crate) use diagnostic::{Diagnostic, Level, render};
pub(crate) use load::load;
#[cfg(test)]
pub(crate) use load::load_text;
pub(crate) use sections::{Config, Role, Token, expand_glob, notify_of};
