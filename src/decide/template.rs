//! Which fields of the spec make an incarnation outdated when they change.

use serde::Serialize;
use serde_json::Value;

use crate::api::{AccessMode, AgentHeartbeat, AgentSpec, Source, names};
use crate::observe::Cell;

/// Hash of the user's fields that an agent's pod is made from.
///
/// Only what the user wrote counts: neither defaults nor anything else the operator adds, so that no upgrade restarts
/// an agent. Keys are sorted, so that the order of fields in this program doesn't count either.
#[must_use]
pub fn hash(cell: &Cell, agent: &AgentSpec) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Template<'a> {
        agent: AgentSpec,
        #[serde(skip_serializing_if = "Option::is_none")]
        image_pull_secrets: Option<&'a Vec<crate::api::ObjectName>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        node_selector: Option<&'a std::collections::BTreeMap<String, String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        workspace: Option<AccessMode>,
    }
    // Nothing is made for an agent elsewhere: no change of its spec is one for whoever runs it.
    if agent.external.is_some() {
        return names::short_hash("external", 16);
    }
    // How a death is treated is no part of the pod.
    let heartbeat = agent.heartbeat.as_ref().filter(|heartbeat| heartbeat.source.unwrap_or_default() != Source::Process);
    let heartbeat = heartbeat.map(|heartbeat| AgentHeartbeat {
        source: heartbeat.source,
        http: heartbeat.http.clone(),
        stale_after_seconds: None,
        dead_after_seconds: None,
    });
    let agent = AgentSpec { revive: None, completion: None, substitutes: None, standby: None, heartbeat, ..agent.clone() };
    let template = Template {
        agent,
        image_pull_secrets: cell.spec.image_pull_secrets.as_ref(),
        node_selector: cell.spec.node_selector.as_ref(),
        // How large it is, and what becomes of it, is between the claim and the cluster.
        workspace: cell.spec.workspace.as_ref().map(|workspace| workspace.access_mode.unwrap_or_default()),
    };
    // These types always have a JSON form; an error would give the same hash every time, which replaces nothing.
    let value = serde_json::to_value(template).unwrap_or_default();
    names::short_hash(&sorted(value).to_string(), 16)
}

/// The same value with the keys of its objects in order: the order of fields in this program is no part of it.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut fields: Vec<_> = object.into_iter().collect();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
