//! Amounts of resources, as in a Pod: `500m`, `1Gi` or a number.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// An amount as the user wrote it. Kubernetes takes text and numbers alike (`cpu: 1`), and so does this.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(untagged)]
pub enum Amount {
    /// A whole number.
    Number(i64),
    /// A number with an optional suffix (`m`, `k`, `Mi`, `Gi`, …).
    Text(String),
}

impl Amount {
    /// The amount as a Pod writes it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    // A Pod's quantity without sign: the API server checks the same grammar when the pod is made, but then it is late.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An amount, such as 500m, 2, 256Mi or 1Gi.",
            "x-kubernetes-int-or-string": true,
            "pattern": r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]{1,2})?$",
            "maxLength": 32,
            "minimum": 0,
        })
    }
}
