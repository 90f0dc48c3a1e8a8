//! The rules of a schema in CEL, evaluated as the API server does.

use std::collections::BTreeMap;

use cel::{Context, Program, Value as Cel};
use serde_json::Value;

use super::functions;
use super::schema::Complaint;

/// The rules of one kind.
pub(super) struct Rules {
    /// By their text; the error is why one can't be read.
    programs: BTreeMap<String, Result<Program, String>>,
    functions: Context<'static, 'static>,
}

/// What the rules say.
#[derive(Default)]
pub(super) struct Verdict {
    /// Rules that don't hold.
    pub broken: Vec<Complaint>,
    /// Rules that could not be evaluated.
    pub open: Vec<Complaint>,
}

impl Rules {
    pub fn of(schema: &Value) -> Self {
        let mut programs = BTreeMap::new();
        collect(schema, &mut programs);
        Self { programs, functions: functions::context() }
    }

    /// Looks at a value and all that is in it. Rules about what was there before are left out: nothing was.
    pub fn check(&self, schema: &Value, value: &Value, field: &str, verdict: &mut Verdict) {
        if let Some(rules) = schema["x-kubernetes-validations"].as_array() {
            let mut context = self.functions.new_inner_scope();
            context.add_variable_from_value("self", to_cel(value));
            for rule in rules {
                self.judge(rule, &context, field, verdict);
            }
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let inner = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                    let path = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                    if let Some(schema) = inner {
                        self.check(schema, value, &path, verdict);
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{field}[{index}]"), verdict);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn judge(&self, rule: &Value, context: &Context<'_, '_>, field: &str, verdict: &mut Verdict) {
        let text = rule["rule"].as_str().unwrap_or_default();
        let message = rule["message"].as_str().unwrap_or(text);
        let complaint = |message: String| Complaint { field: field.to_owned(), message };
        let open = |why: &str| complaint(format!("could not be checked without a cluster ({why}): {message}"));
        match self.programs.get(text) {
            Some(Ok(program)) if program.references().has_variable("oldSelf") => {}
            Some(Ok(program)) => match program.execute(context) {
                Ok(Cel::Bool(true)) => {}
                Ok(Cel::Bool(false)) => verdict.broken.push(complaint(message.to_owned())),
                Ok(_) => verdict.open.push(open("the rule gives neither true nor false")),
                Err(error) => verdict.open.push(open(&error.to_string())),
            },
            Some(Err(why)) => verdict.open.push(open(why)),
            None => verdict.open.push(open("the rule is not known")),
        }
    }
}

fn collect(schema: &Value, programs: &mut BTreeMap<String, Result<Program, String>>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let text = rule["rule"].as_str().unwrap_or_default();
        programs.insert(text.to_owned(), Program::compile(text).map_err(|error| error.to_string()));
    }
    let fields = schema["properties"].as_object().into_iter().flatten().map(|(_, schema)| schema);
    for inner in fields.chain(schema.get("items")).chain(schema.get("additionalProperties")) {
        collect(inner, programs);
    }
}

/// The value as the API server's rules see it: whole numbers are `int`, also those that are not negative.
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64().map_or(Cel::Null, Cel::Float), Cel::Int),
        Value::String(text) => Cel::String(text.clone().into()),
        Value::Array(items) => Cel::List(items.iter().map(to_cel).collect::<Vec<_>>().into()),
        Value::Object(fields) => {
            let fields: std::collections::HashMap<_, _> =
                fields.iter().map(|(key, value)| (key.clone(), to_cel(value))).collect();
            Cel::Map(fields.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(rule: &str, value: &Value) -> Verdict {
        let schema = json!({"properties": {"a": {"x-kubernetes-validations": [{"rule": rule, "message": "wrong"}]}}});
        let mut verdict = Verdict::default();
        Rules::of(&schema).check(&schema, &json!({"a": value}), "", &mut verdict);
        verdict
    }

    #[test]
    fn rules_are_held_against_the_value_that_they_are_about() {
        for (rule, value, holds) in [
            ("2 * self.x <= self.y", json!({"x": 1, "y": 2}), true),
            ("2 * self.x <= self.y", json!({"x": 1, "y": 1}), false),
            ("self == oldSelf", json!(1), true),
            ("isCIDR(self) && cidr(self) == cidr(self).masked()", json!("192.0.2.0/24"), true),
            ("isCIDR(self) && cidr(self) == cidr(self).masked()", json!("2001:db8::/32"), true),
            ("isCIDR(self) && cidr(self) == cidr(self).masked()", json!("192.0.2.1/24"), false),
            ("isCIDR(self) && cidr(self) == cidr(self).masked()", json!("192.0.2.1"), false),
            ("quantity(string(self[0])).compareTo(quantity(string(self[1]))) <= 0", json!(["300m", "0.3"]), true),
            ("quantity(string(self[0])).compareTo(quantity(string(self[1]))) <= 0", json!([1, "1000m"]), true),
            ("quantity(string(self[0])).compareTo(quantity(string(self[1]))) <= 0", json!(["1Gi", "1G"]), false),
            ("!format.qualifiedName().validate(self).hasValue()", json!("kubernetes.io/arch"), true),
            ("!format.qualifiedName().validate(self).hasValue()", json!("disk"), true),
            ("!format.qualifiedName().validate(self).hasValue()", json!("a b"), false),
            ("!format.qualifiedName().validate(self).hasValue()", json!("A.io/b"), false),
            ("!format.qualifiedName().validate(self).hasValue()", json!("a/b/c"), false),
        ] {
            let Verdict { broken, open } = verdict(rule, &value);
            assert_eq!(open, [], "{rule} of {value}");
            let wrong = Complaint { field: "a".into(), message: "wrong".into() };
            assert_eq!(broken, if holds { Vec::new() } else { vec![wrong] }, "{rule} of {value}");
        }
    }

    #[test]
    fn what_can_not_be_evaluated_is_said() {
        for rule in ["self.x > 1", "self +", "self", "authorizer.allowed()", "semver(self).major() > 1"] {
            let Verdict { broken, open } = verdict(rule, &json!({"y": 1}));
            assert_eq!((broken.len(), open.len()), (0, 1), "{rule}");
            assert!(open[0].message.ends_with(": wrong"), "{rule}: {}", open[0].message);
        }
    }
}
