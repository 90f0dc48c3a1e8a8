//! Links that are cut and nodes that are lost, on a lab of two nodes: `make e2e-node`, or `make test` with all the rest.
//!
//! Each test harms what all share, so they take turns, and each leaves the lab whole.

#[cfg(test)]
mod absent;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod link;
#[cfg(test)]
mod loss;
#[cfg(test)]
mod network;
#[cfg(test)]
#[path = "../lab/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with tests/lab, and each uses its part")]
mod support;
