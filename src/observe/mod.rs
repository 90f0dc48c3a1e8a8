//! From the cluster to a plain [`Snapshot`]: reads only, and no opinion.

pub mod enforcement;
mod ground;
pub mod node;
pub mod pod;
mod pulse;
mod reader;
pub mod snapshot;
mod unrest;

pub use ground::{Features, Ground};
pub use pulse::{Asked, Network, Obstacle, Pulse};
pub use reader::{Error, Known, Reader, Stores};
pub use snapshot::{Account, Cell, Claim, Container, Node, Pod, PolicySource, Refusal, Request, Sidecar, Snapshot};
pub use unrest::{Neighbour, Scope, Unrest, scopes, unrest};
