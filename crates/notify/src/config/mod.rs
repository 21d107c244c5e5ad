//! Alertmanager's configuration, read as it is, and what Lapwing adds to it.
//!
//! All mistakes are reported at once, with line and column where YAML gives them. What is resolved here (matchers
//! compiled, durations in milliseconds, names looked up) is trusted everywhere else.

mod error;
mod extras;
mod inhibit;
mod interval;
mod load;
mod matchers;
mod oncall;
mod raw;
mod receiver;
mod route;
mod secret;

pub use error::ConfigError;
pub use extras::{
    Cooldown, EscalationChain, EscalationStep, Extras, FlapOptions, RecurringSilence, RetryOptions,
    StormOptions, Whom,
};
pub use inhibit::InhibitRule;
pub use interval::TimeInterval;
pub use load::{NotifyConfig, load_notify_config, template_globs};
pub use matchers::{MatchersError, parse_matcher, parse_matchers};
pub use oncall::{OnCall, OnCallView, Schedule};
pub use raw::{Global, RawConfig};
pub use receiver::{Channel, PictureUse, Receiver};
pub use route::{GroupBy, Route};
pub use secret::Secret;
