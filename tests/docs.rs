//! What the documentation says is true, as far as a program can tell: links, manifests, make targets, metrics, reasons.

#![cfg(test)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kube::CustomResourceExt;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentPolicy, MissionCell};
use lazarus::report::metrics::{Kind, Metrics, Verb};
use lazarus::runtime::yaml;
use serde_json::Value;

/// A line of a page, and whether it stands in a fenced block, with the block's language.
struct Line {
    number: usize,
    text: String,
    fence: Option<String>,
}

struct Page {
    /// Its path within the project.
    name: String,
    lines: Vec<Line>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn pages() -> Vec<Page> {
    let mut files = vec![root().join("README.md")];
    markdown(&root().join("docs"), &mut files);
    files.sort();
    files.iter().map(|file| page(file)).collect()
}

fn page(file: &Path) -> Page {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut fence: Option<String> = None;
    let mut lines = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let mark = text.trim_start().strip_prefix("```");
        if let Some(language) = mark {
            fence = if fence.is_some() { None } else { Some(language.trim().to_owned()) };
        } else {
            lines.push(Line { number: index + 1, text: text.to_owned(), fence: fence.clone() });
        }
    }
    let name = file.strip_prefix(root()).unwrap().display().to_string();
    assert!(fence.is_none(), "{name}: a fenced block does not end");
    Page { name, lines }
}

/// Every complaint in one message, so that one run shows them all.
fn report(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The code spans of a line of prose, or the whole line of a fenced block.
fn code(line: &Line) -> Vec<&str> {
    if line.fence.is_some() { vec![&line.text] } else { line.text.split('`').skip(1).step_by(2).collect() }
}

/// The line without its code spans, where a `](` is no link.
fn prose(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The name by which GitHub links to a heading.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

fn anchors(page: &Page) -> BTreeSet<String> {
    let headings = page.lines.iter().filter(|line| line.fence.is_none() && line.text.starts_with('#'));
    headings.map(|line| anchor(line.text.trim_start_matches('#').trim())).collect()
}

#[test]
fn relative_links_lead_somewhere() {
    let mut complaints = Vec::new();
    for source in pages() {
        for line in source.lines.iter().filter(|line| line.fence.is_none()) {
            for target in links(&line.text).into_iter().filter(|target| !target.contains("://")) {
                let (path, fragment) = target.split_once('#').unwrap_or((&target, ""));
                let own = root().join(&source.name);
                let file = if path.is_empty() { own } else { own.parent().unwrap().join(path) };
                let place = format!("{}:{}", source.name, line.number);
                if !file.exists() {
                    complaints.push(format!("{place}: {target} leads nowhere"));
                } else if !fragment.is_empty() && !anchors(&page(&file.canonicalize().unwrap())).contains(fragment) {
                    complaints.push(format!("{place}: {path} has no heading #{fragment}"));
                }
            }
        }
    }
    report(&complaints);
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let folder = root().canonicalize().unwrap();
    let (mut open, mut seen) = (vec![folder.join("README.md")], BTreeSet::new());
    while let Some(file) = open.pop() {
        if !seen.insert(file.clone()) || file.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for line in page(&file).lines.iter().filter(|line| line.fence.is_none()) {
            let targets = links(&line.text).into_iter().filter(|target| !target.contains("://"));
            let path = |target: String| file.parent().unwrap().join(target.split('#').next().unwrap_or_default());
            open.extend(targets.map(path).filter_map(|path| path.canonicalize().ok()).filter(|path| path.is_file()));
        }
    }
    let lost: Vec<_> = pages().into_iter().map(|page| page.name).filter(|name| !seen.contains(&folder.join(name))).collect();
    assert!(lost.is_empty(), "no link leads to {}", lost.join(", "));
}

/// The text of each `yaml` block and the line it begins on.
fn manifests(page: &Page) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, usize, String)> = Vec::new();
    for line in page.lines.iter().filter(|line| line.fence.as_deref() == Some("yaml")) {
        match blocks.last_mut() {
            Some((_, last, text)) if *last + 1 == line.number => {
                *last = line.number;
                text.push_str(&line.text);
                text.push('\n');
            }
            _ => blocks.push((line.number, line.number, format!("{}\n", line.text))),
        }
    }
    blocks.into_iter().map(|(first, _, text)| (first, text)).collect()
}

/// What the schema has against a value, by path. Patterns and rules in CEL are the API server's to check.
fn against(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{path} is {value}, which is none of {}", schema["enum"]));
    }
    let number = |key: &str| schema[key].as_f64();
    if let Some(value) = value.as_f64()
        && (number("minimum").is_some_and(|least| value < least) || number("maximum").is_some_and(|most| value > most))
    {
        found.push(format!("{path} is {value}, out of range"));
    }
    if let Some(text) = value.as_str()
        && schema["maxLength"].as_u64().is_some_and(|most| text.chars().count() > usize::try_from(most).unwrap())
    {
        found.push(format!("{path} is too long"));
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            against(&schema["items"], item, &format!("{path}[{index}]"), found);
        }
    }
    if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                found.push(format!("{path}.{name} is missing"));
            }
        }
        for (name, field) in fields {
            match known.get(name) {
                Some(schema) => against(schema, field, &format!("{path}.{name}"), found),
                None => found.push(format!("{path}.{name} is not a field")),
            }
        }
    }
}

