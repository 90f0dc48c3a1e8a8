//! The kinds, field by field, from the schemas that the API server gets.

use std::fmt::Write;

use kube::{CustomResourceExt, Resource};
use lazarus::api::{AgentPolicy, MissionCell, RevivalRequest};
use serde_json::Value;

use super::{row, table};

pub fn mission_cell() -> String {
    kind::<MissionCell>(
        "A [sample](../../config/samples/night-watch.yaml), and what its status means: [the life of an agent](../concepts/life-of-an-agent.md).",
    )
}

pub fn agent_policy() -> String {
    kind::<AgentPolicy>("How to use it: [set a policy](../how-to/set-a-policy.md).")
}

pub fn revival_request() -> String {
    kind::<RevivalRequest>(
        "How to answer one: [decide about dead agents](../how-to/decide-about-dead-agents.md). Who may: [approve revivals](../how-to/approve-revivals.md#who-may-approve).",
    )
}

fn kind<K: CustomResourceExt + Resource<DynamicType = ()>>(links: &str) -> String {
    let crd = serde_json::to_value(K::crd()).unwrap();
    let (names, version) = (&crd["spec"]["names"], &crd["spec"]["versions"][0]);
    let schema = &version["schema"]["openAPIV3Schema"];
    let kind = text(&names["kind"]);
    let short = names["shortNames"].as_array().into_iter().flatten().map(|name| format!("`{}`", text(name)));
    let mut page = format!(
        "# {kind}\n\n{}\n\n`apiVersion: {}`, `kind: {kind}`, short name {}, {}. {links}\n",
        one_line(text(&schema["description"])),
        K::api_version(&()),
        short.collect::<Vec<_>>().join(", "),
        if crd["spec"]["scope"] == "Namespaced" { "in a namespace" } else { "in the whole cluster" },
    );
    for message in rules(schema) {
        writeln!(page, "\n{}.", message.trim_end_matches('.')).unwrap();
    }
    for section in ["spec", "status"] {
        let part = &schema["properties"][section];
        if part.is_object() {
            let mut rows = vec![row(["Field", "Type", "Required", "Limits", "Meaning"])];
            fields(part, section, &mut rows);
            write!(page, "\n## {section}\n\n{}\n\n{}", one_line(text(&part["description"])), table(rows)).unwrap();
        }
    }
    let columns = version["additionalPrinterColumns"].as_array().into_iter().flatten().map(|column| {
        let wide = if column["priority"].as_i64().unwrap_or(0) > 0 { "with `-o wide`" } else { "always" };
        row([&text(&column["name"]).to_uppercase(), wide, text(&column["description"])])
    });
    let head = std::iter::once(row(["Column", "Shown", "Meaning"]));
    write!(page, "\n## Columns of `kubectl get`\n\n{}", table(head.chain(columns))).unwrap();
    page
}

/// A row for every field below, by its path; `[]` stands for the items of a list, `{}` for the values of a map.
fn fields(schema: &Value, path: &str, rows: &mut Vec<Vec<String>>) {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let needed = if required.contains(&name.as_str()) { "yes" } else { "" };
        let meaning = one_line(text(&field["description"]));
        rows.push(row([&format!("`{path}`"), &type_of(field), needed, &limits(field), &meaning]));
        fields(field, &path, rows);
        for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            fields(&field[key], &format!("{path}{mark}"), rows);
        }
    }
}

fn type_of(schema: &Value) -> String {
    if schema["x-kubernetes-int-or-string"] == true {
        return "integer or text".into();
    }
    match (text(&schema["type"]), text(&schema["format"])) {
        ("array", _) => format!("list of {}", plural(&type_of(&schema["items"]))),
        ("object", _) if schema["additionalProperties"].is_object() => {
            format!("map of {}", plural(&type_of(&schema["additionalProperties"])))
        }
        ("string", "date-time") => "time".into(),
        ("string", _) => "text".into(),
        (kind, _) => kind.into(),
    }
}

fn plural(kind: &str) -> String {
    if kind == "text" || kind.contains(' ') { kind.into() } else { format!("{kind}s") }
}

fn limits(schema: &Value) -> String {
    let number = |key: &str| schema[key].as_f64();
    let mut all = Vec::new();
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().filter(|word| !word.is_null()).map(|word| format!("`{}`", text(word))).collect();
        all.push(words.join(", "));
    }
    all.extend(range(number("minimum"), number("maximum"), ""));
    all.extend(range(number("minLength"), number("maxLength"), " characters"));
    all.extend(range(number("minItems"), number("maxItems"), " items"));
    all.extend(range(number("minProperties"), number("maxProperties"), " entries"));
    if let Some(pattern) = schema["pattern"].as_str() {
        all.push(format!("matches `{pattern}`"));
    }
    if let Some(keys) = schema["x-kubernetes-list-map-keys"].as_array() {
        let keys: Vec<_> = keys.iter().map(|key| format!("`{}`", text(key))).collect();
        all.push(format!("no two with the same {}", keys.join(" and ")));
    }
    all.extend(rules(schema).into_iter().map(str::to_owned));
    for inner in [&schema["items"], &schema["additionalProperties"]] {
        if inner["properties"].is_object() {
            // Its fields have rows of their own, but it has none.
            all.extend(rules(inner).into_iter().map(str::to_owned));
        } else if inner.is_object() {
            let limits = limits(inner);
            all.extend((!limits.is_empty()).then(|| format!("each: {limits}")));
        }
    }
    all.join("; ")
}

fn range(least: Option<f64>, most: Option<f64>, unit: &str) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

fn rules(schema: &Value) -> Vec<&str> {
    schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(|rule| text(&rule["message"])).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
