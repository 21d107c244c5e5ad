//! DECIDE: is this bad?
//!
//! Useful for: rules over series, their state across restarts, what they say about themselves, what is wrong with them; how
//! operations and pipelines do; the states of health; whether a run is worse than its baseline.
//! Not for: sending anything, keeping anything, reading a clock.
//!
//! Everything here is pure: (state, facts, now) → (state, samples, events).

mod direction;
pub mod gate;
pub mod health;
pub mod lint;
pub mod packs;
pub mod performance;
pub mod pipelines;
pub mod quantile;
pub mod rules;
pub mod testing;

pub use direction::Direction;
