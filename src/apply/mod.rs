//! Writes of objects, all of them through one guarded client.

pub mod gateway;
pub mod guard;
pub mod network;
mod objects;
pub mod permits;
mod requests;

pub use objects::{Applied, Outfit, apply};
