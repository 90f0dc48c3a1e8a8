//! What the operator survives. These tests harm the only operator of the lab, so they take turns, and each leaves it
//! as `deploy/install.yaml` installs it: `make e2e`, or `make test` with all the rest.

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod detour;
#[cfg(test)]
mod ghost;
#[cfg(test)]
mod harm;
#[cfg(test)]
mod heartbeat;
#[cfg(test)]
mod network;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod revival;
#[cfg(test)]
mod scale;
#[cfg(test)]
#[path = "../lab/support/mod.rs"]
#[allow(dead_code, reason = "shared with tests/lab, and each uses its part")]
mod support;
#[cfg(test)]
mod uninstall;
#[cfg(test)]
mod upgrade;
