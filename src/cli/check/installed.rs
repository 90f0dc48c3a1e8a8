//! The installation: whether it is whole, and of this program's version.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use super::finding::{Finding, fail, ok, warn};
use super::policies;
use super::seen::{Installed, Look};
use crate::api::names::{OPERATOR, OPERATOR_NAMESPACE};
use crate::render::install::CONFIGURATION_FILE;
use crate::runtime::config::Config;
use crate::runtime::time::from_micro_time;

/// What mends whatever the manifest holds.
pub(super) const AGAIN: &str = "apply the manifest of this version again, with `kubectl apply --server-side`";

const OPERATOR_CHECK: &str = "operator";
const LEADER: &str = "leader";
const CONFIGURATION: &str = "configuration";
const NETWORK: &str = "operator's NetworkPolicy";

/// The label that everything installed has.
const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// What the clocks of this machine and of the operator's may differ by.
const CLOCKS: TimeDelta = TimeDelta::minutes(1);

pub(super) fn judge(installed: &Installed, now: DateTime<Utc>) -> Vec<Finding> {
    let Installed { crds, policies, bindings, operator, lease, configuration, network } = installed;
    let rules = match (policies, bindings) {
        (Look::Seen(found), Look::Seen(bindings)) => policies::rules(found, bindings),
        (Look::Hidden(_), _) => policies.judged(policies::POLICIES, |_| Vec::new()),
        (_, Look::Hidden(_)) => bindings.judged(policies::POLICIES, |_| Vec::new()),
    };
    [
        crds.judged(policies::DEFINITIONS, |found| policies::definitions(found)),
        rules,
        operator.judged(OPERATOR_CHECK, |found| vec![deployment(found.as_ref())]),
        lease.judged(LEADER, |found| vec![leader(found.as_ref(), now)]),
        configuration.judged(CONFIGURATION, |found| vec![configured(found.as_ref())]),
        network.judged(NETWORK, |found| {
            vec![match found {
                Some(_) => ok(NETWORK, "is there"),
                None => fail(NETWORK, "is missing: what reaches the operator is not limited to its ports", AGAIN),
            }]
        }),
    ]
    .concat()
}

fn deployment(found: Option<&Deployment>) -> Finding {
    let Some(found) = found else {
        return fail(OPERATOR_CHECK, format!("there is no Deployment {OPERATOR} in namespace {OPERATOR_NAMESPACE}"), AGAIN);
    };
    let wanted = found.spec.replicas.unwrap_or(1);
    let available = found.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    let replicas = format!("{available} of {wanted} replicas are available");
    if available == 0 {
        return fail(OPERATOR_CHECK, replicas, format!("kubectl -n {OPERATOR_NAMESPACE} describe pods"));
    }
    let (own, version) = (env!("CARGO_PKG_VERSION"), found.labels().get(VERSION_LABEL));
    if version.is_none_or(|version| version != own) {
        let version = version.map_or("unknown", String::as_str);
        let message = format!("its version is {version}, and that of this program {own}");
        return warn(OPERATOR_CHECK, message, "use the program of the operator's version, or upgrade the installation");
    }
    if available < wanted {
        return warn(OPERATOR_CHECK, replicas, format!("kubectl -n {OPERATOR_NAMESPACE} describe pods"));
    }
    ok(OPERATOR_CHECK, format!("version {own}, {replicas}"))
}

fn leader(found: Option<&Lease>, now: DateTime<Utc>) -> Finding {
    let spec = found.and_then(|lease| lease.spec.as_ref());
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).filter(|holder| !holder.is_empty());
    let logs = format!("kubectl -n {OPERATOR_NAMESPACE} logs deployment/{OPERATOR}");
    let (Some(spec), Some(holder)) = (spec, holder) else {
        return fail(LEADER, format!("nobody holds Lease {OPERATOR}, so nothing is acted on"), logs);
    };
    let lasts = TimeDelta::seconds(spec.lease_duration_seconds.unwrap_or_default().into());
    match spec.renew_time.as_ref().map(from_micro_time) {
        Some(renewed) if now <= renewed + lasts + CLOCKS => ok(LEADER, holder),
        renewed => {
            let since =
                renewed.map_or_else(|| "never".into(), |renewed| format!("last {}", renewed.format("%Y-%m-%d %H:%M:%SZ")));
            fail(LEADER, format!("{holder} holds Lease {OPERATOR} and renewed it {since}, by this machine's clock"), logs)
        }
    }
}

fn configured(found: Option<&ConfigMap>) -> Finding {
    let Some(found) = found else {
        return fail(CONFIGURATION, format!("there is no ConfigMap {OPERATOR} in namespace {OPERATOR_NAMESPACE}"), AGAIN);
    };
    match parsed(found) {
        Ok(_) => ok(CONFIGURATION, "can be understood"),
        Err(why) => fail(CONFIGURATION, why, format!("kubectl -n {OPERATOR_NAMESPACE} edit configmap {OPERATOR}")),
    }
}

fn parsed(found: &ConfigMap) -> Result<Config, String> {
    let text = found.data.as_ref().and_then(|data| data.get(CONFIGURATION_FILE));
    let text = text.ok_or_else(|| format!("ConfigMap {OPERATOR} has no key {CONFIGURATION_FILE}"))?;
    Config::parse(Path::new(CONFIGURATION_FILE), text).map_err(|error| error.to_string())
}

/// Whether the configuration names an egress proxy; `None`: that can't be seen.
pub(super) fn has_proxy(installed: &Installed) -> Option<bool> {
    let configuration = installed.configuration.seen()?.as_ref()?;
    Some(parsed(configuration).ok()?.ceilings.egress_proxy.is_some())
}
