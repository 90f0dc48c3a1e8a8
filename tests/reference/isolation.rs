//! What is true of the pods of each isolation level.

use lazarus::api::Isolation;
use lazarus::render::isolation::predicates::{Predicate, added};

use super::{row, table};

pub fn page() -> String {
    let sections: Vec<_> = Isolation::ALL.into_iter().map(section).collect();
    format!(
        "# Isolation levels\n\n\
         Each agent's pod carries its level in the label `lazarus-pit.io/level`. A level demands what the tables up to its own say: \
         `Level2`, for one, all of `None`, `Level1` and `Level2`. The API server refuses a pod that lacks any of it, \
         also one that the operator made or a webhook changed, and names what it lacks:\n\n\
         ```text\nthe pod lacks \"no-capabilities\" of Level1: every container drops all capabilities\n```\n\n\
         Once a pod is made, its specification stays as it is: ephemeral containers and changes of its size are refused.\n\n\
         {}",
        sections.join("\n")
    )
}

fn section(level: Isolation) -> String {
    let head = match level {
        Isolation::None => "None: always".to_owned(),
        Isolation::Level1 | Isolation::Level2 | Isolation::Level3 => format!("{level} adds"),
    };
    let rows = added(level).map(|Predicate { name, meaning, .. }| row([&format!("`{name}`"), &sentence(meaning)]));
    format!("## {head}\n\n{}", table(std::iter::once(row(["Name", "What is true of the pod"])).chain(rows)))
}

fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
