//! The status patch: the whole status, if it is still the one that the decision was made from.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Map, Value, json};

use crate::api::conditions::{ConditionType, Reason};
use crate::api::{MissionCell, MissionCellStatus, RevivalRequest, RevivalRequestStatus, names};
use crate::apply::guard::{Guarded, WriteError};
use crate::decide::Answer;
use crate::observe::Cell;
use crate::report::metrics::{Kind, Verb};
use crate::runtime::time::to_time;

/// Writes the status.
///
/// The patch carries the resourceVersion that was read: safety rests on the status, so a decision made from an older one
/// must fail.
///
/// # Errors
/// The object changed since it was read, or the write failed.
pub async fn patch(guarded: &Guarded, cell: &Cell, resource_version: &str, status: &MissionCellStatus) -> Result<(), WriteError> {
    let patch = json!({
        "metadata": { "resourceVersion": resource_version, "uid": cell.uid },
        "status": replace(&cell.status, status),
    });
    let cells = Api::<MissionCell>::namespaced(guarded.reader().clone(), &cell.namespace);
    let parameters = PatchParams { field_manager: Some(names::OPERATOR.into()), ..PatchParams::default() };
    let patch = Patch::Merge(patch);
    let sent = cells.patch_status(&cell.name, &parameters, &patch);
    guarded.write(Verb::PatchStatus, Kind::MissionCell, sent).await.map(drop)
}

/// Writes where a question stands.
///
/// The patch carries the resourceVersion that was read: a decision that came in between is not overwritten.
///
/// # Errors
/// The request changed since it was read, or the write failed.
pub async fn answer(guarded: &Guarded, namespace: &str, answer: &Answer) -> Result<(), WriteError> {
    let Answer { request, uid, version, status } = answer;
    let RevivalRequestStatus { conditions, summary, decisions: _ } = status.as_ref();
    let patch = Patch::Merge(json!({
        "metadata": { "resourceVersion": version, "uid": uid },
        "status": { "conditions": conditions, "summary": summary },
    }));
    let requests = Api::<RevivalRequest>::namespaced(guarded.reader().clone(), namespace);
    let parameters = PatchParams { field_manager: Some(names::OPERATOR.into()), ..PatchParams::default() };
    let sent = requests.patch_status(request, &parameters, &patch);
    guarded.write(Verb::PatchStatus, Kind::RevivalRequest, sent).await.map(drop)
}

/// Says in the status of an object that this operator can't understand that nothing is done about it.
///
/// # Errors
/// The object changed meanwhile, or the write failed.
pub async fn quarantine(guarded: &Guarded, object: &ObjectMeta, message: &str, now: DateTime<Utc>) -> Result<(), WriteError> {
    let (namespace, name) = (object.namespace.as_deref().unwrap_or_default(), object.name.as_deref().unwrap_or_default());
    let condition = Condition {
        type_: ConditionType::Ready.as_str().into(),
        status: "False".into(),
        reason: Reason::Quarantined.as_str().into(),
        message: message.chars().take(1024).collect(),
        observed_generation: None,
        last_transition_time: to_time(now),
    };
    let cells =
        Api::<DynamicObject>::namespaced_with(guarded.reader().clone(), namespace, &ApiResource::erase::<MissionCell>(&()));
    let parameters = PatchParams { field_manager: Some(names::OPERATOR.into()), ..PatchParams::default() };
    // Only the conditions: what else the status says was true when it was written.
    let patch = Patch::Merge(json!({
        "metadata": { "resourceVersion": object.resource_version, "uid": object.uid },
        "status": { "conditions": [condition] },
    }));
    let sent = cells.patch_status(name, &parameters, &patch);
    guarded.write(Verb::PatchStatus, Kind::MissionCell, sent).await.map(drop)
}

// A merge patch keeps what it doesn't name, so what is no longer there is named with null.
fn replace(old: &MissionCellStatus, new: &MissionCellStatus) -> Value {
    let fields = |status| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    };
    merge(fields(old), fields(new))
}

fn merge(old: Map<String, Value>, new: Map<String, Value>) -> Value {
    let mut patch = Map::new();
    for (key, value) in old {
        if !new.contains_key(&key) {
            patch.insert(key, Value::Null);
        } else if let (Value::Object(old), Some(Value::Object(new))) = (value, new.get(&key)) {
            patch.insert(key, merge(old, new.clone()));
        }
    }
    for (key, value) in new {
        patch.entry(key).or_insert(value);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_longer_there_is_removed_at_every_depth() {
        let old = json!({"a": {"x": 1, "y": {"z": 1}}, "b": 2, "list": [1, 2]});
        let new = json!({"a": {"y": {"w": 3}}, "list": []});
        let (Value::Object(old), Value::Object(new)) = (old, new) else { unreachable!() };
        let expected = json!({"a": {"x": null, "y": {"z": null, "w": 3}}, "b": null, "list": []});
        assert_eq!(merge(old, new), expected);
    }
}
