//! The sidecar as a real process, beside a gateway with real TLS.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod agent;
#[cfg(test)]
mod beat;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod link;
#[cfg(test)]
mod network;
#[cfg(test)]
mod sidecar;
