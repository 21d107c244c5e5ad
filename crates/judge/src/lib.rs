//! DECIDE: is this bad?
//!
//! Useful for: rules over series, their state across restarts, what they say about themselves; the states of health.
//! Not for: sending anything, keeping anything, reading a clock.
//!
//! Everything here is pure: (state, facts, now) → (state, samples, events).

pub mod health;
pub mod rules;
