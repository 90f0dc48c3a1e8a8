//! Reading and writing YAML; the only module that names `serde_yaml`, so that it can be replaced in one place.

mod build;
mod document;
mod older;
mod place;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

pub use document::{Content, Document, documents};

/// Why text is not the YAML that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    line: Option<usize>,
    source: serde_yaml::Error,
}

impl Error {
    /// The line in the whole text, from 1; `None` where the error has no place (a value that can't be written).
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The same, of a text with so many lines before the one that was read.
    fn below(self, before: usize) -> Self {
        let Self { message, line, source } = self;
        let mut parts = message.split(" line ");
        let mut moved = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let place = part.split_once(" column ").and_then(|(line, rest)| Some((line.parse::<usize>().ok()?, rest)));
            moved +=
                &place.map_or_else(|| format!(" line {part}"), |(line, rest)| format!(" line {} column {rest}", line + before));
        }
        Self { message: moved, line: line.map(|line| line + before), source }
    }
}

impl From<serde_yaml::Error> for Error {
    fn from(source: serde_yaml::Error) -> Self {
        // The message already starts with the path of keys and ends with line and column.
        let line = source.location().map(|place| place.line());
        Self { message: source.to_string(), line, source }
    }
}

/// One value as one document, without a leading `---`.
///
/// # Errors
/// The value has no form in YAML, such as a map with a map as key.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, Error> {
    Ok(serde_yaml::to_string(value)?)
}

/// Values as documents separated by `---`, in their order.
///
/// # Errors
/// As [`to_string`].
pub fn to_documents<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<String, Error> {
    let documents = values.into_iter().map(|value| to_string(&value)).collect::<Result<Vec<_>, _>>()?;
    Ok(documents.join("---\n"))
}

/// Exactly one document.
///
/// # Errors
/// Not YAML, more than one document, or not a `T`: the message names the path of keys, the line and the column.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    Ok(serde_yaml::from_str(text)?)
}

/// All documents of a text; empty ones are left out, as `kubectl` does.
///
/// # Errors
/// The first document that is not YAML or not a `T`, as in [`from_str`].
pub fn from_documents<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        values.extend(Option::<T>::deserialize(document)?);
    }
    Ok(values)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Agent {
        name: String,
        restart: Restart,
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Restart {
        attempts: i64,
    }

    fn agent(name: &str) -> Agent {
        Agent { name: name.into(), restart: Restart { attempts: 3 } }
    }

    #[test]
    fn documents_round_trip_and_empty_ones_are_left_out() {
        let text = to_documents([agent("scout"), agent("scribe")]).unwrap();
        let spaced = format!("---\n# a comment\n---\n{text}---\n");
        assert_eq!(from_documents::<Agent>(&spaced).unwrap(), [agent("scout"), agent("scribe")]);
        assert_eq!(from_str::<Agent>(&to_string(&agent("scout")).unwrap()).unwrap(), agent("scout"));
        assert_eq!(from_documents::<Agent>("").unwrap(), []);
    }

    #[test]
    fn errors_name_the_path_the_line_and_what_is_allowed() {
        let text = "name: a\nrestart: {attempts: 1}\n---\nname: b\nrestart:\n  atempts: 2\n";
        let error = from_documents::<Agent>(text).unwrap_err();
        assert_eq!(error.line(), Some(6));
        let message = error.to_string();
        assert!(message.starts_with("restart: unknown field `atempts`, expected `attempts`"), "{message}");
    }
}
