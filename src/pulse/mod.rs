//! The sidecar beside every agent: it holds the agent back until it may start, sees how it is, and reports it.
//!
//! Silence on the network is not death, so the sidecar reports whatever happens, and says what it sees: only its fresh
//! report of a silent agent is evidence. [`pace`], [`post`] and [`sight`] are pure; the rest is one loop per door.

pub mod pace;
pub mod post;
pub mod sight;
