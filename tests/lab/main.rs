//! Missions on a real Kubernetes with the operator installed: `make e2e`, or `make test` with all the rest.
//!
//! Each test has a namespace of its own, so that they run side by side; on every one of them each change of a pod is
//! checked for the rule that no agent ever has two pods that may run.

#[cfg(test)]
mod check;
#[cfg(test)]
mod completion;
#[cfg(test)]
mod death;
#[cfg(test)]
mod deletion;
#[cfg(test)]
mod disruption;
#[cfg(test)]
mod edit;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod heartbeat;
#[cfg(test)]
mod heartbeat_sidecar;
#[cfg(test)]
mod hold;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod network;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod quiet;
#[cfg(test)]
mod revival;
#[cfg(test)]
mod start;
#[cfg(test)]
mod substitute;
#[cfg(test)]
#[allow(dead_code, reason = "shared with tests/operator, and each uses its part")]
mod support;
