//! Lazarus Pit: a Kubernetes operator that keeps missions of AI agents alive.
//!
//! The folders are the way of the data: `api → observe → decide → render → apply → report`; see `docs/architecture.md`.

pub mod api;
pub mod apply;
pub mod cli;
pub mod controllers;
pub mod decide;
pub mod gateway;
pub mod observe;
pub mod pulse;
pub mod render;
pub mod report;
pub mod runtime;
