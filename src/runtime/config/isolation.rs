//! The key `isolation`: what holds for all missions, whatever they say.

use ipnet::IpNet;
use serde::Deserialize;

use crate::api::{Ceilings, EgressProxy, Isolation};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct IsolationKeys {
    minimum_level: Option<Isolation>,
    allowed_registries: Option<Vec<String>>,
    runtime_classes: Option<Vec<String>>,
    max_egress: Option<Vec<String>>,
    egress_proxy: Option<EgressProxy>,
}

impl IsolationKeys {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { minimum_level: _, allowed_registries, runtime_classes: _, max_egress, egress_proxy } = self;
        for (place, registry) in allowed_registries.iter().flatten().enumerate() {
            // `registry.example` would also be the beginning of a name of somebody else's host.
            if !registry.ends_with('/') {
                return Err(format!(
                    "isolation.allowedRegistries[{place}] is {registry:?}: it must end with `/`, as what follows is the image's name"
                ));
            }
        }
        for (place, range) in max_egress.iter().flatten().enumerate() {
            if range.parse::<IpNet>().is_err() {
                return Err(format!(
                    "isolation.maxEgress[{place}] is {range:?}: it must be a range of addresses, such as 192.0.2.0/24"
                ));
            }
        }
        let Some(EgressProxy { namespace_selector, pod_selector, port, url }) = egress_proxy else { return Ok(()) };
        for (key, selector) in [("namespaceSelector", namespace_selector), ("podSelector", pod_selector)] {
            // One without labels is all of them.
            if selector.is_empty() {
                return Err(format!("isolation.egressProxy.{key} is empty: it must have the labels of the proxy"));
            }
        }
        if *port == 0 {
            return Err("isolation.egressProxy.port is 0: it must be between 1 and 65535".into());
        }
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(format!("isolation.egressProxy.url is {url:?}: it must be such as http://10.0.0.8:3128"));
        }
        Ok(())
    }

    pub(super) fn typed(self) -> Ceilings {
        let Self { minimum_level, allowed_registries, runtime_classes, max_egress, egress_proxy } = self;
        Ceilings { minimum_level, allowed_registries, runtime_classes, max_egress, egress_proxy }
    }
}