fn check_manifest(object: &Value) -> Vec<String> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    if !text("apiVersion").starts_with("lazarus-pit.io/") {
        return Vec::new();
    }
    let (crd, read) = match text("kind") {
        "MissionCell" => (MissionCell::crd(), serde_json::from_value::<MissionCell>(object.clone()).err()),
        "AgentPolicy" => (AgentPolicy::crd(), serde_json::from_value::<AgentPolicy>(object.clone()).err()),
        other => return vec![format!("{other} is no kind of this project")],
    };
    let crd = serde_json::to_value(crd).unwrap();
    let version = &crd["spec"]["versions"][0];
    let mut found: Vec<_> = read.map(|error| error.to_string()).into_iter().collect();
    if text("apiVersion") != format!("lazarus-pit.io/{}", version["name"].as_str().unwrap()) {
        found.push(format!("{} is not a version", text("apiVersion")));
    }
    for name in object.as_object().into_iter().flat_map(serde_json::Map::keys) {
        if !["apiVersion", "kind", "metadata", "spec"].contains(&name.as_str()) {
            found.push(format!("{name} is not a field"));
        }
    }
    against(&version["schema"]["openAPIV3Schema"]["properties"]["spec"], &object["spec"], "spec", &mut found);
    found
}

#[test]
fn manifests_are_valid() {
    let mut complaints = Vec::new();
    for page in pages() {
        for (line, text) in manifests(&page) {
            let place = format!("{}:{line}", page.name);
            match yaml::from_documents::<Value>(&text) {
                Ok(objects) => {
                    let found = objects.iter().flat_map(check_manifest);
                    complaints.extend(found.map(|complaint| format!("{place}: {complaint}")));
                }
                Err(error) => complaints.push(format!("{}:{}: {error}", page.name, line + error.line().unwrap_or(1) - 1)),
            }
        }
    }
    report(&complaints);
}

#[test]
fn a_wrong_manifest_is_noticed() {
    let text = "{apiVersion: lazarus-pit.io/v1alpha1, kind: MissionCell, metadata: {name: a}, spec: {mission: m, agents: [{imagee: b, role: Boss}]}}";
    let object = yaml::from_str::<Value>(text).unwrap();
    let found = check_manifest(&object).join("\n");
    for complaint in ["spec.agents[0].imagee is not a field", "spec.agents[0].name is missing", "\"Boss\", which is none of"] {
        assert!(found.contains(complaint), "{complaint} is missing in\n{found}");
    }
}

/// The targets that a command line makes: `A=b make lab`, `$ make demo && make test`.
fn targets(code: &str) -> Vec<&str> {
    let command = code.trim_start().trim_start_matches("$ ").split(" #").next().unwrap_or_default();
    let mut found = Vec::new();
    for part in command.split(['&', ';', '|']) {
        let mut words = part.split_whitespace().skip_while(|word| word.contains('=') || matches!(*word, "sudo" | "time"));
        if words.next() == Some("make") {
            found.extend(words.filter(|word| !word.contains('=') && !word.starts_with('-')));
        }
    }
    found
}

#[test]
fn make_targets_exist() {
    let file = root().join("Makefile");
    let makefile = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let heads = makefile.lines().filter(|line| !line.starts_with(['\t', ' ', '#', '.'])).filter_map(|line| line.split_once(':'));
    let known: BTreeSet<_> =
        heads.filter(|(_, rest)| !rest.starts_with('=')).flat_map(|(names, _)| names.split_whitespace()).collect();
    let mut complaints = Vec::new();
    for page in pages() {
        for line in &page.lines {
            for target in code(line).into_iter().flat_map(targets).filter(|target| !known.contains(target)) {
                complaints.push(format!("{}:{}: the Makefile has no target {target}", page.name, line.number));
            }
        }
    }
    report(&complaints);
}

#[test]
fn metrics_exist() {
    let metrics = Metrics::new();
    metrics.wrote(Verb::ALL[0], Kind::ALL[0]);
    let text = metrics.encode();
    let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next());
    let known: BTreeSet<_> = series.collect();
    let mut complaints = Vec::new();
    for page in pages() {
        for line in &page.lines {
            let words = line.text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
            for word in words.filter(|word| word.starts_with("lazarus_") && !known.contains(word)) {
                complaints.push(format!("{}:{}: there is no metric {word}", page.name, line.number));
            }
        }
    }
    report(&complaints);
}

#[test]
fn every_reason_is_in_the_page_about_debugging() {
    let page = page(&root().join("docs/how-to/debug-a-mission.md"));
    let explained = |reason: &Reason| {
        let mark = format!("`{reason}`");
        page.lines.iter().any(|line| line.fence.is_none() && line.text.starts_with("| ") && line.text.contains(&mark))
    };
    let missing: Vec<_> = Reason::ALL.iter().filter(|reason| !explained(reason)).map(|reason| reason.as_str()).collect();
    assert!(missing.is_empty(), "docs/how-to/debug-a-mission.md has no row for {}", missing.join(", "));
}
