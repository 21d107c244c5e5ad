//! The store as its users see it: through its public interface, on a real directory.

mod metrics_basic;
