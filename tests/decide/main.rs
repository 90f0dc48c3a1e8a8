//! `decide` in a small simulated cluster: transcripts of scenarios, and properties over random histories.

mod properties;
mod transcript;
mod world;
