//! What is said: from alerts to the texts of a notification. Pure.

mod context;
mod data;
mod defaults;
mod picture;
mod templates;

pub use context::Context;
pub use data::Notification;
pub(crate) use data::{ZERO_TIME_MS, rfc3339};
pub use picture::{Continued, Picture, Posted};
pub use templates::Templates;
