//! How pipelines do against their baselines: healthy, degraded or critical, each and overall.
//!
//! What seed 4 got wrong and is right here: overall health can be critical; only a window counts, not all history; a baseline
//! `inference_latency` belongs to the pipeline `inference`; better and worse have a direction.

mod baseline;
mod health;

pub use baseline::{Baseline, Compared, compare};
pub use health::{Execution, Health, HealthReport, PipelineHealth, PipelineOptions, Reason, report};
