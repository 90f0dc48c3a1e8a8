//! What a real API server makes of the kinds and the admission rules: it needs the lab (`make lab`).

#[cfg(test)]
mod access;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod table;
