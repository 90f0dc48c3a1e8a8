//! From decisions to objects: pure functions that can't fail.

mod pod;

pub use pod::pod;
