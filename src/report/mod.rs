//! Status, Events and metrics: what the operator tells people and machines.

pub mod decision;
mod event;
pub mod metrics;
mod publish;
mod status;

pub use event::{Event, between, catalogue};
pub use publish::{Publisher, quarantined};
pub use status::{answer, patch, quarantine};
