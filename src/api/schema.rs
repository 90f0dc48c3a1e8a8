//! Makes the schemas that are derived from the types read well and behave well in the API server.

use schemars::Schema;
use schemars::transform::transform_subschemas;
use serde_json::{Map, Value};

/// Tidies a schema and all in it; given to the derive as `#[schemars(transform = …)]` on the outermost types.
///
/// - An optional field is one that may be absent, not one that may be `null`: the API server drops a `null` that a
///   template left behind, where the schema doesn't allow it.
/// - No field has a default: what the API server fills in is drift for whoever compares manifests.
/// - What a field says about itself comes before what its type says.
/// - Line ends of the source are not line ends of the text.
pub(super) fn tidy(schema: &mut Schema) {
    transform_subschemas(&mut tidy, schema);
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("default");
    if let Some(inner) = alternative_to_null(fields) {
        fields.remove("anyOf");
        for (key, value) in inner {
            fields.entry(key).or_insert(value);
        }
    }
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".into(), only);
        }
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
}

/// The first of two alternatives of which the second is `null`.
fn alternative_to_null(fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    let [inner, null] = fields.get("anyOf")?.as_array()?.as_slice() else { return None };
    (null.get("type")? == "null").then(|| inner.as_object().cloned()).flatten()
}
