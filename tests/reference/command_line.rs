//! The help of every command, and the fields of their JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::{row, table};

pub fn page() -> String {
    let mut command = lazarus::cli::command();
    command.build();
    let mut text = String::from(
        "# Command line\n\n\
         One program, `lazarus`. Under the name `kubectl-lazarus`, in a folder of `$PATH`, it is a plugin of kubectl: \
         `kubectl lazarus status` is `lazarus status`. Then it has only the commands that people use: `status`, `ps`, `explain`, \
         `plan`, `check`, `approve`, `deny`, `revive`, `substitute`, `simulate`, `lint`, `token` and `beat`.\n\n\
         | It ends with | When |\n| --- | --- |\n\
         | 0 | It did what it was asked for. That nothing is there to show or to decide is no failure, nor is a decision that \
         was made in the same way before, nor one that more people have to make as well. |\n\
         | 1 | It did not; a message on stderr says why. `check` and `lint`: something is wrong. |\n\
         | 2 | The arguments are wrong; for `lint`, also a file that can't be read. |\n\n\
         After Ctrl-C, a decision or an order that is under way is still made, and no other one is begun; it ends with 1 and says what \
         was made. A second Ctrl-C ends it at once.\n\n\
         With `-o json` it writes one JSON object, [below](#json).\n\n",
    );
    describe(&mut text, &mut command);
    text.push_str(
        "## JSON\n\n\
         These fields stay. There may be more of them in a later version. A field without a value is `null` or is not there.\n\n",
    );
    for (name, schema) in lazarus::cli::outputs() {
        outputs(&mut text, name, &schema.to_value());
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn describe(text: &mut String, command: &mut clap::Command) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    writeln!(text, "## {name}\n\n```text\n{}\n```\n", lines.join("\n")).unwrap();
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        describe(text, inner);
    }
}

/// The fields of an object and of those in it, each with its path.
fn outputs(text: &mut String, name: &str, schema: &Value) {
    let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
    let mut rows = BTreeMap::new();
    fields(schema, "", &definitions, &mut rows);
    let rows = rows.into_iter().map(|(path, meaning)| row([&format!("`{path}`"), &meaning]));
    writeln!(text, "### {name}\n\n{}", table(std::iter::once(row(["Field", "Meaning"])).chain(rows))).unwrap();
}

fn fields(schema: &Value, path: &str, definitions: &Map<String, Value>, rows: &mut BTreeMap<String, String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let inner = resolved(property, definitions);
        let items = resolved(&inner["items"], definitions);
        let own = property["description"].as_str().or(inner["description"].as_str()).unwrap_or_default();
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let path = if items.is_object() { format!("{path}[]") } else { path };
        rows.insert(
            path.clone(),
            format!("{}{}", own.replace('\n', " "), words(if items.is_object() { &items } else { &inner })),
        );
        fields(if items.is_object() { &items } else { &inner }, &path, definitions, rows);
    }
}

/// The schema that a reference leads to, also where there may be none.
fn resolved(schema: &Value, definitions: &Map<String, Value>) -> Value {
    let target = schema["$ref"].as_str().or_else(|| schema["anyOf"][0]["$ref"].as_str());
    let name = target.and_then(|target| target.strip_prefix("#/$defs/"));
    name.and_then(|name| definitions.get(name)).unwrap_or(schema).clone()
}

/// The words that a field can hold.
fn words(schema: &Value) -> String {
    let plain = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten().map(|word| &word["const"]);
    let words: Vec<_> = plain.chain(described).filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
    if words.is_empty() { String::new() } else { format!(" One of {}.", words.join(", ")) }
}
