//! DECIDE: is this bad?
//!
//! Useful for: rules over series, their state across restarts, what they say about themselves, what is wrong with them.
//! Not for: sending anything, keeping anything, reading a clock.
//!
//! Everything here is pure: (state, facts, now) → (state, samples, events).

pub mod lint;
pub mod packs;
pub mod rules;
pub mod testing;
