//! Documents as people write them: each by itself, as kubectl reads it, with the lines of what is in it.

use serde_json::Value;

use super::Error;
use super::build::Reader;
use super::place::Place;

/// One document of a text.
pub struct Document {
    text: String,
    /// Lines of the whole text before it.
    before: usize,
}

/// What a document says.
pub struct Content {
    /// As the API server would get it.
    pub value: Value,
    place: Place,
    before: usize,
}

/// The documents of a text, apart: trouble in one is none of the others.
#[must_use]
pub fn documents(text: &str) -> Vec<Document> {
    let is_mark =
        |line: &str| line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
    let (mut found, mut before, mut document) = (Vec::new(), 0, String::new());
    for (number, line) in text.lines().enumerate() {
        if is_mark(line) {
            found.push(Document { text: std::mem::take(&mut document), before });
            before = number;
        }
        document.push_str(line);
        document.push('\n');
    }
    found.push(Document { text: document, before });
    found
}

impl Document {
    /// What it says; `None`: nothing.
    ///
    /// # Errors
    /// Not YAML, a key that is there twice in one map, or more values than anybody writes.
    pub fn read(&self) -> Result<Option<Content>, Error> {
        let Self { text, before } = self;
        let read = Reader::of(text).read(text);
        let (mut value, place) = read.map_err(|error| Error::from(error).below(*before))?;
        merge(&mut value);
        Ok(Some(Content { value, place, before: *before }).filter(|content| !content.value.is_null()))
    }
}

impl Content {
    /// The line of a field, such as `spec.agents[0].image`, or of the innermost thing around it that is there.
    #[must_use]
    pub fn line(&self, path: &str) -> Option<usize> {
        self.place.line(path).map(|line| self.before + line)
    }
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
            for one in merged {
                let Value::Object(fields) = one else { continue };
                for (key, value) in fields {
                    map.entry(key).or_insert(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(merge),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(document: &Document) -> Option<Value> {
        document.read().unwrap().map(|content| content.value)
    }

    fn only(text: &str) -> Document {
        documents(text).pop().unwrap()
    }

    fn content(text: &str) -> Content {
        only(text).read().unwrap().unwrap()
    }

    fn refused(document: &Document) -> Error {
        document.read().err().unwrap()
    }

    #[test]
    fn documents_are_apart_and_keep_their_lines() {
        let all = documents("a: 1\n--- # second\nb: [\n---\n\nc:\n  d: 2\n");
        assert_eq!(all.len(), 3);
        assert_eq!(value(&all[0]), Some(json!({"a": 1})));
        assert!(refused(&all[1]).line().unwrap() >= 3);
        assert_eq!(value(&all[2]), Some(json!({"c": {"d": 2}})));
        let last = all[2].read().unwrap().unwrap();
        assert_eq!(["c", "c.d", "c.e"].map(|path| last.line(path)), [Some(6), Some(7), Some(7)]);
        assert_eq!(value(&only("# nothing\n")), None);
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
            assert_eq!(content(text).line(path), Some(line), "{path}");
        }
    }

    #[test]
    fn a_key_twice_is_an_error_at_the_second() {
        let error = refused(&only("a:\n  b: 1\n  c: 2\n  b: 3\n"));
        assert_eq!(error.line(), Some(4));
        assert!(error.to_string().contains("the key `b` is here twice"), "{error}");
    }

    #[test]
    fn texts_are_read_as_kubectl_reads_them() {
        let text = "a: on\nb: 'on'\nc: [\"no\", no, 0644]\nd: |\n  yes\ne: 1.0\nf: 0.5\ng: 2026-01-01\n";
        let meant = json!({"a": true, "b": "on", "c": ["no", false, 420], "d": "yes\n", "e": 1, "f": 0.5, "g": "2026-01-01"});
        assert_eq!(value(&only(text)), Some(meant));
        let text = "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\n";
        assert_eq!(content(text).value["own"], json!({"a": 1, "b": 3}));
    }

    #[test]
    fn keys_may_hold_dots() {
        let text = "labels:\n  app: x\n  app.kubernetes.io/version: \"1.0\"\n  app.kubernetes.io/part: 1.0\n";
        let labels = json!({"app": "x", "app.kubernetes.io/version": "1.0", "app.kubernetes.io/part": 1});
        assert_eq!(content(text).value["labels"], labels);
        assert_eq!(content(text).line("labels.app.kubernetes.io/version"), Some(3));
        assert_eq!(content(text).line("labels.app.kubernetes.io/part"), Some(4));
    }

    #[test]
    fn what_is_merged_keeps_its_quotes() {
        let text = "base: &base {a: \"1.0\", b: 1.0}\nown:\n  <<: *base\n  c: on\n";
        assert_eq!(content(text).value["own"], json!({"a": "1.0", "b": 1, "c": true}));
    }

    #[test]
    fn many_documents_take_no_more_than_their_text() {
        let all = documents(&"---\n".repeat(10_000));
        assert_eq!(all.iter().map(|document| document.text.len()).sum::<usize>(), 40_000);
        assert!(all.iter().all(|document| value(document).is_none()));
    }

    #[test]
    fn aliases_of_aliases_are_refused() {
        let line = |of: &str| format!("[{}]", vec![of; 1100].join(","));
        let text = format!("a: &a {}\nb: {}\n", line("1"), line("*a"));
        let error = refused(&only(&text)).to_string();
        assert!(error.contains("more than 1000000 values"), "{error}");
    }

    #[test]
    fn a_long_text_is_named_by_few_aliases() {
        let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(64_000), vec!["*a"; 1000].join(","));
        assert!(refused(&only(&text)).to_string().contains("more than 1000000 values"));
    }

    #[test]
    fn words_are_understood_in_one_reading() {
        let text = format!("all: [{}]\n", vec!["no, 'no', \"ä\""; 10_000].join(", "));
        let all = content(&text).value["all"].as_array().unwrap().clone();
        assert!(all.chunks(3).all(|three| *three == [json!(false), json!("no"), json!("ä")]));
    }

    #[test]
    fn errors_are_where_they_are_in_the_whole_text() {
        let error = refused(&only("a: 1\n---\nb:\n  c: 1\n  c: 2\n"));
        assert_eq!(error.line(), Some(5));
        assert_eq!(error.to_string(), "b: the key `c` is here twice at line 5 column 3");
        let error = refused(&only("a: 1\n---\nb:\n  c: [\n")).to_string();
        assert!(!error.contains("line 2") && !error.contains("line 3"), "{error}");
    }
}
