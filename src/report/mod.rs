//! Status, Events and metrics: what the operator tells people and machines.

pub mod metrics;
