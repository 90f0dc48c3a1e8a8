//! What a schema says against a value, in the API server's words where people search for those.
//!
//! Written here: a library for JSON Schema knows neither fields that the API server would drop nor keys of lists.

use std::collections::BTreeSet;

use chrono::DateTime;
use regex::Regex;
use serde_json::{Map, Value};

/// Something wrong: the field, such as `spec.agents[0].image`, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub field: String,
    pub message: String,
}

/// How alike a name must be for people to have meant it.
const ALIKE: f64 = 0.8;

/// Drops the nulls that the API server drops: those of fields, where the schema doesn't allow them.
pub(super) fn prune(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, field| !field.is_null() || inner(schema, name).is_none_or(|schema| schema["nullable"] == true));
            for (name, field) in fields {
                prune(inner(schema, name).unwrap_or(&Value::Null), field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prune(&schema["items"], item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn inner<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema["properties"].get(name).or_else(|| schema.get("additionalProperties"))
}

/// All that is wrong with a value.
pub(super) fn check(schema: &Value, value: &Value, field: &str, found: &mut Vec<Complaint>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let mut say = |message: String| found.push(Complaint { field: field.to_owned(), message });
    if let Some(message) = of_another_type(schema, value) {
        say(message);
        // Whatever else could be said would be about the type.
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        say(format!("Unsupported value: {value}: must be one of {}", words.join(", ")));
    }
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => number.as_f64().and_then(|number| out_of_range(schema, number)).into_iter().for_each(say),
        Value::String(text) => of_text(schema, text).into_iter().for_each(say),
        Value::Array(items) => {
            of_size(schema, items.len(), "Items", "items").into_iter().for_each(say);
            let mut earlier = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let at = format!("{field}[{index}]");
                if let Some(key) = repeated(schema, item, &mut earlier) {
                    found.push(Complaint {
                        field: at.clone(),
                        message: format!("Duplicate value: {key}: each may be there once"),
                    });
                }
                check(&schema["items"], item, &at, found);
            }
        }
        Value::Object(fields) => {
            of_size(schema, fields.len(), "Properties", "keys").into_iter().for_each(say);
            of_fields(schema, fields, field, found);
        }
    }
}

fn of_fields(schema: &Value, fields: &Map<String, Value>, field: &str, found: &mut Vec<Complaint>) {
    let path = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            found.push(Complaint { field: path(name), message: "Required value: it is missing".into() });
        }
    }
    for (name, value) in fields {
        match inner(schema, name) {
            Some(schema) => check(schema, value, &path(name), found),
            None => found.push(Complaint { field: path(name), message: unknown(schema, name) }),
        }
    }
}

fn unknown(schema: &Value, name: &str) -> String {
    let known: Vec<_> = schema["properties"].as_object().into_iter().flat_map(Map::keys).collect();
    let alike = |known: &String| strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase());
    let best = known.iter().max_by(|left, right| alike(left).total_cmp(&alike(right))).filter(|best| alike(best) >= ALIKE);
    match (best, known.as_slice()) {
        (Some(best), _) => format!("unknown field: did you mean `{best}`?"),
        (None, []) => "unknown field: remove it, nothing can be here".into(),
        (None, known) => {
            let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("unknown field: there is {}", known.join(", "))
        }
    }
}

