//! From decisions to objects: pure functions that can't fail, without a client and without a clock.

pub mod install;
mod pod;
mod sidecar;

pub use pod::pod;
