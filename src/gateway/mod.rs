//! The endpoint that agents' sidecars report to: what they say is hostile until it is proven, and never written anywhere.

pub mod authority;
mod canary;
mod canary_port;
pub mod identity;
mod keep;
pub mod keys;
pub mod ledger;
pub mod server;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod testing;
pub mod token;

pub use keep::{Gateway, Parts};
