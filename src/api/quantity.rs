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

    /// About how much it is, to compare amounts with; `None`: it is no amount.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let text = self.to_text();
        let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at_checked(digits)?;
        let number: f64 = number.parse().ok()?;
        let binary = |power| 1024_f64.powi(power);
        let factor = match suffix {
            "n" => 1e-9,
            "u" => 1e-6,
            "m" => 1e-3,
            "" => 1.0,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            "P" => 1e15,
            "E" => 1e18,
            "Ki" => binary(1),
            "Mi" => binary(2),
            "Gi" => binary(3),
            "Ti" => binary(4),
            "Pi" => binary(5),
            "Ei" => binary(6),
            exponent => format!("1{exponent}").parse().ok()?,
        };
        Some(number * factor)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_whatever_their_suffix() {
        let value = |text: &str| Amount::Text(text.into()).value();
        assert_eq!(value("1Gi"), value("1024Mi"));
        assert_eq!(value("1500m"), value("1.5"));
        assert_eq!(value("2e3"), Amount::Number(2000).value());
        assert!(value("1G") < value("1Gi"));
        assert_eq!([value("much"), value("1X"), value("")], [None; 3]);
    }
}
