//! `lazarus lint`.

mod files;
mod functions;
mod kinds;
mod rules;
mod schema;

use std::fmt::Write;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use self::files::Source;
use self::kinds::Kinds;
use self::schema::Complaint;
use super::Error;
use super::output::Output;
use crate::api::Isolation;
use crate::runtime::yaml::{Content, Document, documents};

/// Check manifests before they are applied
///
/// Needs no cluster. Says what the API server would refuse, and which agents the operator would not start, of each MissionCell,
/// AgentPolicy and RevivalRequest; objects of other kinds are counted. What only a cluster knows is not looked at: rights,
/// nodes, and what is there already. Ends with 1 if something is wrong, and with 2 if a file can't be read.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Files, and directories with all .yaml, .yml and .json in them but kustomizations; `-`: standard input
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    filename: Vec<PathBuf>,

    /// The lowest isolation level that the namespace or the operator's configuration admits
    #[arg(long, value_name = "LEVEL", value_parser = level())]
    minimum_level: Option<Isolation>,

    #[command(flatten)]
    output: Output,
}

fn level() -> impl TypedValueParser<Value = Isolation> {
    PossibleValuesParser::new(Isolation::ALL.map(Isolation::as_str)).map(|word| Isolation::of(&word).unwrap_or_default())
}

/// What `lint` found.
#[derive(Serialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Linted {
    /// Files that were read.
    files: usize,
    /// Objects that were checked.
    objects: usize,
    /// Those of them with which something is wrong.
    wrong: usize,
    /// Documents that are no YAML, or have a key twice.
    broken: usize,
    /// Objects of other kinds, which were not checked.
    skipped: usize,
    /// What is wrong, in the order of the files.
    findings: Vec<Finding>,
}

/// Something wrong.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// The file.
    file: String,
    /// The line of the field, or of what it is missing in.
    line: Option<usize>,
    /// Kind of the object.
    kind: Option<String>,
    /// Its namespace, if it says one.
    namespace: Option<String>,
    /// Its name.
    name: Option<String>,
    /// The field, such as `spec.agents[0].image`; absent: it is about the whole object.
    field: Option<String>,
    /// What is wrong with it.
    message: String,
}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        let Self { filename, minimum_level, output } = self;
        let sources = files::read(&filename)?;
        let kinds = Kinds::new(minimum_level)?;
        let mut linted = Linted { files: sources.len(), ..Linted::default() };
        for Source { name, text } in &sources {
            for document in documents(text) {
                linted.document(&kinds, name, &document);
            }
        }
        output.write(&linted, Linted::text)?;
        match linted.findings.len() {
            0 => Ok(()),
            1 => Err("1 thing is wrong".into()),
            more => Err(format!("{more} things are wrong").into()),
        }
    }
}

impl Linted {
    fn document(&mut self, kinds: &Kinds, file: &str, document: &Document) {
        match document.read() {
            Ok(None) => {}
            Ok(Some(content)) => {
                let value = &content.value;
                match value["items"].as_array().filter(|_| value["kind"] == "List") {
                    Some(items) => {
                        for (index, item) in items.iter().enumerate() {
                            self.object(kinds, item, &|field| format!("items[{index}].{field}"), file, &content);
                        }
                    }
                    None => self.object(kinds, value, &str::to_owned, file, &content),
                }
            }
            Err(error) => {
                self.broken += 1;
                let (kind, namespace, name, field) = (None, None, None, None);
                let message = error.to_string();
                self.findings.push(Finding { file: file.into(), line: error.line(), kind, namespace, name, field, message });
            }
        }
    }

    fn object(&mut self, kinds: &Kinds, value: &Value, path: &dyn Fn(&str) -> String, file: &str, content: &Content) {
        let Some(complaints) = kinds.check(value) else {
            self.skipped += 1;
            return;
        };
        self.objects += 1;
        self.wrong += usize::from(!complaints.is_empty());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.findings.extend(complaints.into_iter().map(|Complaint { field, message }| Finding {
            file: file.into(),
            line: content.line(path(&field).trim_end_matches('.')),
            kind: text(&value["kind"]),
            namespace: text(&value["metadata"]["namespace"]),
            name: text(&value["metadata"]["name"]),
            field: Some(field).filter(|field| !field.is_empty()),
            message,
        }));
    }

    fn text(&self) -> String {
        let Self { files, objects, wrong, broken, skipped, findings } = self;
        let mut text: String = findings.iter().map(Finding::text).collect();
        let count = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
        let wrong = if *wrong == 0 { "none wrong".into() } else { format!("{wrong} wrong") };
        let _ = write!(text, "{}, {}: {wrong}", count(*files, "file", "files"), count(*objects, "object", "objects"));
        if *broken > 0 {
            let _ = write!(text, ", {} not YAML", count(*broken, "document", "documents"));
        }
        if *skipped > 0 {
            let _ = write!(text, "; {} of other kinds not checked", count(*skipped, "object", "objects"));
        }
        text.push('\n');
        text
    }
}

impl Finding {
    fn text(&self) -> String {
        let Self { file, line, kind, namespace, name, field, message } = self;
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let object: Vec<_> = [kind, namespace, name].into_iter().flatten().map(String::as_str).collect();
        let object = if object.is_empty() { String::new() } else { format!(" {}", object.join("/")) };
        let field = field.as_ref().map(|field| format!(" {field}:")).unwrap_or_default();
        format!("{file}{line}{object}:{field} {message}\n")
    }
}
