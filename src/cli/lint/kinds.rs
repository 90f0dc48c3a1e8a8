//! The kinds of this project, and what is wrong with an object of one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::functions::{is_domain, is_qualified_name};
use super::rules::{Rules, Verdict};
use super::schema::{Complaint, check, prune};
use crate::api::{AgentPolicy, Ceilings, Isolation, MissionCell, RevivalRequest};
use crate::decide::isolation_refusal;
use crate::render::install;

/// What the API server and the operator would say of objects.
pub(super) struct Kinds {
    kinds: Vec<Kind>,
    minimum_level: Option<Isolation>,
}

struct Kind {
    name: String,
    group: String,
    version: String,
    /// With what the API server adds to that of each kind.
    schema: Value,
    rules: Rules,
}

/// What kubectl may write to an object's metadata of its own accord, and people don't.
const MANAGED: &str = "managedFields";

impl Kinds {
    pub fn new(minimum_level: Option<Isolation>) -> Result<Self, serde_json::Error> {
        let mut kinds = Vec::new();
        for crd in install::crds() {
            let spec = crd.spec;
            for version in spec.versions {
                let mut schema = serde_json::to_value(version.schema.and_then(|schema| schema.open_api_v3_schema))?;
                schema["properties"]["metadata"] = metadata();
                for field in ["apiVersion", "kind"] {
                    schema["properties"][field] = json!({ "type": "string" });
                }
                let rules = Rules::of(&schema);
                let (name, group) = (spec.names.kind.clone(), spec.group.clone());
                kinds.push(Kind { name, group, version: version.name, schema, rules });
            }
        }
        Ok(Self { kinds, minimum_level })
    }

    /// All that is wrong with an object; `None`: it is of another project.
    pub fn check(&self, object: &Value) -> Option<Vec<Complaint>> {
        let complaint = |field: &str, message: String| Some(vec![Complaint { field: field.into(), message }]);
        let (kind, version) = (object["kind"].as_str().unwrap_or_default(), object["apiVersion"].as_str().unwrap_or_default());
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        if !self.kinds.iter().any(|known| known.group == group) {
            return None;
        }
        let Some(known) = self.kinds.iter().find(|known| known.name == kind) else {
            let known: Vec<_> = self.kinds.iter().map(|known| known.name.as_str()).collect();
            return complaint("kind", format!("is {kind:?}, must be one of {}", known.join(", ")));
        };
        if known.version != version {
            return complaint("apiVersion", format!("is {group}/{version}, must be {}/{}", known.group, known.version));
        }
        Some(known.check(object.clone(), self.minimum_level))
    }
}

impl Kind {
    fn check(&self, mut object: Value, minimum_level: Option<Isolation>) -> Vec<Complaint> {
        prune(&self.schema, &mut object);
        if let Some(fields) = object.as_object_mut() {
            // The API server takes it from the operator alone, and leaves it out here.
            fields.remove("status");
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove(MANAGED);
        }
        let mut found = Vec::new();
        check(&self.schema, &object, "", &mut found);
        check_metadata(&mut object["metadata"], &mut found);
        let mut verdict = Verdict::default();
        self.rules.check(&self.schema, &object, "", &mut verdict);
        let Verdict { broken, open } = verdict;
        if found.is_empty() {
            found.extend(open);
        } else if !open.is_empty() {
            let message = format!("{} more rules could not be checked: correct what is above first", open.len());
            found.push(Complaint { field: String::new(), message });
        }
        found.extend(broken);
        if found.is_empty() { self.read(object, minimum_level) } else { found }
    }

    /// What the operator would say.
    fn read(&self, object: Value, minimum_level: Option<Isolation>) -> Vec<Complaint> {
        let read = match self.name.as_str() {
            "MissionCell" => serde_json::from_value(object).map(|cell| held(&cell, minimum_level)),
            "AgentPolicy" => serde_json::from_value::<AgentPolicy>(object).map(|_| Vec::new()),
            _ => serde_json::from_value::<RevivalRequest>(object).map(|_| Vec::new()),
        };
        read.unwrap_or_else(|error| {
            vec![Complaint { field: String::new(), message: format!("the operator can't read it: {error}") }]
        })
    }
}

/// The agents that the operator would not start, as far as the manifest says.
fn held(cell: &MissionCell, minimum_level: Option<Isolation>) -> Vec<Complaint> {
    let level = cell.spec.isolation.unwrap_or_default().max(minimum_level.unwrap_or(Isolation::None));
    let mut found: Vec<Complaint> = Vec::new();
    for (index, agent) in cell.spec.agents.iter().enumerate().filter(|(_, agent)| agent.external.is_none()) {
        let Some(why) = isolation_refusal(&cell.spec, agent, level, &Ceilings::default()) else { continue };
        // What is about the mission begins with the field.
        let complaint = match why.split_once(' ').filter(|(first, _)| first.starts_with("spec.")) {
            Some((field, rest)) => Complaint { field: field.into(), message: rest.into() },
            None => Complaint { field: format!("spec.agents[{index}]"), message: why },
        };
        if !found.contains(&complaint) {
            found.push(complaint);
        }
    }
    found
}

/// What the API server says of all kinds alike.
fn check_metadata(metadata: &mut Value, found: &mut Vec<Complaint>) {
    let mut say = |field: String, message: String| found.push(Complaint { field, message });
    if let Some(generated) = metadata["generateName"].as_str().filter(|_| metadata["name"].is_null()) {
        // The API server adds five characters.
        metadata["name"] = format!("{generated}xxxxx").into();
    }
    match metadata["name"].as_str() {
        None if metadata["name"].is_null() => say("metadata.name".into(), "Required value: it is missing".into()),
        Some(name) if !is_domain(name) => {
            say("metadata.name".into(), format!("is {name:?}, must be small letters, digits, `-` and `.`"));
        }
        None | Some(_) => {}
    }
    for field in ["labels", "annotations"] {
        for key in metadata[field].as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| !is_qualified_name(key)) {
            say(format!("metadata.{field}.{key}"), "the key must be the name of a label, such as example.org/team".into());
        }
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        // A value is a name without a domain, or empty.
        let fits = |value: &str| value.is_empty() || !value.contains('/') && is_qualified_name(value);
        if value.as_str().is_some_and(|value| !fits(value)) {
            let message = format!("is {value}, must be at most 63 letters, digits, `-`, `_` and `.`");
            say(format!("metadata.labels.{key}"), message);
        }
    }
}

fn metadata() -> Value {
    let generator = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true).into_generator();
    generator.into_root_schema_for::<ObjectMeta>().to_value()
}
