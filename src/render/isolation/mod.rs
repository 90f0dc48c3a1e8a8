//! What the isolation levels make of a pod and of its network: each of these gives what a level demands, and nothing that a
//! higher one forbids.

mod limits;
pub mod network;
pub mod predicates;
mod security;
pub mod workspace;

pub(super) use limits::limited;
pub(super) use security::{container_security, dns, pod_security};
