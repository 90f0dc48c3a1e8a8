//! `decide` in a small simulated cluster: transcripts of scenarios, and properties over random histories.

#![cfg(test)]

mod fields;
mod properties;
mod replay;
mod revival_fields;
mod transcript;
mod world;
