//! The objects that the rows of the table are about.

use lazarus::runtime::yaml;
use serde_json::{Value, json};

use super::table::At::{self, Agent, Cell, Policy, Spec};

/// The good object with the row's YAML merged in, and the collection it goes to.
pub fn object(at: At, text: &str) -> (&'static str, Value) {
    // What would be long in the table.
    let text = text
        .replace("LONG", &"x".repeat(201))
        .replace("SEVENTEEN", &list(17, |number| format!("{{name: secret-{number}}}")))
        .replace("MANY", &list(129, |number| format!("{{name: V{number}}}")));
    let change: Value = yaml::from_str(&text).unwrap();
    let kind = if at == Policy { "AgentPolicy" } else { "MissionCell" };
    let spec = if at == Policy {
        json!({})
    } else {
        json!({"mission": "a test", "agents": [{"name": "scout", "image": "none.invalid/scout"}]})
    };
    let mut object = json!({"apiVersion": "lazarus-pit.io/v1alpha1", "kind": kind, "metadata": {"name": "row"}, "spec": spec});
    let place = match at {
        Cell => &mut object,
        Spec | Policy => &mut object["spec"],
        Agent => &mut object["spec"]["agents"][0],
    };
    for (key, value) in change.as_object().unwrap() {
        // Kept where the row is about nulls: those of optional fields must be dropped by the API server.
        let removes = value.is_null() && place.get(key).is_some();
        if removes {
            place.as_object_mut().unwrap().remove(key);
        } else {
            place[key] = value.clone();
        }
    }
    (if at == Policy { "agentpolicies" } else { "missioncells" }, object)
}

fn list(length: usize, item: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..length).map(item).collect::<Vec<_>>().join(", "))
}
