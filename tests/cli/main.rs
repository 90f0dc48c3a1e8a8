//! The commands for people, run as a person runs them, against an API server of a few objects.

#![cfg(test)]

mod check;
mod decisions;
mod elsewhere;
mod objects;
mod orders;
mod replay;
mod server;
mod shown;
