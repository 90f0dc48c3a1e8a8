//! The commands for people, run as a person runs them, against an API server of a few objects.

#![cfg(test)]

mod check;
mod decisions;
mod elsewhere;
mod lint;
mod objects;
mod orders;
mod replay;
#[path = "../admission/rows.rs"]
mod rows;
mod server;
mod shown;
#[path = "../admission/table.rs"]
mod table;
