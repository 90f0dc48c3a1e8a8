//! The fleet on a network that fails, with operators that come and go: agents that live are never harmed.
//!
//! Fifty agents on five nodes, two replicas of the operator, one second at a time and no real time at all. The ledger, the
//! judgement of reports, the decisions, the permits and the sidecars' sight and pace are the real ones.

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod hangs;
#[cfg(test)]
mod leaders;
#[cfg(test)]
mod links;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod sidecars;
