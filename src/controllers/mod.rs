//! Wires the stages: watches in, `reconcile`, and what to do when it fails. No decisions here.

mod enforcement;
mod fences;
mod heartbeats;
mod memory;
mod mission;
mod watch;

pub use enforcement::{Concern, Enforcement};
pub use fences::{Fenced, Fences};
pub use heartbeats::{Heartbeats, MissionRef};
pub use memory::Memory;
pub use mission::{Context, Failure, reconcile};
pub use watch::{Writers, run, stores};
