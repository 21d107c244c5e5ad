//! The rooms together, on a clock that goes where it is told.

mod killed_day;
mod simulation;
