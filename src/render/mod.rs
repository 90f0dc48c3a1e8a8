//! Objects as values: what is to exist, without a client and without a clock.

pub mod install;
