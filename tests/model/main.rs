//! A model checker over the operator's own `decide`: every order of reads, writes, faults and people's acts, in a small
//! cluster. docs/development.md tells what it covers, and what not.

#[cfg(test)]
mod checks;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod model;
#[cfg(test)]
mod production;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod state;
#[cfg(test)]
mod tell;
