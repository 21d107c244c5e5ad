//! What a program sees of the engine's crate from outside.

mod attribute;
