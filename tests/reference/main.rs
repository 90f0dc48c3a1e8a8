//! The pages in `docs/reference`: made from the code, and a test that fails when they no longer say what it does.

#![cfg(test)]

mod command_line;
mod configuration;
mod isolation;
mod kinds;
mod metrics;
mod words;

use std::fmt::Write;
use std::path::Path;

const HEADER: &str = "<!-- Made from the sources by `make generate`: change those. -->\n\n";

fn pages() -> [(&'static str, String); 9] {
    [
        ("agentpolicy.md", kinds::agent_policy()),
        ("revivalrequest.md", kinds::revival_request()),
        ("cli.md", command_line::page()),
        ("conditions.md", words::conditions()),
        ("configuration.md", configuration::page()),
        ("events.md", words::events()),
        ("isolation.md", isolation::page()),
        ("metrics.md", metrics::page()),
        ("missioncell.md", kinds::mission_cell()),
    ]
}

#[test]
fn reference_pages_say_what_the_code_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let update = std::env::var_os("UPDATE_GENERATED").is_some();
    let mut stale = Vec::new();
    for (name, text) in pages() {
        let wanted = format!("{HEADER}{text}");
        let file = folder.join(name);
        if update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        if found != wanted {
            let same = found.lines().zip(wanted.lines()).take_while(|(found, wanted)| found == wanted).count();
            stale.push(format!("docs/reference/{name}:{}", same + 1));
        }
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // That one is made from what `make probes` found.
        let known = name == "probes.md" || pages().iter().any(|(known, _)| *known == name);
        assert!(known, "docs/reference/{name} is not made from the code: remove it");
    }
    assert!(stale.is_empty(), "not what the code says: {}; run `make generate` and commit", stale.join(", "));
}

/// A table in Markdown; the first row is its head.
fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    for (number, row) in rows.into_iter().enumerate() {
        // A bar would end the cell, also within a code span.
        let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        writeln!(text, "| {} |", cells.join(" | ")).unwrap();
        if number == 0 {
            writeln!(text, "|{}", " --- |".repeat(row.len())).unwrap();
        }
    }
    text
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}
