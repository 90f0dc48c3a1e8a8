//! From the cluster to a plain [`Snapshot`]: reads only, and no opinion.

pub mod pod;
mod pulse;
mod reader;
pub mod snapshot;

pub use pulse::Pulse;
pub use reader::{Error, Reader, Stores};
pub use snapshot::{Cell, Container, Pod, PolicySource, Refusal, Snapshot};
