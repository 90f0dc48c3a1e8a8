//! The endpoint that agents' sidecars report to: what they say is hostile until it is proven, and never written anywhere.

pub mod ledger;
pub mod token;
