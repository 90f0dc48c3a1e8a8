//! What the isolation levels say of pods, evaluated without a cluster.

#![cfg(test)]

mod manifests;
mod offline;
mod support;
