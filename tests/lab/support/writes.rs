//! The operator's writes, counted from the API server's audit log.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{lab, operator};

/// The part of `lab.sh writes -o json` that tests read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub total: Tally,
    pub writes: BTreeMap<String, Tally>,
    pub cells: Vec<CellWrites>,
    pub per_cell: BTreeMap<String, Spread>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Tally {
    pub count: u64,
    pub refused: u64,
    pub conflicts: u64,
    pub noops: u64,
}

#[derive(Debug, Deserialize)]
pub struct CellWrites {
    pub cell: String,
    pub writes: BTreeMap<String, Tally>,
    pub total: Tally,
}

#[derive(Debug, Deserialize)]
pub struct Spread {
    pub max: u64,
    pub mean: f64,
}

/// Counts writes to the namespace since a moment.
pub fn since(moment: DateTime<Utc>, namespace: &str) -> Report {
    let moment = moment.to_rfc3339();
    let user = format!("system:serviceaccount:{}:{}", operator::NAMESPACE, operator::NAME);
    let arguments = ["writes", "--user", &user, "--since", &moment, "--namespace-prefix", namespace, "-o", "json"];
    serde_json::from_str(&lab::script(&arguments).unwrap()).unwrap()
}
