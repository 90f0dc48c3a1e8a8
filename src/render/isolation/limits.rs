//! What an agent can use up: limits where its manifest has none.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::api::quantity::Amount;
use crate::api::{Isolation, Resources};

/// A resource, the least level at which it is limited, and the request and the limit of an agent that says neither. The requests are
/// next to nothing, as who said nothing was never kept from a node; the limits are generous: they keep one agent from taking the
/// node down, not from working.
const DEFAULTS: [(&str, Isolation, &str, &str); 3] = [
    ("cpu", Isolation::None, "10m", "2"),
    ("memory", Isolation::None, "16Mi", "1Gi"),
    ("ephemeral-storage", Isolation::Level1, "16Mi", "2Gi"),
];

/// The resources of an agent, with a limit for each of these. A request that is greater than the limit that would be added is the limit.
pub(in crate::render) fn limited(resources: Option<&Resources>, level: Isolation) -> ResourceRequirements {
    let (mut requests, mut limits) = match resources {
        Some(Resources { requests, limits }) => (texts(requests.as_ref()), texts(limits.as_ref())),
        None => Default::default(),
    };
    for (name, from, request, limit) in DEFAULTS {
        if level < from || limits.contains_key(name) {
            continue;
        }
        let limit = match requests.get(name) {
            Some(asked) if Amount::Text(asked.0.clone()).value() > Amount::Text(limit.into()).value() => asked.clone(),
            Some(_) => Quantity(limit.into()),
            None => {
                // Without one the scheduler would take the limit for it.
                requests.insert(name.into(), Quantity(request.into()));
                Quantity(limit.into())
            }
        };
        limits.insert(name.into(), limit);
    }
    ResourceRequirements { requests: some(requests), limits: some(limits), claims: None }
}

fn texts(amounts: Option<&BTreeMap<String, Amount>>) -> BTreeMap<String, Quantity> {
    amounts.into_iter().flatten().map(|(name, amount)| (name.clone(), Quantity(amount.to_text()))).collect()
}

fn some(amounts: BTreeMap<String, Quantity>) -> Option<BTreeMap<String, Quantity>> {
    Some(amounts).filter(|amounts| !amounts.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> Resources {
        let amounts = |amounts: &[(&str, &str)]| {
            Some(amounts.iter().map(|(name, amount)| ((*name).to_owned(), Amount::Text((*amount).to_owned()))).collect())
        };
        Resources { requests: amounts(requests), limits: amounts(limits) }
    }

    fn told(resources: &ResourceRequirements, name: &str) -> [Option<String>; 2] {
        [&resources.requests, &resources.limits].map(|amounts| amounts.as_ref()?.get(name).map(|amount| amount.0.clone()))
    }

    #[test]
    fn what_the_manifest_says_stays_and_the_rest_is_limited() {
        let words = |words: [&str; 2]| words.map(|word| Some(word).filter(|word| !word.is_empty()).map(String::from));
        let none = limited(None, Isolation::None);
        assert_eq!(told(&none, "cpu"), words(["10m", "2"]));
        assert_eq!(told(&none, "ephemeral-storage"), words(["", ""]));
        assert_eq!(told(&limited(None, Isolation::Level1), "ephemeral-storage"), words(["16Mi", "2Gi"]));
        let said = resources(&[("memory", "3Gi"), ("cpu", "100m")], &[("ephemeral-storage", "10Gi")]);
        let said = limited(Some(&said), Isolation::Level3);
        assert_eq!(told(&said, "memory"), words(["3Gi", "3Gi"]), "a request beyond the limit would be refused");
        assert_eq!(told(&said, "cpu"), words(["100m", "2"]));
        assert_eq!(told(&said, "ephemeral-storage"), words(["", "10Gi"]), "the scheduler takes the limit for the request");
    }
}
