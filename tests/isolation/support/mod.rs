//! Pods that are as isolated as they say, and what can be wrong with them.

pub mod cel;
pub mod good;
pub mod harm;
pub mod random;