/// What type it must be of, and is not.
fn of_another_type(schema: &Value, value: &Value) -> Option<String> {
    let either = schema["x-kubernetes-int-or-string"] == true;
    let wanted = if either { "integer,string" } else { schema["type"].as_str()? };
    let is_integer = value.is_i64() || value.is_u64();
    let fits = match wanted {
        "integer,string" => is_integer || value.is_string(),
        "integer" if schema["format"] == "int64" => value.is_i64(),
        "integer" => is_integer,
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let quotes = wanted.ends_with("string") && (value.is_boolean() || value.is_number());
    let hint = if quotes { ": write it in quotes" } else { "" };
    (!fits).then(|| format!("must be of type {wanted}, not {is}{hint}"))
}

fn out_of_range(schema: &Value, number: f64) -> Option<String> {
    let bound = |key: &str| schema[key].as_f64();
    if let Some(least) = bound("minimum").filter(|least| number < *least) {
        return Some(format!("is {number}, must be greater than or equal to {least}"));
    }
    let most = bound("maximum").filter(|most| number > *most)?;
    Some(format!("is {number}, must be less than or equal to {most}"))
}

fn of_text(schema: &Value, text: &str) -> Vec<String> {
    let bound = |key: &str| schema[key].as_u64().and_then(|bound| usize::try_from(bound).ok());
    let (length, mut found) = (text.chars().count(), Vec::new());
    if let Some(most) = bound("maxLength").filter(|most| length > *most) {
        found.push(format!("Too long: has {length} characters, may have {most}"));
    }
    if let Some(least) = bound("minLength").filter(|least| length < *least) {
        found.push(format!("is {text:?}, must be at least {least} chars long"));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        match Regex::new(pattern) {
            Ok(expression) if expression.is_match(text) => {}
            Ok(_) => found.push(format!("is {text:?}, should match '{pattern}'")),
            Err(_) => found.push(format!("could not be checked without a cluster: pattern '{pattern}'")),
        }
    }
    if schema["format"] == "date-time" && DateTime::parse_from_rfc3339(text).is_err() {
        found.push(format!("is {text:?}, must be a time such as 2026-01-31T12:00:00Z"));
    }
    found
}

fn of_size(schema: &Value, size: usize, bounds: &str, things: &str) -> Option<String> {
    let bound = |which: &str| schema[format!("{which}{bounds}")].as_u64().and_then(|bound| usize::try_from(bound).ok());
    if let Some(most) = bound("max").filter(|most| size > *most) {
        return Some(format!("Too many: has {size} {things}, may have {most}"));
    }
    let least = bound("min").filter(|least| size < *least)?;
    Some(format!("has {size} {things}, must have at least {least} {things}"))
}

/// What an item has in common with an earlier one, where the list allows none of that.
fn repeated(schema: &Value, item: &Value, earlier: &mut BTreeSet<String>) -> Option<Value> {
    let keys = schema["x-kubernetes-list-map-keys"].as_array()?.iter().filter_map(Value::as_str);
    let own: Option<Map<_, _>> = keys.map(|key| Some((key.to_owned(), item.get(key)?.clone()))).collect();
    let own = Value::Object(own?);
    (!earlier.insert(own.to_string())).then_some(own)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::install;

    /// What is understood here, and what only people or other programs read.
    const KNOWN: [&str; 21] = [
        "additionalProperties",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
    ];

    fn keywords(schema: &Value, path: &str) {
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            match keyword.as_str() {
                "properties" => {
                    for (name, inner) in value.as_object().unwrap() {
                        keywords(inner, &format!("{path}.{name}"));
                    }
                }
                "items" => keywords(value, &format!("{path}[]")),
                "additionalProperties" => keywords(value, &format!("{path}.*")),
                "format" => assert!(["date-time", "int64"].contains(&value.as_str().unwrap()), "{path} has format {value}"),
                "x-kubernetes-list-type" => assert_eq!(value, "map", "{path}"),
                "pattern" => assert!(Regex::new(value.as_str().unwrap()).is_ok(), "{path}: {value}"),
                "x-kubernetes-validations" => {}
                other => assert!(KNOWN.contains(&other), "{path} has {other}, which nothing here checks"),
            }
        }
    }

    #[test]
    fn everything_that_the_schemas_say_is_checked() {
        for crd in install::crds() {
            let crd = serde_json::to_value(crd).unwrap();
            keywords(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], crd["spec"]["names"]["kind"].as_str().unwrap());
        }
    }

    #[test]
    fn nulls_of_fields_are_dropped_and_those_of_lists_are_wrong() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "string"}, "b": {"type": "string", "nullable": true},
            "c": {"type": "array", "items": {"type": "string"}},
        }});
        let mut value = json!({"a": null, "b": null, "c": [null], "d": null});
        prune(&schema, &mut value);
        assert_eq!(value, json!({"b": null, "c": [null], "d": null}));
    }

    #[test]
    fn an_unknown_field_is_answered_with_a_known_one() {
        let schema = json!({"properties": {"agents": {}, "isolation": {}}});
        assert!(unknown(&schema, "agnets").ends_with("did you mean `agents`?"));
        assert!(unknown(&schema, "Isolation").ends_with("did you mean `isolation`?"));
        assert!(unknown(&schema, "x").ends_with("there is `agents`, `isolation`"));
    }

    #[test]
    fn an_item_that_is_there_already_is_said_of_lists_of_any_length() {
        let schema = json!({"type": "array", "x-kubernetes-list-map-keys": ["name"], "items": {
            "type": "object", "properties": {"name": {"type": "integer"}, "a": {"type": "integer"}},
        }});
        let mut items: Vec<_> = (0..20_000).map(|name| json!({"name": name})).collect();
        items.extend([json!({"a": 1}), json!({"a": 1}), json!({"name": 7, "a": 1})]);
        let mut found = Vec::new();
        check(&schema, &items.into(), "all", &mut found);
        let message = "Duplicate value: {\"name\":7}: each may be there once".into();
        assert_eq!(found, [Complaint { field: "all[20002]".into(), message }]);
    }
}
