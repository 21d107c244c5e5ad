//! The rooms together on a clock that goes where it is told, and what a program sees of this crate from outside.

mod attribute;
mod durations;
mod killed_day;
mod simulation;
