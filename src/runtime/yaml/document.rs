//! Documents as people write them: each by itself, as kubectl reads it, with the lines of what is in it.

use std::fmt::Formatter;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Error;
use super::older::{is_plain, older};

/// One document of a text.
pub struct Document {
    /// With as many empty lines before it as there were others, so that its lines are those of the whole text.
    text: String,
}

/// The documents of a text, apart: trouble in one is none of the others.
#[must_use]
pub fn documents(text: &str) -> Vec<Document> {
    let is_mark =
        |line: &str| line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
    let (mut found, mut first, mut document) = (Vec::new(), 0, String::new());
    for (number, line) in text.lines().enumerate() {
        if is_mark(line) {
            found.push(Document::at(first, &document));
            (first, document) = (number, String::new());
        }
        document.push_str(line);
        document.push('\n');
    }
    found.push(Document::at(first, &document));
    found
}

impl Document {
    fn at(first: usize, text: &str) -> Self {
        Self { text: "\n".repeat(first) + text }
    }

    /// What it says, as the API server would get it; `None`: nothing.
    ///
    /// # Errors
    /// Not YAML, or a key that is there twice in one map.
    pub fn value(&self) -> Result<Option<Value>, Error> {
        let mut value = Build.deserialize(serde_yaml::Deserializer::from_str(&self.text))?;
        merge(&mut value);
        for (pointer, path, meant) in older_words(&value) {
            if self.place(&path, true).is_some_and(|(line, column)| is_plain(&self.text, line, column))
                && let Some(place) = value.pointer_mut(&pointer)
            {
                *place = meant;
            }
        }
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// The line of a field, such as `spec.agents[0].image`, or of the innermost thing around it that is there.
    #[must_use]
    pub fn line(&self, path: &str) -> Option<usize> {
        self.place(path, false).map(|(line, _)| line)
    }

    // The reader says places of errors alone. So it is made to fail at the right one.
    fn place(&self, target: &str, value: bool) -> Option<(usize, usize)> {
        let find = Find { target, value, path: String::new() };
        let failed = find.deserialize(serde_yaml::Deserializer::from_str(&self.text)).err()?;
        failed.location().map(|place| (place.line(), place.column()))
    }
}

fn field(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Takes over what `<<` refers to, where a map doesn't say it itself.
fn merge(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(merge);
            let merged = match map.remove("<<") {
                Some(Value::Array(several)) => several,
                Some(one) => vec![one],
                None => Vec::new(),
            };
            for (key, value) in merged.into_iter().filter_map(|one| one.as_object().cloned()).flatten() {
                map.entry(key).or_insert(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(merge),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The texts that would be something else to kubectl if they are not in quotes: pointer, path, and what they would be.
fn older_words(value: &Value) -> Vec<(String, String, Value)> {
    let (mut found, mut open) = (Vec::new(), vec![(String::new(), String::new(), value)]);
    while let Some((pointer, path, value)) = open.pop() {
        match value {
            Value::Object(map) => open.extend(map.iter().map(|(key, value)| {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                (format!("{pointer}/{escaped}"), field(&path, key), value)
            })),
            Value::Array(items) => {
                let item = |(index, value)| (format!("{pointer}/{index}"), format!("{path}[{index}]"), value);
                open.extend(items.iter().enumerate().map(item));
            }
            Value::String(word) => found.extend(older(word).map(|meant| (pointer, path, meant))),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found
}

/// Makes the value.
struct Build;

impl<'de> DeserializeSeed<'de> for Build {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build {
    type Value = Value;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a value without a tag")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // On the way to the API server 1.0 becomes 1.
        let whole = value.to_string().parse::<i64>().ok().map(Value::from);
        Ok(whole.unwrap_or_else(|| Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut built = Vec::new();
        while let Some(item) = items.next_element_seed(Build)? {
            built.push(item);
        }
        Ok(built.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut built = Map::new();
        while let Some(key) = fields.next_key_seed(Key { refused: |key: &str| built.contains_key(key) })? {
            built.insert(key, fields.next_value_seed(Build)?);
        }
        Ok(built.into())
    }
}

/// A key; the error at one that is refused has its place.
struct Key<F> {
    refused: F,
}

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Key<F> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<F: Fn(&str) -> bool> Visitor<'_> for Key<F> {
    type Value = String;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a key that is text")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        if (self.refused)(key) { Err(E::custom(format!("the key `{key}` is here twice"))) } else { Ok(key.to_owned()) }
    }

    fn visit_bool<E: serde::de::Error>(self, key: bool) -> Result<String, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, key: i64) -> Result<String, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, key: u64) -> Result<String, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, key: f64) -> Result<String, E> {
        self.visit_str(&key.to_string())
    }
}

/// Goes to a field, and fails there in any case: at its key or, for `value`, at what follows it.
struct Find<'a> {
    target: &'a str,
    value: bool,
    path: String,
}

impl Find<'_> {
    fn leads(&self, path: &str) -> bool {
        self.target.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

// Whatever is not visited here is an error of its own.
impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("another place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            let path = format!("{}[{index}]", self.path);
            let more = if self.leads(&path) {
                items.next_element_seed(Find { path, ..self })?.is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Err(A::Error::custom("not here"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        if self.path == self.target && !self.path.is_empty() {
            return Err(A::Error::custom("here"));
        }
        let is_target = |key: &str| !self.value && field(&self.path, key) == self.target;
        while let Some(key) = fields.next_key_seed(Key { refused: is_target })? {
            let path = field(&self.path, &key);
            if self.leads(&path) {
                fields.next_value_seed(Find { target: self.target, value: self.value, path })?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Err(A::Error::custom("not here"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn only(text: &str) -> Document {
        documents(text).pop().unwrap()
    }

    #[test]
    fn documents_are_apart_and_keep_their_lines() {
        let all = documents("a: 1\n--- # second\nb: [\n---\n\nc:\n  d: 2\n");
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].value().unwrap(), Some(json!({"a": 1})));
        assert!(all[1].value().unwrap_err().line().unwrap() >= 3);
        assert_eq!(all[2].value().unwrap(), Some(json!({"c": {"d": 2}})));
        assert_eq!((all[2].line("c"), all[2].line("c.d"), all[2].line("c.e")), (Some(6), Some(7), Some(7)));
        assert_eq!(only("# nothing\n").value().unwrap(), None);
    }

    #[test]
    fn each_field_has_its_line() {
        let text = "spec:\n  agents:\n  - name: a\n    env: [{name: A},\n      {name: B}]\n  - image: x\n  labels: {a.b/c: d}\n";
        for (path, line) in [
            ("spec", 1),
            ("spec.agents", 2),
            ("spec.agents[0]", 3),
            ("spec.agents[0].env[1].name", 5),
            ("spec.agents[0].image", 3),
            ("spec.agents[1]", 6),
            ("spec.agents[1].image", 6),
            ("spec.labels.a.b/c", 7),
            ("", 1),
        ] {
            assert_eq!(only(text).line(path), Some(line), "{path}");
        }
    }

    #[test]
    fn a_key_twice_is_an_error_at_the_second() {
        let error = only("a:\n  b: 1\n  c: 2\n  b: 3\n").value().unwrap_err();
        assert_eq!(error.line(), Some(4));
        assert!(error.to_string().contains("the key `b` is here twice"), "{error}");
    }

    #[test]
    fn texts_are_read_as_kubectl_reads_them() {
        let text = "a: on\nb: 'on'\nc: [\"no\", no, 0644]\nd: |\n  yes\ne: 1.0\nf: 0.5\ng: 2026-01-01\n";
        let value = json!({"a": true, "b": "on", "c": ["no", false, 420], "d": "yes\n", "e": 1, "f": 0.5, "g": "2026-01-01"});
        assert_eq!(only(text).value().unwrap(), Some(value));
        let text = "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\n";
        assert_eq!(only(text).value().unwrap().unwrap()["own"], json!({"a": 1, "b": 3}));
    }
}
