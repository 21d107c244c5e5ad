//! The `lapwing` binary.

mod config;

fn main() {}
