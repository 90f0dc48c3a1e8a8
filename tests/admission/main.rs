//! What a real API server makes of the kinds and the admission rules: it needs the lab (`make lab`).

#[cfg(test)]
mod access;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod schema;
#[cfg(test)]
#[path = "../isolation/support/mod.rs"]
mod support;
#[cfg(test)]
mod table;
