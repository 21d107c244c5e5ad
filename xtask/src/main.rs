//! Project chores: `cargo xtask ci|test|tidy|bench|fuzz|ui`.
fn main() {}
